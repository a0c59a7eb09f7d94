"""A user's own folder as a dataset: one folder of pictures for each class, or IDX files.

Pictures may stand in ``train/<class>/`` and ``test/<class>/``, or in ``<class>/``; in the latter case, and
where IDX files have no test part, a fifth of each class is carved off as one. This file fetches nothing.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from penstroke.data.catalog import DatasetCard
from penstroke.data.idx import Array, read_idx
from penstroke.data.split import Dataset, Split, carve
from penstroke.errors import DataError
from penstroke.pictures.files import open_picture, picture_size
from penstroke.pictures.letterbox import letterbox, to_channels
from penstroke.untrusted import MAX_IMAGE_SIDE, reason

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
MAX_SIDE = 256
TEST_SHARE = 0.2
MAX_CLASSES = 1 << 16
MAP_ABOVE = 1 << 26
"""Bytes of images, 85,000 of MNIST's, above which a plain IDX file is mapped and read in blocks, not held in memory."""
_CARVED = f"no test part was given: {TEST_SHARE:.0%} of each class was carved off as one (seed 0)"
_IDX_NAME = re.compile(r"(?:.*-)?(train|t10k|test)-(images|labels)(?:[-.]idx\d-[a-z]+)?(?:\.idx)?(?:\.gz)?")

_Pictures = list[tuple[Path, int]]
"""Paths, each with its label."""


def read_folder(folder: Path) -> Dataset:
    """Read a folder with one folder of pictures per class, or with IDX files.

    Raises:
        DataError: it is neither, or something in it cannot be used; what, and what to do about it.
    """
    try:
        idx = [path for path in folder.iterdir() if path.is_file() and _IDX_NAME.fullmatch(path.name)]
    except OSError as fault:
        raise DataError(f"The folder {folder} cannot be read: {reason(fault)}.", "Check the path.") from fault
    return _read_idx_folder(folder, idx) if idx else _read_class_folders(folder)


def _own_card(folder: Path, train: Split, picture_rule: str) -> DatasetCard:
    _, channels, height, width = train.images.shape
    name = folder.resolve().name
    return DatasetCard(
        name=name,
        title=f"the folder {name}",
        classes=train.classes,
        image_shape=(channels, height, width),
        mean=None,
        std=None,
        files=(),
        mirrors=(),
        licence="not stated (a folder of the user's own)",
        citation="",
        homepage="",
        picture_rule=picture_rule,
    )


def _with_carved_test(folder: Path, whole: Split, picture_rule: str, notes: Iterable[str]) -> Dataset:
    train, test = carve(whole, TEST_SHARE, seed=0)
    return Dataset(
        _own_card(folder, train, picture_rule),
        train,
        lambda: replace(test, name="test"),
        requested=str(folder),
        notes=(*notes, _CARVED),
    )


# ---- IDX files


def _read_idx_folder(folder: Path, paths: list[Path]) -> Dataset:
    """Classes are the digits from 0 to the largest training label."""
    found = _idx_parts(folder, paths)
    images, mapped = read_idx_images(found["train", "images"])
    labels = read_idx_labels(found["train", "labels"])
    if labels.max(initial=0) >= MAX_CLASSES:
        rule = f"labels are below {MAX_CLASSES}"
        raise DataError(f"{found['train', 'labels']} holds the label {labels.max()}; {rule}.", "Check the file.")
    classes = tuple(str(label) for label in range(int(labels.max(initial=0)) + 1))
    train = Split(images, labels_tensor(labels), classes, "train", mapped)
    rule = "digit" if tuple(train.images.shape[1:]) == (1, 28, 28) else "letterbox"
    if ("test", "images") not in found:
        return _with_carved_test(folder, train, rule, ())

    def load_test() -> Split:
        test_labels = labels_tensor(read_idx_labels(found["test", "labels"]))
        test_images, mapped = read_idx_images(found["test", "images"])
        return Split(test_images, test_labels, classes, "test", mapped)

    return Dataset(_own_card(folder, train, rule), train, load_test, requested=str(folder))


