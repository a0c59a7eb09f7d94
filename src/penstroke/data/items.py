"""Read a map-style PyTorch dataset, item by item, as arrays. PyTorch is not imported."""

import operator
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8
from PIL import Image

from penstroke.data.arrays import image_array, pixel_array
from penstroke.errors import DataError
from penstroke.pictures.files import image_pixels
from penstroke.schema import shown

MAX_WRAPPERS = 16
"""Number of nested subsets in which class names are searched."""


def read_items(dataset: Any, split: str) -> tuple[UInt8[np.ndarray, "n c h w"], Int64[np.ndarray, "n"]]:
    """Return the images and labels of a map-style dataset; see ``Dataset.from_torch``.

    Args:
        dataset: has a length and items, from 0, which are pairs of an image and a label.
        split: name of the split, for errors.

    Raises:
        DataError: ``dataset`` is not a map-style dataset or is empty, or an item is invalid; the item is named.
    """
    count = _length(dataset, split)
    labels = np.empty(count, np.int64)
    stack = np.empty(0, np.uint8)
    for index in range(count):
        where = f"Item {index} of the {split} dataset"
        image, label = _pair(dataset, index, where)
        pixels = _pixels(image, where)
        if index == 0:
            stack = np.empty((count, *pixels.shape), np.uint8)
        if pixels.shape != stack.shape[1:]:
            raise DataError(
                f"{where} has an image of shape {list(pixels.shape)}; that of item 0 has {list(stack.shape[1:])}.",
                "Give all images one shape, for example with torchvision.transforms.Resize((32, 32)).",
            )
        stack[index], labels[index] = pixels, _label(label, where)
    return image_array(stack, split), labels


def class_names(dataset: Any) -> tuple[str, ...] | None:
    """Return the attribute ``classes`` of a dataset, or of the one of which it is a subset; None if neither has it."""
    return next((tuple(map(str, part.classes)) for part in _wrapped(dataset) if _has_classes(part)), None)


def _wrapped(dataset: Any) -> Iterator[Any]:
    """Yield a dataset, and those that its attribute ``dataset`` leads to."""
    for _ in range(MAX_WRAPPERS):
        yield dataset
        if (dataset := getattr(dataset, "dataset", None)) is None:
            return


def _has_classes(dataset: Any) -> bool:
    return isinstance(getattr(dataset, "classes", None), list | tuple)


def _length(dataset: Any, split: str) -> int:
    if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")) or isinstance(dataset, str | dict):
        raise DataError(
            f"The {split} dataset is {shown(dataset)} ({type(dataset).__name__}); it must be a map-style dataset, "
            "with a length and items.",
            "Pass a torch.utils.data.Dataset that has __len__ and __getitem__.",
        )
    if not (count := len(dataset)):
        raise DataError(f"The {split} dataset is empty; it must have at least one item.", "Check the dataset.")
    return count


def _pair(dataset: Any, index: int, where: str) -> tuple[Any, Any]:
    try:
        item = dataset[index]
    except OSError as error:  # Pillow's errors are of this kind, too
        raise DataError(f"{where} cannot be read: {error}.", "Check the file that the item comes from.") from error
    if not isinstance(item, list | tuple) or len(item) != 2:
        kind = f"{type(item).__name__} of length {len(item)}" if hasattr(item, "__len__") else type(item).__name__
        raise DataError(f"{where} is a {kind}; it must be a pair (image, label).", "Return image, label.")
    return item[0], item[1]


def _pixels(image: Any, where: str) -> UInt8[np.ndarray, "*shape"]:
    """Return the pixels of a tensor, an array or a PIL image."""
    if isinstance(image, Image.Image):
        if image.mode in ("L", "RGB"):
            return np.asarray(image)
        try:
            return image_pixels(image)
        except DataError as error:
            raise DataError(f"{where} has an image that cannot be used. {error.message}", error.remedy) from error
    try:
        # A tensor may be on another device, or require gradients.
        array = image.detach().cpu().numpy() if hasattr(image, "detach") else np.asarray(image)
    except (TypeError, ValueError, RuntimeError) as error:  # the dtype bfloat16, a list of lists of different lengths
        raise DataError(f"{where} has an image that is not an array: {error}.", "Return a uint8 tensor.") from error
    if array.ndim not in (2, 3):
        raise DataError(
            f"{where} has an image ({type(image).__name__}) of shape {list(array.shape)}; it must have the shape "
            "[h, w], [c, h, w] or [h, w, c], or be a PIL image.",
            "Return one image for each item.",
        )
    return pixel_array(array, f"{where} has an image of {array.dtype}")


def _label(label: Any, where: str) -> int:
    try:
        value = operator.index(label)
    except (TypeError, RuntimeError) as error:
        raise DataError(
            f"{where} has the label {shown(label)} ({type(label).__name__}); it must be an integer.",
            "Return the position of the class, and pass the names with classes=[...].",
        ) from error
    if value < 0:
        raise DataError(f"{where} has the label {value}; it must not be negative.", "Number the classes from 0.")
    return value
