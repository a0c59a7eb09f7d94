"""Read the pictures of a ``Listing`` as a ``Dataset``: all with the same size and number of channels."""

import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from penstroke.data.arrays import few
from penstroke.data.catalog import DatasetCard, local_card
from penstroke.data.idx import Array
from penstroke.data.listing import Listing, Pictures, check_not_empty, imbalance_note
from penstroke.data.split import Dataset, Split, stratified_split
from penstroke.errors import DataError
from penstroke.pictures.files import open_picture, picture_size
from penstroke.pictures.letterbox import letterbox, to_channels

MAX_SIDE = 256
TEST_SHARE = 0.2
TEST_NOTE = f"there is no test split: {TEST_SHARE:.0%} of each class is used as one (seed 0)"
COMMON_SHARE = 0.25
"""Share of the pictures that must have the commonest size; otherwise the median width and height are used."""

Size = tuple[int, int]
"""Width and height in pixels."""


@dataclass(frozen=True)
class Reading:
    """How the pictures of a dataset are read.

    Args:
        size: width and height of all images; None takes the commonest size of the training pictures.
        skip_broken: leave out pictures that cannot be read, and name them in the notes.
    """

    size: Size | None = None
    skip_broken: bool = False


def read_listing(listing: Listing, reading: Reading) -> Dataset:
    """Read the pictures of a listing. Those of the validation and test splits are read when they are used.

    With ``skip_broken``, they are checked at once, so that the notes name all broken pictures.

    Raises:
        DataError: pictures cannot be read, or a class has none that can be read.
    """
    parts, notes, broken = dict(listing.parts), list(listing.notes), dict[Path, str]()
    if reading.skip_broken:
        parts, broken = _without_broken(listing)
        if broken:
            names = few(_shown(path, listing.root) for path in broken)
            notes.append(f"{len(broken)} pictures that cannot be read were left out: {names}")
    size, note = _image_size([path for path, _ in parts["train"]], reading.size)
    notes += [note] if note else []
    train = _decode(parts["train"], listing.classes, size, None, "train")
    if note := imbalance_note(listing.classes, train.labels.tolist()):
        notes.append(note)
    channels = train.images.shape[1]

    def later(name: str) -> Callable[[], Split] | None:
        return (lambda: _decode(parts[name], listing.classes, size, channels, name)) if name in parts else None

    dataset = Dataset(
        folder_card(listing.root, train, "letterbox"),
        train,
        later("test"),
        requested=str(listing.root),
        notes=tuple(notes),
        load_validation=later("validation"),
    )
    dataset = dataset if "test" in parts else with_stratified_test(dataset)
    dataset.broken = broken
    return dataset


def folder_card(folder: Path, train: Split, preprocessing: str | None) -> DatasetCard:
    """Return the card of a user's own folder or file."""
    _, channels, height, width = train.images.shape
    path = folder.resolve()
    kind, name = ("file", path.stem) if path.is_file() else ("folder", path.name)
    return local_card(name, f"the {kind} {path.name}", train.classes, (channels, height, width), preprocessing)


def with_stratified_test(data: Dataset) -> Dataset:
    """Return a dataset whose test split is ``TEST_SHARE`` of each class of the train split of ``data``."""
    train, test = stratified_split(data.train, TEST_SHARE, seed=0)
    return Dataset(
        data.card,
        train,
        lambda: replace(test, name="test"),
        requested=data.requested,
        notes=(*data.notes, TEST_NOTE),
        load_validation=data.load_validation,
    )


def resized(split: Split, size: Size | None) -> Split:
    """Return a split with images of another size; None, and the size that they have, return it unchanged."""
    _, channels, height, width = split.images.shape
    if size in (None, (width, height)):
        return split
    assert size
    rows = (image[0] if channels == 1 else image.transpose(1, 2, 0) for image in split.images)
    images = np.stack([to_channels(letterbox(np.ascontiguousarray(row), size), channels) for row in rows])
    return replace(split, images=images, mapped=False)


