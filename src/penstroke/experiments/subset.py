"""A smaller training set with the same proportion of each class."""

import numpy as np

from penstroke.data import Dataset, Split
from penstroke.errors import DataError

SEED = 0
"""Seed of the subset: all trainings of all experiments with the same data and size use the same images."""


def stratified_subset(split: Split, images: int, seed: int = SEED) -> Split:
    """Return exactly ``images`` images of a split, chosen at random, with the proportion of each class in the split.

    Args:
        split: the split, which is not changed.
        images: number of images. The counts of the classes are rounded by the largest remainders.
        seed: the same seed gives the same images, with any version of NumPy.

    Raises:
        DataError: ``images`` is less than 1, or more than the split has.
    """
    if not 1 <= images <= len(split):
        raise DataError(
            f"The number of training images is {images}; it must be from 1 to {len(split)}.",
            "Give another number, or omit it to use all images.",
        )
    random = np.random.RandomState(seed)  # its stream is frozen; see stratified_split
    counts = np.bincount(split.labels, minlength=len(split.classes))
    exact = counts * images / len(split)
    wanted = np.floor(exact).astype(np.int64)
    rest = np.argsort(wanted - exact, kind="stable")[: images - int(wanted.sum())]
    wanted[rest] += 1
    taken = np.zeros(len(split), dtype=bool)
    for label, count in enumerate(wanted):
        members = np.flatnonzero(split.labels == label)
        taken[random.permutation(members)[:count]] = True
    return split.subset(np.flatnonzero(taken))


def shorter_dataset(data: Dataset, images: int | None) -> Dataset:
    """Return ``data`` with ``images`` of its training images, which a note states, and with the same test split.

    None, and the number of images that there are, return ``data`` unchanged.

    Raises:
        DataError: see ``stratified_subset``.
    """
    if images is None or images == len(data.train):
        return data
    train = stratified_subset(data.train, images)
    return data.with_train(train, f"trained on {images} of {len(data.train)} images, stratified, seed {SEED}")
