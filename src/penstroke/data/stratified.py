"""The division of a split in two parts with the same proportion of each class."""

import math
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Int64

from penstroke.data.split import Split
from penstroke.errors import DataError, UsageError


def stratified_split(split: Split, share: float, seed: int) -> tuple[Split, Split]:
    """Divide a split in two at random, with the same proportion of each class. Both keep the order of ``split``.

    Args:
        split: split to divide.
        share: fraction of each class that the second part gets, between 0 and 1; the count is rounded to the nearest.
        seed: the same seed gives the same parts, with any version of NumPy.

    Returns:
        The rest, with the name of ``split``, and the part, named ``<name>-part``. Mapped images stay in their files.

    Raises:
        UsageError: ``share`` is not between 0 and 1.
        DataError: one of the two would be empty.
    """
    taken = stratified_part(split.labels, share, seed, split.name)
    rest, part = (split.part(np.flatnonzero(mask)) for mask in (~taken, taken))
    return rest, replace(part, name=f"{split.name}-part")


def stratified_part(labels: Int64[np.ndarray, "n"], share: float, seed: int, name: str) -> Bool[np.ndarray, "n"]:
    """Return which labels are in the second part of ``stratified_split``; ``name`` is that of the split, for errors.

    Raises:
        UsageError, DataError: see ``stratified_split``.
    """
    if not 0 < share < 1:
        raise UsageError(f"The share of a stratified split is {share}; it must be between 0 and 1.", "Try 0.1.")
    # NEP 19 freezes the stream of RandomState; the stream of default_rng may change with NumPy's version.
    random = np.random.RandomState(seed)
    taken = np.zeros(len(labels), dtype=bool)
    for label in range(int(labels.max(initial=-1)) + 1):
        members = np.flatnonzero(labels == label)
        taken[random.permutation(members)[: int(len(members) * share + 0.5)]] = True
    if taken.all() or not taken.any():
        count = int(np.bincount(labels).max(initial=0)) if len(labels) else 0
        needed = f"a class with at least {math.ceil(0.5 / share)} images, and the largest has {count}"
        raise DataError(
            f"A share of {share:g} of each class of {name!r} ({len(labels)} images) leaves a part empty: "
            f"{needed if not taken.any() else 'all images would be taken'}.",
            "Add images; or make the parts yourself, as folders train and test (docs/folders.md).",
        )
    return taken
