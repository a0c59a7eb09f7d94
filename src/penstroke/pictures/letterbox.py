"""A picture fitted whole into the size that a network takes, its ratio kept: the rule for pictures of things."""

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image, ImageOps


def letterbox(picture: UInt8[ndarray, "h w *c"], size: tuple[int, int]) -> UInt8[ndarray, "h2 w2 *c"]:
    """Return a picture fitted into (width, height) pixels, grey if it was grey, on its border's median colour."""
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
