"""Statistics and the fingerprint of a split."""

import hashlib

import numpy as np
from jaxtyping import Int64

from penstroke.data.mapped import MappedImages, mapped
from penstroke.data.split import Dataset, Split

STATISTICS_BYTES = 1 << 20
"""Bytes of images that are summed at once; they fit into the cache of a processor."""
FINGERPRINT_IMAGES = 1024


def pixel_statistics(split: Split) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the mean and the population standard deviation of each channel's pixels, divided by 255.

    One value for each channel; (0.1307,) and (0.3081,), rounded, for the train split of MNIST. The sums are exact
    integers, so that the result does not depend on the order of the images.
    """
    images, channels = mapped(split.images) if split.mapped else split.images, split.images.shape[1]
    first, second = np.zeros((2, channels), np.int64)
    count = max(1, STATISTICS_BYTES // images[0].size)
    for start in range(0, len(images), count):
        part = images[start : start + count]
        first += part.sum(axis=(0, 2, 3), dtype=np.int64)
        second += np.square(part, dtype=np.uint16).sum(axis=(0, 2, 3), dtype=np.int64)
        if isinstance(images, MappedImages):
            images.release()
    total = images.size // channels
    mean = tuple(value / total / 255 for value in first.tolist())
    moments = zip(first.tolist(), second.tolist(), strict=True)
    # Python's integers: the product of a sum and a count may exceed 64 bits.
    std = tuple(((square * total - value * value) / (total * total)) ** 0.5 / 255 for value, square in moments)
    return mean, std


def fingerprint(split: Split) -> str:
    """Return a SHA-256 (hexadecimal) that identifies the content of a split.

    It covers the shape of the images, the classes, all labels, and at most 1,024 images at equal distances.
    """
    digest = hashlib.sha256(repr((split.images.shape, split.classes)).encode())
    digest.update(split.labels.tobytes())
    digest.update(split.images[_spread(len(split))].tobytes())
    return digest.hexdigest()


def training_fingerprint(data: Dataset) -> str:
    """Return a SHA-256 (hexadecimal) that identifies what is trained on: the train split, and all corrections."""
    train = fingerprint(data.train)
    if data.corrections is None:
        return train
    return hashlib.sha256(f"{train} {data.corrections.sha256}".encode()).hexdigest()


def _spread(count: int) -> Int64[np.ndarray, "k"]:
    """Return at most FINGERPRINT_IMAGES positions from 0 to ``count - 1`` at equal distances.

    Recorded fingerprints depend on the rounding: each half is computed from its own end, as ``torch.linspace`` does.
    """
    few = min(count, FINGERPRINT_IMAGES)
    if few == 1:
        return np.zeros(1, np.int64)
    step = (count - 1) / (few - 1)
    positions = np.arange(few)
    forwards, backwards = step * positions, (count - 1) - step * positions[::-1]
    return np.where(positions < few // 2, forwards, backwards).astype(np.int64)
