"""Conversion of a caller's arrays to the images, labels and class names of a ``Split``.

This module does not read files.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

from penstroke.errors import DataError
from penstroke.storage.untrusted import MAX_IMAGE_SIDE

MAX_CLASSES = 1 << 16
CHANNELS = (1, 3)
"""Numbers of channels that images may have: grey or colour."""


def image_array(images: Any, split: str) -> UInt8[np.ndarray, "n c h w"]:
    """Return images of shape [n, h, w], [n, c, h, w] or [n, h, w, c] as a contiguous, writable [n, c, h, w].

    Args:
        images: with 1 or 3 channels; the dtype is one that ``pixel_array`` accepts.
        split: name of the split, for errors.

    Raises:
        DataError: the dtype, the values or the shape are invalid.
    """
    array = np.asarray(images)
    description = f"The images of split {split!r} are {array.dtype} of shape {array.shape}"
    array = pixel_array(array, description)
    if array.size == 0:
        raise DataError(f"{description}; there must be at least one, with at least one pixel.", "Check the arrays.")
    if array.ndim == 3:
        array = array[:, None]
    elif array.ndim == 4 and array.shape[1] not in CHANNELS and array.shape[3] in CHANNELS:
        array = array.transpose(0, 3, 1, 2)
    if array.ndim != 4 or array.shape[1] not in CHANNELS or max(array.shape[2:]) > MAX_IMAGE_SIDE:
        raise DataError(
            f"{description}; the shape must be [n, h, w], [n, c, h, w] or [n, h, w, c], with 1 or 3 channels and "
            f"at most {MAX_IMAGE_SIDE} pixels a side.",
            "Reshape the images.",
        )
    return np.require(array, requirements=["C_CONTIGUOUS", "WRITEABLE", "ENSUREARRAY"])


def pixel_array(values: np.ndarray[Any, Any], description: str) -> UInt8[np.ndarray, "*shape"]:
    """Return pixel values as ``uint8``. Floats are multiplied by 255 and rounded to the nearest integer.

    Args:
        values: ``uint8``, which is returned unchanged, or floats from 0 to 1.
        description: the values as the subject and verb of a sentence, for errors.

    Raises:
        DataError: the dtype is another one, or a float is not from 0 to 1.
    """
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind != "f":
        raise DataError(
            f"{description}; they must be uint8, with values from 0 to 255, or floats from 0 to 1.",
            "Convert integers from 0 to 255 with images.astype('uint8').",
        )
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if not 0 <= low <= high <= 1:  # also for NaN
        raise DataError(
            f"{description}, with values from {low:.4g} to {high:.4g}; floats must be from 0 to 1.",
            "Scale them to 0..1, and do not normalise them: the network does that.",
        )
    return np.rint(values * values.dtype.type(255)).astype(np.uint8)


def label_array(
    labels: Any, classes: tuple[str, ...] | None, split: str
) -> tuple[Int64[np.ndarray, "n"], tuple[str, ...]]:
    """Return labels as positions in the classes, and the classes.

    Args:
        labels: n integers or n strings.
        classes: class names; None derives them from the labels.
        split: name of the split, for errors.

    Raises:
        DataError: the labels are neither integers nor strings, or a string is not in ``classes``.
    """
    array = np.asarray(labels)
    if array.dtype.kind in "OT" and all(isinstance(label, str) for label in array.flat):
        array = array.astype(str)
    if array.ndim != 1 or array.dtype.kind not in "iuU":
        raise DataError(
            f"The labels of split {split!r} are {array.dtype} of shape {array.shape}; they must be n integers or "
            "n strings, one for each image.",
            "Convert them, for example with labels.astype('int64').",
        )
    if array.dtype.kind == "U":
        return _positions(array.tolist(), classes, split)
    return array.astype(np.int64), classes or number_classes(array, f"The array of labels of split {split!r}")


def _positions(
    labels: list[str], classes: tuple[str, ...] | None, split: str
) -> tuple[Int64[np.ndarray, "n"], tuple[str, ...]]:
    names = classes or tuple(sorted(set(labels), key=natural_order))
    position = {name: index for index, name in enumerate(names)}
    if unknown := sorted(set(labels) - position.keys(), key=natural_order):
        raise DataError(
            f"The labels of split {split!r} contain {few(map(repr, unknown))}; they must be among the classes "
            f"{few(map(repr, names))}.",
            "Name all classes with classes=[...].",
        )
    return np.array([position[label] for label in labels], np.int64), names


def number_classes(labels: np.ndarray[Any, Any], source: str) -> tuple[str, ...]:
    """Return the class names of integer labels: ``"0"`` to the largest label.

    Args:
        labels: integers of shape [n].
        source: where the labels come from, for errors.

    Raises:
        DataError: a label is negative, or too large for a class.
    """
    smallest = int(labels.min(initial=0))
    if smallest < 0:
        raise DataError(
            f"{source} contains the label {smallest}; labels must not be negative.",
            "Number the classes from 0.",
        )
    largest = int(labels.max(initial=0))
    if largest >= MAX_CLASSES:
        raise DataError(
            f"{source} contains the label {largest}; labels must be below {MAX_CLASSES}.",
            "Number the classes from 0.",
        )
    return tuple(map(str, range(largest + 1)))


def require_classes(classes: Sequence[str]) -> tuple[str, ...]:
    """Return class names as a tuple.

    Raises:
        DataError: there are fewer than two, two are equal, or one is not a printable string.
    """
    names = tuple(classes)
    # Class names are printed: an unprintable one could control the terminal.
    printable = all(isinstance(name, str) and name.isprintable() for name in names)
    if not printable or len(names) < 2 or len(set(names)) != len(names):
        raise DataError(
            f"The classes are {few(map(repr, names))}; they must be at least two different, printable strings.",
            "Name the classes with classes=[...], a list of strings.",
        )
    return tuple(map(str, names))


def natural_order(name: str) -> list[tuple[int, int, str]]:
    """Return a sort key that puts ``"2"`` before ``"10"``."""
    pieces = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(0, int(piece), piece) if piece.isdigit() else (1, 0, piece) for piece in pieces]


def few(names: Any) -> str:
    """Return the first five names, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
