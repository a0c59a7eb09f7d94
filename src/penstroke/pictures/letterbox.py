"""Fit a picture of an object into an image of another size, with its aspect ratio kept: with bars, or by cropping."""

from collections.abc import Callable

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

Picture = UInt8[ndarray, "h w *c"]
OnStep = Callable[[str, Picture, str], object]
"""Called with the name, the pixels and a description of each step, for display."""


def letterbox(picture: Picture, size: tuple[int, int], on_step: OnStep | None = None) -> UInt8[ndarray, "h2 w2 *c"]:
    """Return a whole picture fitted into an image, with bars in the median colour of the picture's border.

    Args:
        picture: grey ``[h, w]`` or colour ``[h, w, 3]``.
        size: width and height of the result in pixels.
        on_step: called with each step.

    Returns:
        Grey if the picture is grey, else colour. A picture that already has the size is returned unchanged.
    """
    width, height = size
    rows, columns = picture.shape[:2]
    if (columns, rows) == size:
        return picture
    # The side that limits the scale fills the image.
    if columns / rows > width / height:
        inner = (width, max(1, round(rows / columns * width)))
    else:
        inner = (max(1, round(columns / rows * height)), height)
    resized = _resize(picture, inner, on_step)
    if inner == size:
        return resized
    border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    image = np.empty((height, width, *picture.shape[2:]), np.uint8)
    image[:] = np.median(border, axis=0).astype(np.uint8)
    top, left = round((height - inner[1]) / 2), round((width - inner[0]) / 2)
    image[top : top + inner[1], left : left + inner[0]] = resized
    if on_step:
        on_step("bars", image, "bars in the colour of the border")
    return image


def crop(picture: Picture, size: tuple[int, int], on_step: OnStep | None = None) -> UInt8[ndarray, "h2 w2 *c"]:
    """Return the centre of a picture, as large as possible at the aspect ratio of an image, resized to the image.

    Args:
        picture: grey ``[h, w]`` or colour ``[h, w, 3]``.
        size: width and height of the result in pixels.
        on_step: called with each step.

    Returns:
        Grey if the picture is grey, else colour. A picture that already has the size is returned unchanged.
    """
    width, height = size
    rows, columns = picture.shape[:2]
    if columns / rows > width / height:
        inner = (max(1, round(rows / height * width)), rows)
    else:
        inner = (columns, max(1, round(columns / width * height)))
    top, left = (rows - inner[1]) // 2, (columns - inner[0]) // 2
    centre = np.ascontiguousarray(picture[top : top + inner[1], left : left + inner[0]])
    if on_step and centre.shape != picture.shape:
        on_step("cropped", centre, f"the middle {inner[0]} x {inner[1]} pixels")
    return _resize(centre, size, on_step)


def _resize(picture: Picture, size: tuple[int, int], on_step: OnStep | None) -> Picture:
    """Return a picture resized with Pillow's Lanczos filter, which averages where it reduces."""
    width, height = size
    if picture.shape[1::-1] == size:
        return picture
    # First the rows, then the columns: left to itself, Pillow 13 chooses the order by the size, which changes levels,
    # and which the web page would have to repeat.
    rows = Image.fromarray(picture).resize((width, picture.shape[0]), Image.Resampling.LANCZOS)
    resized = np.asarray(rows.resize(size, Image.Resampling.LANCZOS))
    if on_step:
        on_step("resized", resized, f"{width} x {height} pixels, aspect ratio kept")
    return resized


def to_channels(picture: Picture, channels: int) -> UInt8[ndarray, "k h w"]:
    """Return a grey or colour picture with 1 or 3 channels, channels first."""
    if channels == 1:
        grey = np.asarray(Image.fromarray(picture).convert("L")) if picture.ndim == 3 else picture
        return grey[None]
    return np.broadcast_to(picture, (3, *picture.shape)) if picture.ndim == 2 else picture.transpose(2, 0, 1)