def _idx_parts(folder: Path, paths: list[Path]) -> dict[tuple[str, str], Path]:
    """Return the file of each (part, kind); a plain one goes before a gzipped one of the same name."""
    found: dict[tuple[str, str], Path] = {}
    for path in sorted(paths, key=lambda path: (path.suffix == ".gz", path.name)):
        match = _IDX_NAME.fullmatch(path.name)
        assert match
        key = ("train" if match[1] == "train" else "test", match[2])
        other = found.setdefault(key, path)
        if other.name.removesuffix(".gz") != path.name.removesuffix(".gz"):
            raise DataError(
                f"{folder} has two files of {key[0]} {key[1]}: {other.name} and {path.name}.",
                "Keep one dataset in one folder.",
            )
    parts = {part for part, _ in found}
    missing = [f"{part}-{kind}" for part in sorted(parts | {"train"}) for kind in ("images", "labels")]
    missing = [name for name in missing if tuple(name.split("-")) not in found]
    if missing:
        raise DataError(f"{folder} has IDX files, but none of {', '.join(missing)}.", "Images and labels go together.")
    return found


def read_idx_images(source: Path | bytes) -> tuple[torch.Tensor, bool]:
    """Return the images of an IDX file, uint8 [N, C, H, W], from [N, H, W] or [N, C, H, W], C 1 or 3.

    The second value tells whether they are mapped, as those of a plain file of more than MAP_ABOVE bytes are.
    """
    array = read_idx(source, map_above=MAP_ABOVE)
    images = array[:, None] if array.ndim == 3 else array
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3):
        raise _unfit(source, array, "uint8 [N, H, W] or [N, C, H, W] with 1 or 3 channels")
    if max(images.shape[2:]) > MAX_IMAGE_SIDE:
        raise _unfit(source, array, f"images of at most {MAX_IMAGE_SIDE} pixels a side")
    return torch.from_numpy(images), isinstance(array, np.memmap)


def read_idx_labels(source: Path | bytes) -> Array:
    """Return the labels of an IDX file, whole numbers [N]; from [N], or the first column of [N, columns]."""
    array = read_idx(source)
    if array.ndim == 2 and array.shape[1]:
        array = array[:, 0]
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise _unfit(source, array, "whole numbers [N] or [N, columns]")
    return array


def labels_tensor(labels: Array) -> torch.Tensor:
    """Return ``labels`` as an int64 tensor [N]."""
    return torch.from_numpy(labels.astype(np.int64))


def _unfit(source: Path | bytes, array: Array, rule: str) -> DataError:
    name = "The IDX data" if isinstance(source, bytes) else source
    return DataError(f"{name} holds {array.dtype.name} {list(array.shape)}; it must be {rule}.", "Check the file.")


# ---- one folder per class


def _read_class_folders(folder: Path) -> Dataset:
    top = _subfolders(folder)
    parted = any(path.name == "train" for path in top) and bool(_subfolders(folder / "train"))
    source = folder / "train" if parted else folder
    classes = tuple(path.name for path in _subfolders(source))
    if len(classes) < 2:
        has = f"one class, {classes[0]!r}" if classes else "no folders of classes and no IDX files"
        raise DataError(
            f"{source} has {has}; it must have a folder for each of at least two classes.",
            "Make a folder for each class and put its pictures into it, as in cats/1.png and dogs/1.png.",
        )
    if odd := [repr(name) for name in classes if not name.isprintable()]:
        # Names of classes are printed: one that steers the terminal must not be.
        raise DataError(f"{source} has classes whose names cannot be printed: {_few(odd)}.", "Rename the folders.")
    pictures, notes = _list_pictures(source, classes)
    size, resized = _common_size([path for path, _ in pictures])
    if resized:
        notes.append(
            f"{resized} of {len(pictures)} pictures are not {size[0]}x{size[1]}, the size of most (at most "
            f"{MAX_SIDE} a side): they were fitted into it, with bars in the colour of their border"
        )
    train = _decode(pictures, classes, size, channels=None, name="train")
    if not parted or not any(path.name == "test" for path in top):
        return _with_carved_test(folder, train, "letterbox", notes)
    notes += [f"{path.name}/ was passed over" for path in top if path.name not in ("train", "test")]
    channels = train.images.shape[1]

    def load_test() -> Split:
        listed, _ = _list_pictures(folder / "test", classes)
        return _decode(listed, classes, size, channels, "test")

    return Dataset(_own_card(folder, train, "letterbox"), train, load_test, requested=str(folder), notes=tuple(notes))


