"""The augmentation of a recipe as one function of a batch."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from penstroke.data import Split
from penstroke.errors import UsageError
from penstroke.recipes.parts import Augmentation
from penstroke.synthesis.augment import augment, mix_outliers, shift_batch
from penstroke.synthesis.photographs import crop_and_flip, cut_out, jitter_colours

MAX_OUTLIERS = 14_000
"""Maximum number of images in the outlier pool; the pool is never larger than the training split."""

BatchAugmentation = Callable[
    [UInt8[Tensor, "b c h w"], Int64[Tensor, "b"]],
    tuple[UInt8[Tensor, "b c h w"] | Float[Tensor, "b c h w"], Int64[Tensor, "b"]],
]
"""Returns augmented images, 0..255, and labels for raw images and labels; draws from PyTorch's random state."""


def check_augmentation(augmentation: Augmentation, train: Split) -> None:
    """Check that an augmentation applies to a training split.

    Raises:
        UsageError: the augmentation mixes outliers into images other than digits 0-9 of 28x28 pixels.
    """
    digits = train.classes == tuple("0123456789") and train.images.shape[1:] == (1, 28, 28)
    if augmentation.outliers and not digits:
        channels, height, width = train.images.shape[1:]
        raise UsageError(
            f"outliers is {augmentation.outliers}; it applies only to grey digits 0-9 of 28x28 pixels. The training "
            f"images have {len(train.classes)} classes, {channels} "
            f"channel{'s' * (channels != 1)} and {height}x{width} pixels.",
            "Set outliers to 0 (--outliers 0).",
        )


def batch_augmentation(
    augmentation: Augmentation, train: Split, seed: int, device: torch.device | None = None
) -> BatchAugmentation:
    """Return the function that augments each batch of a training run.

    Args:
        augmentation: the augmentation; if all its values are zero, batches are returned unchanged.
        train: the training split. Its size limits the number of generated outliers.
        seed: seed of the generated outliers.
        device: where the generated outliers are kept; the CPU by default.

    Raises:
        UsageError: the augmentation does not apply to these images.
    """
    check_augmentation(augmentation, train)
    shift, distortion, outliers = augmentation.shift, augmentation.distortion, augmentation.outliers
    crop, flip = augmentation.crop, bool(augmentation.flip)
    jitter, cutout = augmentation.jitter, augmentation.cutout
    pool: tuple[Tensor, Tensor] | None = None
    if outliers:
        from penstroke.synthesis.outliers import (
            outlier_pool,
        )  # imports Pillow and SciPy, which not every training run needs

        images, labels = (torch.from_numpy(array) for array in outlier_pool(min(MAX_OUTLIERS, len(train)), seed))
        pool = images.to(device), labels.to(device)

    def augment_batch(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        if pool is not None:
            images, labels = mix_outliers(images, labels, outliers, pool)
        images = shift_batch(images, shift)
        images = augment(images, distortion) if distortion else images
        if crop or flip or jitter or cutout:
            images = cut_out(jitter_colours(crop_and_flip(images, crop, flip=flip), jitter), cutout)
        return images, labels

    return augment_batch
