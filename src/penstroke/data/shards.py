"""A dataset as a folder of shards: ``train-00000-of-00004.parquet`` and so on, written and read.

There is no list of the shards: their names and footers state what belongs together. Each process reads the folder by
itself. PyArrow is imported when shards are read or written.
"""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from penstroke import storage
from penstroke.data.arrays import few, require_classes
from penstroke.data.catalog import local_card
from penstroke.data.decoding import resized
from penstroke.data.listing import imbalance_note
from penstroke.data.mapped import MappedImages, as_array, mapped
from penstroke.data.picture_cache import MAPPED_FROM
from penstroke.data.reading import Reading
from penstroke.data.split import Dataset, Split
from penstroke.data.statistics import fingerprint
from penstroke.errors import DataError, UsageError, require_extra

if TYPE_CHECKING:
    from penstroke.data.shard_file import Shard

SHARD_BYTES = 64 << 20
"""Default size of the images of a shard."""
_NAME = re.compile(r"(train|validation|test)-(\d{5,9})-of-(\d{5,9})\.parquet")
_AGAIN = "Copy the folder again, or write the shards again with `penstroke data shard`."


def shard_name(split: str, number: int, count: int) -> str:
    """Return the name of the file of a shard."""
    return f"{split}-{number:05}-of-{count:05}.parquet"


def shard_paths(folder: Path) -> dict[str, list[Path]]:
    """Return the shards in a folder, in order, by split; empty if it has none.

    Raises:
        DataError: a shard is missing, or there are shards of two divisions of a split.
        OSError: the folder cannot be read.
    """
    found: dict[str, dict[int, Path]] = {}
    counts: dict[str, set[int]] = {}
    for path in folder.iterdir():
        if match := _NAME.fullmatch(path.name):
            found.setdefault(match[1], {})[int(match[2])] = path
            counts.setdefault(match[1], set()).add(int(match[3]))
    for split, (count, *others) in counts.items():
        if others:
            raise DataError(f"{folder} has shards of {split} in two divisions: of {count} and of {others[0]}.", _AGAIN)
        if missing := [shard_name(split, number, count) for number in range(count) if number not in found[split]]:
            raise DataError(f"{folder} lacks the shards {few(missing)}.", _AGAIN)
    return {split: [paths[number] for number in sorted(paths)] for split, paths in found.items()}


def read_shards(folder: Path, reading: Reading = Reading()) -> Dataset:  # noqa: B008 - frozen
    """Read a folder of shards. Their order is that of the images that they were written from.

    The images are mapped if they were mapped when they were written, or have 1 GiB or more; otherwise they are read
    into memory.

    Args:
        folder: the folder.
        reading: ``size`` is the size to which the images are resized.

    Raises:
        DataError: a shard is missing, damaged, or belongs to another dataset; it is named.
        MissingExtraError: PyArrow is not installed.
        OSError: the folder cannot be read.
    """
    require_extra("scale", "pyarrow.parquet")
    paths = shard_paths(folder)
    if "train" not in paths:
        raise DataError(f"{folder} has no shards of train.", _AGAIN)
    first, train = _read_split(paths["train"])
    about = first.about
    if missing := [
        shard_name(split, 0, count) for split, count in about.shards.items() if len(paths.get(split, ())) != count
    ]:
        raise DataError(f"{folder} lacks the shards {few(missing)} and what follows them.", _AGAIN)

    def later(split: str) -> Callable[[], Split] | None:
        return (lambda: resized(_read_split(paths[split], first)[1], reading.size)) if split in paths else None

    train = resized(train, reading.size)
    _, channels, height, width = train.images.shape
    note = imbalance_note(train.classes, train.labels.tolist())
    return Dataset(
        local_card(about.name, about.title, train.classes, (channels, height, width), about.preprocessing),
        train,
        later("test"),
        requested=str(folder),
        notes=(note,) if note else (),
        load_validation=later("validation"),
    )