def _without_broken(listing: Listing) -> tuple[dict[str, Pictures], dict[Path, str]]:
    """Return the pictures that can be read, by split, and the paths of the others with the reasons."""
    paths = [path for pictures in listing.parts.values() for path, _ in pictures]
    outcomes = _attempt_all(paths, lambda path: len(open_picture(path, min_side=1)))
    broken = {path: problem for path, (_, problem) in zip(paths, outcomes, strict=True) if problem}
    parts = {
        name: [(path, label) for path, label in pictures if path not in broken]
        for name, pictures in listing.parts.items()
    }
    check_not_empty(listing.classes, parts["train"], listing.root)
    return {name: pictures for name, pictures in parts.items() if pictures}, broken


def _shown(path: Path, root: Path) -> str:
    return str(path.relative_to(root) if path.is_relative_to(root) else path)


def _image_size(paths: list[Path], wanted: Size | None) -> tuple[Size, str | None]:
    """Return the width and height of the images, and a note if pictures of other sizes are resized to it."""
    sizes = Counter(_for_all(paths, picture_size))
    size = wanted or _default_size(sizes)
    resized_count = len(paths) - sizes[size]
    if not resized_count:
        return size, None
    larger = {known: count for known, count in sizes.items() if known[0] > size[0] or known[1] > size[1]}
    note = (
        f"{resized_count} of {len(paths)} pictures do not have the size {size[0]}x{size[1]}: they were resized to it "
        "and padded with the colour of their border"
    )
    if larger:
        width, height = max(larger, key=lambda known: known[0] * known[1])
        note += f"; {sum(larger.values())} of them are larger (up to {width}x{height}) and lose detail"
    return size, note if wanted else f"{note} (--size chooses another size)"


def _default_size(sizes: Counter[Size]) -> Size:
    """Return the commonest size, or the median if few pictures have it, with at most MAX_SIDE pixels a side."""
    (width, height), count = sizes.most_common(1)[0]
    if count < COMMON_SHARE * sizes.total():
        every = list(sizes.elements())
        width, height = (round(float(np.median([size[axis] for size in every]))) for axis in (0, 1))
    scale = min(1.0, MAX_SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _decode(pictures: Pictures, classes: tuple[str, ...], size: Size, channels: int | None, name: str) -> Split:
    """Read all pictures at ``size``; grey if ``channels`` is 1, or if it is None and all of them are grey."""
    arrays = _for_all([path for path, _ in pictures], lambda path: letterbox(pixels_of(path), size))
    if channels is None:
        channels = 3 if any(array.ndim == 3 for array in arrays) else 1
    images = np.stack([to_channels(array, channels) for array in arrays])
    labels = np.array([label for _, label in pictures], np.int64)
    return Split(images, labels, classes, name, files=tuple(str(path) for path, _ in pictures))


def _for_all(paths: list[Path], action: Callable[[Path], Any]) -> list[Any]:
    """Return ``action`` of each path, in order, computed by several threads.

    Raises:
        DataError: the action fails for at least one path; the message has the reason for up to five of them.
    """
    outcomes = _attempt_all(paths, action)
    if unreadable := [problem for _, problem in outcomes if problem]:
        raise DataError(
            f"{len(unreadable)} of {len(paths)} pictures cannot be read: {few(unreadable)}.",
            "Repair or remove them, or leave them out with `train --skip-broken`, load(..., skip_broken=True).",
        )
    return [result for result, _ in outcomes]


def _attempt_all(paths: list[Path], action: Callable[[Path], Any]) -> list[Any]:
    """Return ``action`` of each path, in order, or the reason why it failed, as pairs of which one is None."""

    def attempt(path: Path) -> Any:
        try:
            return action(path), None
        except DataError as error:
            return None, error.message.rstrip(".")

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(attempt, paths))


def pixels_of(path: Path) -> Array:
    """Return the pixels of a picture file: grey [h, w] if all of them are grey, else [h, w, 3].

    Raises:
        DataError: see ``open_picture``.
    """
    pixels = open_picture(path, min_side=1)
    grey = pixels.ndim == 3 and bool((pixels[..., :1] == pixels).all())
    return np.ascontiguousarray(pixels[..., 0]) if grey else pixels
