"""Fit a whole picture into an image of another size, with its aspect ratio kept. Used for pictures of objects."""

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image, ImageOps


def letterbox(picture: UInt8[ndarray, "h w *c"], size: tuple[int, int]) -> UInt8[ndarray, "h2 w2 *c"]:
    """Return a picture fitted into an image, with bars in the median colour of the picture's border.

    Args:
        picture: grey ``[h, w]`` or colour ``[h, w, 3]``.
        size: width and height of the result in pixels.

    Returns:
        Grey if the picture is grey, else colour. A picture that already has the size is returned unchanged.
    """
    image = Image.fromarray(picture)
    if image.size == size:
        return picture
    border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    median = np.median(border, axis=0)
    colour = int(median) if picture.ndim == 2 else tuple(int(value) for value in median)
    return np.asarray(ImageOps.pad(image, size, Image.Resampling.LANCZOS, color=colour))


def to_channels(picture: UInt8[ndarray, "h w *c"], channels: int) -> UInt8[ndarray, "k h w"]:
    """Return a grey or colour picture with 1 or 3 channels, channels first."""
    if channels == 1:
        grey = np.asarray(Image.fromarray(picture).convert("L")) if picture.ndim == 3 else picture
        return grey[None]
    return np.broadcast_to(picture, (3, *picture.shape)) if picture.ndim == 2 else picture.transpose(2, 0, 1)