def _subfolders(folder: Path) -> list[Path]:
    """Return the folders in ``folder`` but hidden ones, 2 before 10."""
    names = (path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "__")))
    return sorted(names, key=lambda path: _natural(path.name))


def _natural(name: str) -> list[tuple[int, int, str]]:
    pieces = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(0, int(piece), piece) if piece.isdigit() else (1, 0, piece) for piece in pieces]


def _list_pictures(source: Path, classes: tuple[str, ...]) -> tuple[_Pictures, list[str]]:
    """Return the pictures of each class with their labels, and what was passed over."""
    foreign = [path.name for path in _subfolders(source) if path.name not in classes]
    if foreign:
        raise DataError(f"{source} has classes that train has not: {_few(foreign)}.", "Use the same classes.")
    pictures: _Pictures = []
    others, empty = [], []
    for label, name in enumerate(classes):
        entries = sorted((source / name).iterdir()) if (source / name).is_dir() else []
        entries = [path for path in entries if not path.name.startswith(".")]
        mine = [path for path in entries if path.is_file() and path.suffix.lower() in SUFFIXES]
        others += [f"{name}/{path.name}" for path in entries if path not in set(mine)]
        if not mine:
            empty.append(name)
        pictures += [(path, label) for path in mine]
    if empty:
        raise DataError(
            f"Classes without pictures in {source}: {_few(empty)}; each must have at least one.",
            f"Add pictures ({', '.join(SUFFIXES)}), or remove the folders.",
        )
    return pictures, [f"passed over, being no pictures: {_few(others)}"] if others else []


def _few(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


def _common_size(paths: list[Path]) -> tuple[tuple[int, int], int]:
    """Return the (width, height) to bring all pictures to, and how many have another."""
    sizes = Counter(_for_all(paths, picture_size))
    width, height = sizes.most_common(1)[0][0]
    shrink = min(1.0, MAX_SIDE / max(width, height))
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    return size, len(paths) - sizes[size]


def _decode(
    pictures: _Pictures, classes: tuple[str, ...], size: tuple[int, int], channels: int | None, name: str
) -> Split:
    """Read all pictures at ``size``; grey if ``channels`` is 1, or if it is None and all of them are grey."""
    arrays = _for_all([path for path, _ in pictures], lambda path: letterbox(_pixels_of(path), size))
    if channels is None:
        channels = 3 if any(array.ndim == 3 for array in arrays) else 1
    images = np.stack([to_channels(array, channels) for array in arrays])
    labels = torch.tensor([label for _, label in pictures])
    return Split(torch.from_numpy(images), labels, classes, name)


def _for_all(paths: list[Path], action: Any) -> list[Any]:
    """Return ``action`` of each path, in order, done by several threads; name the paths where it fails."""

    def attempt(path: Path) -> tuple[Any, str | None]:
        try:
            return action(path), None
        except DataError as fault:
            return None, fault.message.rstrip(".")

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        outcomes = list(pool.map(attempt, paths))
    if broken := [fault for _, fault in outcomes if fault]:
        raise DataError(
            f"{len(broken)} of {len(paths)} pictures cannot be read: {_few(broken)}.",
            "Repair or remove them.",
        )
    return [result for result, _ in outcomes]


def _pixels_of(path: Path) -> Array:
    """Return the picture's pixels; without their colours if they have none."""
    pixels = open_picture(path, min_side=1)
    grey = pixels.ndim == 3 and bool((pixels[..., :1] == pixels).all())
    return np.ascontiguousarray(pixels[..., 0]) if grey else pixels
