"""Read a user's own folder as a dataset: a folder of pictures for each class, or IDX files.

Pictures are in ``train/<class>/`` and ``test/<class>/``, or in ``<class>/``. In the latter case, and for IDX files
without a test split, a fifth of each class becomes the test split.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Int64, UInt8

from penstroke.data.arrays import few, natural_order, number_classes
from penstroke.data.catalog import DatasetCard, local_card
from penstroke.data.idx import Array, read_idx
from penstroke.data.split import Dataset, Split, stratified_split
from penstroke.errors import DataError
from penstroke.pictures.files import open_picture, picture_size
from penstroke.pictures.letterbox import letterbox, to_channels
from penstroke.storage.untrusted import MAX_IMAGE_SIDE, reason

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
MAX_SIDE = 256
TEST_SHARE = 0.2
MAP_ABOVE = 1 << 26
"""Bytes of images (85,000 of MNIST's) above which a plain IDX file is memory-mapped instead of read into memory."""
_TEST_NOTE = f"there is no test split: {TEST_SHARE:.0%} of each class is used as one (seed 0)"
_IDX_NAME = re.compile(r"(?:.*-)?(train|t10k|test)-(images|labels)(?:[-.]idx\d-[a-z]+)?(?:\.idx)?(?:\.gz)?")
_Result = TypeVar("_Result")

_Pictures = list[tuple[Path, int]]
"""Paths, each with its label."""


def read_folder(folder: Path, *, skip_broken: bool = False) -> Dataset:
    """Read a folder that contains a folder of pictures for each class, or IDX files.

    Args:
        folder: the folder.
        skip_broken: leave out pictures that cannot be read, and name them in the notes.

    Raises:
        DataError: it contains neither, or a file in it is invalid.
    """
    try:
        idx = [path for path in folder.iterdir() if path.is_file() and _IDX_NAME.fullmatch(path.name)]
    except OSError as error:
        raise DataError(f"The folder {folder} cannot be read: {reason(error)}.", "Check the path.") from error
    if idx:
        return _read_idx_folder(folder, idx)
    return _read_class_folders(folder, frozenset(unreadable_pictures(folder)) if skip_broken else frozenset())


def unreadable_pictures(folder: Path) -> dict[Path, str]:
    """Return the pictures in a folder and its subfolders that cannot be read, with the reason."""
    paths = sorted(path for path in folder.glob("**/*") if path.suffix.lower() in SUFFIXES and path.is_file())
    outcomes = _attempt_all(paths, lambda path: len(open_picture(path, min_side=1)))
    return {path: problem for path, (_, problem) in zip(paths, outcomes, strict=True) if problem}


def _folder_card(folder: Path, train: Split, preprocessing: str | None) -> DatasetCard:
    _, channels, height, width = train.images.shape
    name = folder.resolve().name
    return local_card(name, f"the folder {name}", train.classes, (channels, height, width), preprocessing)


def _with_stratified_test(folder: Path, whole: Split, preprocessing: str | None, notes: Iterable[str]) -> Dataset:
    train, test = stratified_split(whole, TEST_SHARE, seed=0)
    return Dataset(
        _folder_card(folder, train, preprocessing),
        train,
        lambda: replace(test, name="test"),
        requested=str(folder),
        notes=(*notes, _TEST_NOTE),
    )


# ---- IDX files


def _read_idx_folder(folder: Path, paths: list[Path]) -> Dataset:
    """Read IDX files. The classes are the numbers from 0 to the largest label of the train split."""
    parts = _idx_parts(folder, paths)
    images, mapped = read_idx_images(parts["train", "images"])
    labels = read_idx_labels(parts["train", "labels"])
    train = Split(images, labels, number_classes(labels, str(parts["train", "labels"])), "train", mapped)
    if ("test", "images") not in parts:
        return _with_stratified_test(folder, train, None, ())

    def load_test() -> Split:
        test_labels = read_idx_labels(parts["test", "labels"])
        test_images, mapped = read_idx_images(parts["test", "images"])
        return Split(test_images, test_labels, train.classes, "test", mapped)

    return Dataset(_folder_card(folder, train, None), train, load_test, requested=str(folder))


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


# ---- one folder per class


def _read_class_folders(folder: Path, broken: Set[Path]) -> Dataset:
    top = _subfolders(folder)
    has_parts = any(path.name == "train" for path in top) and bool(_subfolders(folder / "train"))
    source = folder / "train" if has_parts else folder
    classes = _class_names(source)
    pictures, notes = _list_pictures(source, classes, broken)
    if broken:
        names = few(str(path.relative_to(folder)) for path in sorted(broken))
        notes.append(f"pictures that cannot be read were left out: {names}")
    size, resized = _common_size([path for path, _ in pictures])
    if resized:
        notes.append(
            f"{resized} of {len(pictures)} pictures do not have the size of the others, {size[0]}x{size[1]} (at most "
            f"{MAX_SIDE} pixels a side): they were resized to it and padded with the colour of their border"
        )
    train = _decode(pictures, classes, size, channels=None, name="train")
    if not has_parts or not any(path.name == "test" for path in top):
        return _with_stratified_test(folder, train, "letterbox", notes)
    notes += [f"the folder {path.name} was ignored" for path in top if path.name not in ("train", "test")]
    channels = train.images.shape[1]

    def load_test() -> Split:
        listed, _ = _list_pictures(folder / "test", classes, broken)
        return _decode(listed, classes, size, channels, "test")

    return Dataset(
        _folder_card(folder, train, "letterbox"), train, load_test, requested=str(folder), notes=tuple(notes)
    )


def _class_names(source: Path) -> tuple[str, ...]:
    classes = tuple(path.name for path in _subfolders(source))
    if len(classes) < 2:
        has = f"one class, {classes[0]!r}" if classes else "no folders of classes and no IDX files"
        raise DataError(
            f"{source} has {has}; it must have a folder for each of at least two classes.",
            "Make a folder for each class and put its pictures into it, as in cats/1.png and dogs/1.png.",
        )
    if unprintable := [repr(name) for name in classes if not name.isprintable()]:
        # Class names are printed: an unprintable one could control the terminal.
        raise DataError(f"{source} has unprintable class names: {few(unprintable)}.", "Rename the folders.")
    return classes


def _subfolders(folder: Path) -> list[Path]:
    """Return the folders in ``folder`` in natural order, without hidden ones."""
    paths = (path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "__")))
    return sorted(paths, key=lambda path: natural_order(path.name))


