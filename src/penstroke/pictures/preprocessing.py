"""Convert a picture to the image that a network takes, with the preprocessing that the model's description names.

``digit`` finds the ink of one symbol and reproduces MNIST's normalisation. ``letterbox`` fits the whole picture into
the image, and ``crop`` its centre; datasets are read with the same functions. This module does not depend on models;
SciPy, which ``digit`` needs, is imported on first use.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from penstroke.errors import DataError, UsageError, nearest
from penstroke.pictures.files import (
    MAX_PIXELS,
    MIN_SIDE,
    Pixels,
    check_pixels,
    decode_picture,
    image_pixels,
    open_picture,
    stored_pixels,
)
from penstroke.pictures.letterbox import crop, letterbox, to_channels

if TYPE_CHECKING:
    from penstroke.pictures.basics import Stage

PREPROCESSINGS = ("digit", "letterbox", "crop")

Picture: TypeAlias = str | Path | bytes | Image.Image | UInt8[ndarray, "h w *c"]
"""A path, the bytes of a picture file, a PIL image, or ``uint8`` pixels ``[h, w]`` or ``[h, w, 3]``."""


def load_pixels(picture: Picture, max_pixels: int = MAX_PIXELS, min_side: int = MIN_SIDE) -> Pixels:
    """Return the pixels of a picture: upright, opaque, ``uint8``, grey ``[h, w]`` or colour ``[h, w, 3]``.

    Args:
        picture: path, bytes of a picture file, PIL image, or array. Arrays are checked and returned unchanged.
        max_pixels: maximum number of pixels that are decoded from a path, bytes or PIL image.
        min_side: minimum width and height in pixels.

    Raises:
        DataError: the type, dtype or shape of ``picture`` is invalid, or it is unreadable, too large or too small.
    """
    if isinstance(picture, ndarray):
        return check_pixels(picture, min_side)
    if isinstance(picture, bytes):
        return decode_picture(picture, max_pixels=max_pixels, min_side=min_side)
    if isinstance(picture, Image.Image):
        return image_pixels(picture, max_pixels=max_pixels, min_side=min_side)
    if isinstance(picture, str | Path):
        return open_picture(picture, max_pixels=max_pixels, min_side=min_side)
    raise DataError(
        f"An object of type {type(picture).__module__}.{type(picture).__qualname__} is not a picture.",
        "Pass a path, the bytes of a picture file, a PIL image, or a uint8 NumPy array [h, w] or [h, w, 3].",
    )


def preprocess(
    picture: Picture, preprocessing: str, image_shape: tuple[int, int, int], max_pixels: int = MAX_PIXELS
) -> UInt8[ndarray, "c h w"]:
    """Return a picture as the image that a network takes.

    Args:
        picture: see :func:`load_pixels`.
        preprocessing: one of ``PREPROCESSINGS``.
        image_shape: channels (1 or 3), height and width of the image.
        max_pixels: see :func:`load_pixels`.

    Raises:
        DataError: see :func:`load_pixels`; also if the image has neither 1 nor 3 channels.
        EmptyPicture: ``digit`` finds no ink. A subclass of ``DataError``.
        UsageError: ``preprocessing`` is unknown.
    """
    pixels = load_pixels(picture, max_pixels, _min_side(preprocessing))
    return _preprocess(pixels, preprocessing, image_shape, None)


def preprocess_with_stages(
    picture: Picture, preprocessing: str, image_shape: tuple[int, int, int], max_pixels: int = MAX_PIXELS
) -> "list[Stage]":
    """Return the steps of :func:`preprocess`, for display.

    The first stage is the picture; if EXIF turns it, the picture as it is stored comes before it. The last is named
    ``result`` and holds exactly the image that :func:`preprocess` returns, as ``[h, w]`` for one channel and
    ``[h, w, 3]`` for three.

    Raises:
        DataError, EmptyPicture, UsageError: see :func:`preprocess`.
    """
    from penstroke.pictures.basics import Stage

    pixels = load_pixels(picture, max_pixels, _min_side(preprocessing))
    stored = stored_pixels(picture, max_pixels) if isinstance(picture, str | Path | bytes | Image.Image) else None
    shown = f"{pixels.shape[1]} x {pixels.shape[0]} pixels"
    stages = [Stage("picture", pixels, shown if stored is None else f"{shown}, upright")]
    if stored is not None:
        stages.insert(0, Stage("as stored", stored, "before its EXIF orientation is applied"))
    image = _preprocess(pixels, preprocessing, image_shape, stages.append)
    channels, height, width = image.shape
    result = image[0] if channels == 1 else image.transpose(1, 2, 0)
    return [*stages, Stage("result", result, f"{width} x {height} pixels, the network's input")]


def _min_side(preprocessing: str) -> int:
    """Return the minimum side of a picture: a symbol needs some pixels, and anything can be resized."""
    return MIN_SIDE if preprocessing == "digit" else 1


def _preprocess(
    pixels: Pixels, preprocessing: str, image_shape: tuple[int, int, int], on_stage: "Callable[[Stage], object] | None"
) -> UInt8[ndarray, "c h w"]:
    if preprocessing not in PREPROCESSINGS:
        raise UsageError(f"Unknown preprocessing {preprocessing!r}.", nearest(preprocessing, PREPROCESSINGS))
    channels, height, width = image_shape
    if channels not in (1, 3):
        raise DataError(
            f"A picture cannot be converted to an image with {channels} channels; 1 and 3 are supported.",
            "Pass images of the model's shape as an array [n, c, h, w].",
        )
    if preprocessing == "digit":
        fitted = _digit(pixels, (width, height), on_stage)
    else:
        fit = letterbox if preprocessing == "letterbox" else crop
        fitted = fit(pixels, (width, height), _as_step(on_stage))
    return np.ascontiguousarray(to_channels(fitted, channels))


def _digit(
    pixels: Pixels, size: tuple[int, int], on_stage: "Callable[[Stage], object] | None"
) -> UInt8[ndarray, "h w"]:
    from penstroke.pictures.prepare import prepare

    width, height = size
    side = min(width, height)
    across, down = width - side, height - side
    image = prepare(pixels, size=side, on_stage=on_stage)
    if not across and not down:
        return image
    return np.pad(image, ((down // 2, down - down // 2), (across // 2, across - across // 2)))


def _as_step(on_stage: "Callable[[Stage], object] | None") -> "Callable[[str, ndarray, str], object] | None":
    """Return the function that ``letterbox`` and ``crop`` call with each step."""
    if not on_stage:
        return None
    from penstroke.pictures.basics import Stage

    return lambda name, image, note: on_stage(Stage(name, image, note))
