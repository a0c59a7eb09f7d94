"""What many tests share: the data at hand, a small part of it, and a run that was really trained."""

import dataclasses
from functools import cache
from pathlib import Path

from penstroke import recipes
from penstroke.data import Dataset, Split, load
from penstroke.recipes import Recipe


@cache
def dataset() -> Dataset:
    """Return MNIST where it is at hand, else its bundled sample."""
    return load("auto")


@cache
def small() -> Dataset:
    """Return 2,000 training and 500 test images of it."""
    whole = dataset()
    return Dataset(whole.card, head(whole.train, 2000), lambda: head(whole.test, 500), requested="auto")


def head(split: Split, count: int) -> Split:
    """Return the first images of a split, cut evenly out of the whole."""
    step = len(split) // count
    return dataclasses.replace(
        split, images=split.images[::step][:count].clone(), labels=split.labels[::step][:count].clone()
    )


def short(**changes: object) -> Recipe:
    """Return the textbook's recipe with one epoch."""
    return recipes.book(**{"epochs": 1, **changes})


def files_below(folder: Path) -> dict[str, bytes]:
    """Return every file below ``folder`` with its content."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
