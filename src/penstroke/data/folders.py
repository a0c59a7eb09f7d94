"""Read a user's own folder as a dataset: a folder of pictures for each class, IDX files, or shards.

Pictures are in ``train/<class>/``, ``val/<class>/`` and ``test/<class>/``, or in ``<class>/``. Without a test split, a
fifth of each class becomes the test split.
"""

import re
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8

from penstroke.data.arrays import number_classes
from penstroke.data.decoding import folder_card, read_listing, resized, with_stratified_test
from penstroke.data.idx import Array, read_idx
from penstroke.data.listing import list_class_folders
from penstroke.data.reading import Reading
from penstroke.data.shards import read_shards, shard_paths
from penstroke.data.split import Dataset, Split
from penstroke.errors import DataError
from penstroke.storage.untrusted import MAX_IMAGE_SIDE, reason

MAP_ABOVE = 1 << 26
"""Bytes of images (85,000 of MNIST's) above which a plain IDX file is memory-mapped instead of read into memory."""
_IDX_NAME = re.compile(r"(?:.*-)?(train|t10k|test)-(images|labels)(?:[-.]idx\d-[a-z]+)?(?:\.idx)?(?:\.gz)?")


def read_folder(folder: Path, reading: Reading = Reading()) -> Dataset:  # noqa: B008 - frozen
    """Read a folder that contains a folder of pictures for each class, IDX files, or shards.

    Args:
        folder: the folder.
        reading: size of the images, and what is done with pictures that cannot be read.

    Raises:
        DataError: it contains none of these, or a file in it is invalid.
        MissingExtraError: it contains shards, and PyArrow is not installed.
    """
    try:
        idx = [path for path in folder.iterdir() if path.is_file() and _IDX_NAME.fullmatch(path.name)]
        if idx:
            return _read_idx_folder(folder, idx, reading)
        if shard_paths(folder):
            return read_shards(folder, reading)
        listing = list_class_folders(folder)
    except OSError as error:
        raise DataError(
            f"The folder {error.filename or folder} cannot be read: {reason(error)}.", "Check it."
        ) from error
    return read_listing(listing, reading)


# ---- IDX files


def _read_idx_folder(folder: Path, paths: list[Path], reading: Reading) -> Dataset:
    """Read IDX files. The classes are the numbers from 0 to the largest label of the train split."""
    parts = _idx_parts(folder, paths)
    images, mapped = read_idx_images(parts["train", "images"])
    labels = read_idx_labels(parts["train", "labels"])
    classes = number_classes(labels, str(parts["train", "labels"]))
    train = resized(Split(images, labels, classes, "train", mapped), reading.size)

    def load_test() -> Split:
        test_labels = read_idx_labels(parts["test", "labels"])
        test_images, mapped = read_idx_images(parts["test", "images"])
        return resized(Split(test_images, test_labels, train.classes, "test", mapped), reading.size)

    has_test = ("test", "images") in parts
    card = folder_card(folder, train, None)
    dataset = Dataset(card, train, load_test if has_test else None, requested=str(folder))
    return dataset if has_test else with_stratified_test(dataset)


def _idx_parts(folder: Path, paths: list[Path]) -> dict[tuple[str, str], Path]:
    """Return the file of each (split, kind); a plain file takes precedence over a gzipped one of the same name."""
    files: dict[tuple[str, str], Path] = {}
    for path in sorted(paths, key=lambda path: (path.suffix == ".gz", path.name)):
        match = _IDX_NAME.fullmatch(path.name)
        assert match
        key = ("train" if match[1] == "train" else "test", match[2])
        other = files.setdefault(key, path)
        if other.name.removesuffix(".gz") != path.name.removesuffix(".gz"):
            raise DataError(
                f"{folder} has two files of {key[0]} {key[1]}: {other.name} and {path.name}.",
                "Keep each dataset in its own folder.",
            )
    parts = {part for part, _ in files}
    missing = [f"{part}-{kind}" for part in sorted(parts | {"train"}) for kind in ("images", "labels")]
    missing = [name for name in missing if tuple(name.split("-")) not in files]
    if missing:
        raise DataError(
            f"{folder} has IDX files, but none of {', '.join(missing)}.",
            "Add the missing files: a split needs both images and labels.",
        )
    return files


def read_idx_images(source: Path | bytes) -> tuple[UInt8[np.ndarray, "n c h w"], bool]:
    """Return the images of an IDX file of shape [n, h, w] or [n, c, h, w], and whether they are mapped.

    ``c`` is 1 or 3. The images of a plain file of more than MAP_ABOVE bytes are mapped.

    Raises:
        DataError: the file is invalid, or its values are not images.
    """
    array = read_idx(source, map_above=MAP_ABOVE)
    images = array[:, None] if array.ndim == 3 else array
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3):
        raise _unsuitable(source, array, "uint8 [N, H, W] or [N, C, H, W] with 1 or 3 channels")
    if max(images.shape[2:]) > MAX_IMAGE_SIDE:
        raise _unsuitable(source, array, f"images of at most {MAX_IMAGE_SIDE} pixels a side")
    return np.asarray(images), isinstance(array, np.memmap)


def read_idx_labels(source: Path | bytes) -> Int64[np.ndarray, "n"]:
    """Return the labels of an IDX file of integers: of shape [n], or the first column of [n, columns].

    Raises:
        DataError: the file is invalid, or its values are not labels.
    """
    array = read_idx(source)
    labels = array[:, 0] if array.ndim == 2 and array.shape[1] else array
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise _unsuitable(source, array, "integers [N] or [N, columns]")
    return labels.astype(np.int64)


def _unsuitable(source: Path | bytes, array: Array, rule: str) -> DataError:
    name = "The IDX data" if isinstance(source, bytes) else source
    return DataError(f"{name} contains {array.dtype.name} {list(array.shape)}; it must be {rule}.", "Check the file.")
