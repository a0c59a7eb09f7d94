"""Outliers made from the training images themselves, for pictures of any kind: mixtures and shuffled patches.

Both have the colours and textures of the training images and show none of the classes, or two of them equally. The
images are trained on as in D. Hendrycks and others, "Deep anomaly detection with outlier exposure", 2019,
https://arxiv.org/abs/1812.04606.
"""

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from numpy.random import Generator

from penstroke.data import Split

GRIDS = (2, 3, 4)
"""Patches per side of a shuffled image."""


def mixed_outliers(train: Split, count: int, seed: int) -> UInt8[ndarray, "count c h w"]:
    """Return ``count`` images in turn of both kinds, the same for the same seed.

    Args:
        train: the images that they are made from; if all are of one class, there are no mixtures.
        count: number of images.
        seed: seed of the choice.
    """
    rng = np.random.default_rng([seed, 0x317])
    mixes = len(np.unique(train.labels)) > 1
    return np.stack([_mixture(train, rng) if mixes and index % 2 else _shuffled(train, rng) for index in range(count)])


def _mixture(train: Split, rng: Generator) -> UInt8[ndarray, "c h w"]:
    """Return the mean of two images of different classes."""
    first = rng.integers(len(train))
    second = rng.integers(len(train))
    while train.labels[second] == train.labels[first]:
        second = rng.integers(len(train))
    mean = (train.images[first].astype(np.uint16) + train.images[second] + 1) // 2
    return np.asarray(mean, np.uint8)


def _shuffled(train: Split, rng: Generator) -> UInt8[ndarray, "c h w"]:
    """Return an image whose square patches have changed places; rows and columns that are left over stay."""
    image = train.images[rng.integers(len(train))].copy()
    sides = [grid for grid in GRIDS if grid <= min(image.shape[1:])] or [1]
    grid = int(rng.choice(sides))
    height, width = (side // grid for side in image.shape[1:])
    places = [(row * height, column * width) for row in range(grid) for column in range(grid)]
    patches = [image[:, y : y + height, x : x + width].copy() for y, x in places]
    for (y, x), chosen in zip(places, rng.permutation(len(places)), strict=True):
        image[:, y : y + height, x : x + width] = patches[chosen]
    return image