def _list_pictures(source: Path, classes: tuple[str, ...], broken: Set[Path]) -> tuple[_Pictures, list[str]]:
    """Return the pictures of each class, except broken ones, with their labels, and notes on ignored files."""
    unknown = [path.name for path in _subfolders(source) if path.name not in classes]
    if unknown:
        raise DataError(
            f"{source} has classes that the train split does not have: {few(unknown)}.",
            "Use the same classes in both splits.",
        )
    pictures: _Pictures = []
    others, empty = [], []
    for label, name in enumerate(classes):
        entries = sorted((source / name).iterdir()) if (source / name).is_dir() else []
        entries = [path for path in entries if not path.name.startswith(".")]
        accepted = [path for path in entries if path.is_file() and path.suffix.lower() in SUFFIXES]
        others += [f"{name}/{path.name}" for path in entries if path not in set(accepted)]
        accepted = [path for path in accepted if path not in broken]
        if not accepted:
            empty.append(name)
        pictures += [(path, label) for path in accepted]
    if empty:
        raise DataError(
            f"Classes without pictures in {source}: {few(empty)}; each must have at least one.",
            f"Add pictures ({', '.join(SUFFIXES)}), or remove the folders.",
        )
    return pictures, [f"files that are not pictures were ignored: {few(others)}"] if others else []


def _common_size(paths: list[Path]) -> tuple[tuple[int, int], int]:
    """Return the (width, height) to which all pictures are resized, and the number of pictures of another size."""
    sizes = Counter(_for_all(paths, picture_size))
    width, height = sizes.most_common(1)[0][0]
    scale = min(1.0, MAX_SIDE / max(width, height))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return size, len(paths) - sizes[size]


def _decode(
    pictures: _Pictures, classes: tuple[str, ...], size: tuple[int, int], channels: int | None, name: str
) -> Split:
    """Read all pictures at ``size``; grey if ``channels`` is 1, or if it is None and all of them are grey."""
    arrays = _for_all([path for path, _ in pictures], lambda path: letterbox(_pixels_of(path), size))
    if channels is None:
        channels = 3 if any(array.ndim == 3 for array in arrays) else 1
    images = np.stack([to_channels(array, channels) for array in arrays])
    labels = np.array([label for _, label in pictures], np.int64)
    return Split(images, labels, classes, name, files=tuple(str(path) for path, _ in pictures))


def _for_all(paths: list[Path], action: Callable[[Path], _Result]) -> list[_Result]:
    """Return ``action`` of each path, in order, computed by several threads.

    Raises:
        DataError: the action fails for at least one path; the message has the reason for up to five of them.
    """

    outcomes = _attempt_all(paths, action)
    if unreadable := [problem for _, problem in outcomes if problem]:
        raise DataError(
            f"{len(unreadable)} of {len(paths)} pictures cannot be read: {few(unreadable)}.",
            "Repair or remove them.",
        )
    return [result for result, _ in outcomes]


def _attempt_all(paths: list[Path], action: Callable[[Path], _Result]) -> list[Any]:
    """Return ``action`` of each path, in order, or the reason why it failed, as pairs of which one is None."""

    def attempt(path: Path) -> Any:
        try:
            return action(path), None
        except DataError as error:
            return None, error.message.rstrip(".")

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(attempt, paths))


def _pixels_of(path: Path) -> Array:
    """Return the pixels of a picture file: grey [h, w] if all of them are grey, else [h, w, 3]."""
    pixels = open_picture(path, min_side=1)
    grey = pixels.ndim == 3 and bool((pixels[..., :1] == pixels).all())
    return np.ascontiguousarray(pixels[..., 0]) if grey else pixels
