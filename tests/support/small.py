"""Small datasets, and the files of a folder."""

import dataclasses
from pathlib import Path

from penstroke.data import Dataset, Split


def head(split: Split, count: int) -> Split:
    """Return ``count`` images of a split, taken at equal distances from the whole."""
    step = len(split) // count
    chosen = slice(None, step * count, step)
    return dataclasses.replace(split, images=split.images[chosen].copy(), labels=split.labels[chosen].copy())


def shortened(dataset: Dataset, train: int, test: int) -> Dataset:
    """Return a dataset with ``train`` training and ``test`` test images of ``dataset``."""
    return Dataset(
        dataset.card,
        head(dataset.train, train),
        lambda: head(dataset.test, test),
        requested=dataset.requested,
    )


def files_below(folder: Path) -> dict[str, bytes]:
    """Return the content of every file below ``folder`` by its relative path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