def _read_split(paths: list[Path], known: "Shard | None" = None) -> "tuple[Shard, Split]":
    """Return the first shard of a split, and the split, after verifying all of its shards.

    Raises:
        DataError: shards are damaged or belong to another dataset than the first one, or than ``known``.
    """
    from penstroke.data.shard_file import open_shard

    shards: list[Shard] = []
    problems: list[DataError] = []
    for path in paths:
        try:
            shard = open_shard(path)
            shard.verify()
            first = known or (shards[0] if shards else shard)
            if shard.about.data != first.about.data or _name(shard) != path.name:
                raise DataError(f"The shard {path} belongs to another dataset than {first.path.name}.", _AGAIN)
            shards.append(shard)
        except DataError as error:
            problems.append(error)
    if problems:
        more = f" {len(problems) - 1} more of {len(paths)} shards cannot be used, either." if problems[1:] else ""
        raise DataError(f"{problems[0].message}{more}", problems[0].remedy)
    about = shards[0].about
    images = MappedImages(tuple(group for shard in shards for group in shard.groups))
    is_mapped = about.mapped or images.nbytes >= MAPPED_FROM
    files = [shard.files or () for shard in shards]
    return shards[0], Split(
        as_array(images) if is_mapped else np.asarray(images),
        np.concatenate([shard.labels for shard in shards]),
        require_classes(about.classes),
        about.split,
        is_mapped,
        None if shards[0].files is None else tuple(name for names in files for name in names),
    )


def _name(shard: "Shard") -> str:
    about = shard.about
    return shard_name(about.split, about.number, about.shards.get(about.split, 0))


def splits_of(data: Dataset) -> list[Split]:
    """Return the splits of a dataset that are written: training, and validation and test if it has them."""
    return [split for split in (data.train, data.validation, data.test if data.has_test else None) if split]


def write_shards(
    data: Dataset,
    folder: Path,
    size: int = SHARD_BYTES,
    report: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[Path]:
    """Write all splits of a dataset as shards, and return their paths. The same command continues after a kill.

    Args:
        data: the dataset.
        folder: an empty or new folder, or one with shards of the same data in the same division.
        size: bytes of the images of a shard.
        report: called with the number of shards that are written, and their total.

    Raises:
        UsageError: the dataset has corrections.
        DataError: a split cannot be read, or the folder has other files.
        MissingExtraError: PyArrow is not installed.
        StorageError: a shard cannot be written.
    """
    require_extra("scale", "pyarrow.parquet")
    from penstroke.data.shard_file import About, write_shard

    if data.corrections:
        raise UsageError(
            f"{data.requested} has corrections, which are not written as shards.",
            f"Write the shards of the data without them, and train with --data SHARDS+{data.corrections.given}.",
        )
    splits = splits_of(data)
    known, per_shard = data.card, max(1, size // data.train.images[0].nbytes)
    counts = {split.name: -(-len(split) // per_shard) for split in splits}
    identity = json.dumps([known.name, per_shard, *(fingerprint(split) for split in splits)])
    names = [shard_name(split, number, count) for split, count in counts.items() for number in range(count)]
    digest = hashlib.sha256(identity.encode()).hexdigest()
    _check_folder(folder, names, digest)
    storage.make_folder(folder)
    storage.clear_leftovers(folder)
    for split in splits:
        images = mapped(split.images) if split.mapped else split.images
        for number, start in enumerate(range(0, len(split), per_shard)):
            part = slice(start, start + per_shard)
            about = About(
                digest, split.name, number, counts, known.name, known.title, split.classes, known.image_shape,
                known.preprocessing, split.mapped,
            )  # fmt: skip
            path = folder / shard_name(split.name, number, counts[split.name])
            write_shard(path, about, images[part], split.labels[part], split.files and split.files[part])
            if isinstance(images, MappedImages):
                images.release()
            report(names.index(path.name) + 1, len(names))
    return [folder / name for name in names]


def _check_folder(folder: Path, names: list[str], digest: str) -> None:
    """Check that a folder has nothing but shards of this dataset.

    Raises:
        DataError: it has something else.
    """
    from penstroke.data.shard_file import open_shard

    remedy = "Choose a new folder with --out."
    with storage.explained(folder, DataError):
        entries = sorted(folder.iterdir()) if folder.exists() else []
    for path in entries:
        if path.name.startswith("."):
            continue
        if path.name not in names:
            raise DataError(f"{folder} is not empty: it has {path.name}.", remedy)
        try:
            other = open_shard(path).about.data
        except DataError:
            continue  # a damaged shard is replaced
        if other != digest:
            raise DataError(f"{folder} has shards of another dataset, or of another size.", remedy)
