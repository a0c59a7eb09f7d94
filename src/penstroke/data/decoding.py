"""Read the pictures of a ``Listing`` as a ``Dataset``: all with the same size and number of channels."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from penstroke.data.arrays import few
from penstroke.data.catalog import DatasetCard, local_card
from penstroke.data.listing import Listing, Pictures, check_not_empty, imbalance_note, shown_path
from penstroke.data.pixels import Size
from penstroke.data.reading import Reading, read_pictures
from penstroke.data.split import Dataset, Split
from penstroke.data.stratified import stratified_part, stratified_split
from penstroke.pictures.letterbox import letterbox, to_channels

TEST_SHARE = 0.2
TEST_NOTE = f"there is no test split: {TEST_SHARE:.0%} of each class is used as one (seed 0)"
NO_TEST_NOTE = (
    "there is no test split: all training images are trained on, and the validation split is kept for validation; "
    "`penstroke test --data DATA` measures the accuracy on other data"
)


def read_listing(listing: Listing, reading: Reading) -> Dataset:
    """Read the pictures of a listing. Those of the validation and test splits are read when they are used.

    With ``skip_broken``, all splits are read at once, so that the notes name all broken pictures. Without validation
    and test splits, a part of the training pictures becomes the test split.

    Raises:
        DataError: pictures cannot be read or were changed while they were read, or a class has none that can be read.
        StorageError: see ``read_pictures``.
    """
    parts = dict(listing.parts)
    divided = parts.keys() == {"train"}
    if divided:
        parts["train"], first_test = _test_last(parts["train"])
    reader = _Reader(listing.classes, listing.root, reading)
    train = reader.read(parts["train"], "train")
    assert train, "the reader has checked that no class is empty"
    _, channels, height, width = train.images.shape
    sizes = dict(reader.sizes)
    reader.reading, reader.channels = replace(reading, size=(width, height)), channels
    splits: dict[str, Split | None] = {}
    if reading.skip_broken:
        splits = {name: reader.read(parts[name], name) for name in ("validation", "test") if name in parts}
    notes = (*listing.notes, *reader.all_notes((width, height), reading.size, train))
    if divided:
        train, splits["test"] = _cut(
            train, first_test - sum(path in reader.broken for path, _ in parts["train"][:first_test])
        )
    known = [name for name in (*parts, *splits) if splits.get(name, True)]

    def later(name: str) -> Callable[[], Split] | None:
        def load() -> Split:
            split = splits.get(name) or reader.read(parts[name], name)
            assert split, "it is empty only if broken pictures are skipped, and then it was read at once"
            return split

        return load if name in known else None

    dataset = Dataset(
        folder_card(listing.root, train, "letterbox"),
        train,
        later("test"),
        requested=str(listing.root),
        notes=(*notes, *([TEST_NOTE] if divided else [] if "test" in parts else [NO_TEST_NOTE])),
        load_validation=later("validation"),
    )
    dataset.broken, dataset.sizes, dataset.divided = reader.broken, sizes, divided
    return dataset


def _test_last(pictures: Pictures) -> tuple[Pictures, int]:
    """Return pictures with those of a stratified test split at the end, and the position of the first of these.

    Then both splits are contiguous in the file of their images, which may be larger than memory.
    """
    taken = stratified_part(np.array([label for _, label in pictures], np.int64), TEST_SHARE, 0, "train")
    order = np.argsort(taken, kind="stable")
    return [pictures[position] for position in order], len(pictures) - int(taken.sum())


def _cut(split: Split, position: int) -> tuple[Split, Split]:
    """Return the images before ``position`` as they are, and the others as the test split. Images are not copied."""
    files = split.files or ()
    first, second = (
        replace(split, images=split.images[part], labels=split.labels[part], files=files[part])
        for part in (slice(None, position), slice(position, None))
    )
    return first, replace(second, name="test")


@dataclass
class _Reader:
    """Reads splits, and collects what is to be reported of their pictures."""

    classes: tuple[str, ...]
    root: Path
    reading: Reading
    channels: int | None = None
    sizes: Counter[Size] = field(default_factory=Counter)
    broken: dict[Path, str] = field(default_factory=dict)
    uniform: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def read(self, pictures: Pictures, name: str) -> Split | None:
        """Return a split; None if none of its pictures can be read, and they are skipped.

        Raises:
            DataError: see ``read_pictures``; or a class of the train split has no pictures that can be read.
        """
        paths = [path for path, _ in pictures]
        decoded, notes = read_pictures(paths, self.root, self.reading, self.channels, name)
        found = decoded.found
        self.broken |= {paths[number]: problem for number, problem in found.broken.items()}
        self.notes += notes
        kept = [picture for number, picture in enumerate(pictures) if number not in found.broken]
        if name == "train":
            check_not_empty(self.classes, kept, self.root)
            self.sizes = found.sizes
            self.uniform = [paths[number] for number in found.uniform]
        if not kept:
            return None
        labels = np.array([label for _, label in kept], np.int64)
        files = tuple(str(path) for path, _ in kept)
        return Split(decoded.images, labels, self.classes, name, decoded.mapped, files)

    def all_notes(self, size: Size, wanted: Size | None, train: Split) -> list[str]:
        """Return the notes on broken, resized and uniform pictures, on the balance of the classes, and of the cache."""
        notes = []
        if self.broken:
            names = few(shown_path(path, self.root) for path in self.broken)
            one = len(self.broken) == 1
            what = (
                "1 picture that cannot be read was" if one else f"{len(self.broken)} pictures that cannot be read were"
            )
            notes.append(f"{what} left out: {names}")
        if note := _size_note(self.sizes, size, wanted):
            notes.append(note)
        if note := imbalance_note(self.classes, train.labels.tolist()):
            notes.append(note)
        if self.uniform:
            names = few(shown_path(path, self.root) for path in self.uniform)
            notes.append(f"{len(self.uniform)} of {len(train)} training pictures have one colour: {names}")
        return notes + self.notes


def _size_note(sizes: Counter[Size], size: Size, wanted: Size | None) -> str | None:
    """Return a note if pictures of other sizes were resized to ``size``."""
    resized_count = sizes.total() - sizes[size]
    if not resized_count:
        return None
    larger = {known: count for known, count in sizes.items() if known[0] > size[0] or known[1] > size[1]}
    note = (
        f"{resized_count} of {sizes.total()} pictures do not have the size {size[0]}x{size[1]}: they were resized to "
        "it and padded with the colour of their border"
    )
    if larger:
        width, height = max(larger, key=lambda known: known[0] * known[1])
        note += f"; {sum(larger.values())} of them are larger (up to {width}x{height}) and lose detail"
    return note if wanted else f"{note} (--size chooses another size)"


def folder_card(folder: Path, train: Split, preprocessing: str | None) -> DatasetCard:
    """Return the card of a user's own folder or file."""
    _, channels, height, width = train.images.shape
    path = folder.resolve()
    kind, name = ("file", path.stem) if path.is_file() else ("folder", path.name)
    return local_card(name, f"the {kind} {path.name}", train.classes, (channels, height, width), preprocessing)


def with_stratified_test(data: Dataset) -> Dataset:
    """Return a dataset whose test split is ``TEST_SHARE`` of each class of the train split of ``data``.

    With a validation split, the train split is not divided, and there is no test split.
    """
    if data.load_validation:
        data.notes += (NO_TEST_NOTE,)
        return data
    train, test = stratified_split(data.train, TEST_SHARE, seed=0)
    divided = Dataset(
        data.card,
        train,
        lambda: replace(test, name="test"),
        requested=data.requested,
        notes=(*data.notes, TEST_NOTE),
    )
    divided.divided = True
    return divided


def resized(split: Split, size: Size | None) -> Split:
    """Return a split with images of another size; None, and the size that they have, return it unchanged."""
    _, channels, height, width = split.images.shape
    if size in (None, (width, height)):
        return split
    assert size
    rows = (image[0] if channels == 1 else image.transpose(1, 2, 0) for image in split.images)
    images = np.stack([to_channels(letterbox(np.ascontiguousarray(row), size), channels) for row in rows])
    return replace(split, images=images, mapped=False)
