"""Synthetic training data: augmentation of batches, images of outliers, and additional digits.

Augmentation works on PyTorch tensors. Outliers and digits are generated as NumPy arrays.
"""

from penstroke.synthesis.augment import NO_CLASS, augment, join_digits, mix_outliers, shift_batch
from penstroke.synthesis.batch_augmentation import BatchAugmentation, batch_augmentation

__all__ = [
    "NO_CLASS", "BatchAugmentation", "augment", "batch_augmentation", "join_digits",
    "mix_outliers", "shift_batch",
]  # fmt: skip
