"""The data card in the page: samples of each class, sizes, sources and hashes."""

from dataclasses import dataclass

import numpy as np

from penstroke.data import Dataset, Split, fingerprint
from penstroke.report.html.images import MAX_SIDE, strip
from penstroke.report.html.words import count, size

SAMPLES = 10
"""Number of training images shown for each class."""
MAX_BYTES_OF_SAMPLES = 250_000
"""About how large the samples of all classes may be in the page."""


@dataclass(frozen=True)
class Card:
    """The data card."""

    title: str
    facts: list[tuple[str, str]]
    files: list[tuple[str, str, str]]
    """Name, size and SHA-256."""
    fingerprints: list[tuple[str, str]]
    """Name of the split, and the SHA-256 of its content."""
    classes: list[tuple[str, str, str, str]]
    """Class, training images, test images, and the samples as a data URI, which is empty without training images."""
    citation: str
    homepage: str


def make_card(data: Dataset, classes: tuple[str, ...]) -> Card:
    """Return the data card of a dataset. ``classes`` are those of the model, for the order."""
    known, train, test = data.card, data.train, data.test
    channels, height, width = train.images.shape[1:]
    facts = [
        ("Name", known.name),
        ("Training images", count(len(train))),
        ("Test images", count(len(test))),
        ("Classes", count(len(train.classes))),
        ("Image", f"{width} × {height} pixels, {'grey' if channels == 1 else 'colour'}"),
        ("Licence", known.licence),
    ]
    each = _samples_per_class(train)
    return Card(
        title=known.title,
        facts=facts,
        files=[(file.name, size(file.size), file.sha256) for file in known.files],
        fingerprints=[("train", fingerprint(train)), ("test", fingerprint(test))],
        classes=[_row(data, name, each) for name in classes],
        citation=known.citation,
        homepage=known.homepage,
    )


def _samples_per_class(train: Split) -> int:
    """Return how many samples of each class fit into the page."""
    pixels = int(np.prod([min(side, MAX_SIDE) for side in train.images.shape[2:]])) * train.images.shape[1]
    return max(1, min(SAMPLES, MAX_BYTES_OF_SAMPLES // (pixels * len(train.classes))))


def _row(data: Dataset, name: str, samples: int) -> tuple[str, str, str, str]:
    counts, uri = [], ""
    for split in (data.train, data.test):
        members = np.flatnonzero(split.labels == split.classes.index(name)) if name in split.classes else np.array([])
        counts.append(count(len(members)))
        if split is data.train and len(members):
            uri = strip(list(split.images[members[:samples].astype(np.int64)]))
    return name, counts[0], counts[1], uri
