"""From a picture to what a network takes, by the rule that its model file states."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from penstroke.pictures.files import MAX_PIXELS, open_picture
from penstroke.pictures.letterbox import letterbox, to_channels
from penstroke.pictures.prepare import prepare


def network_input(
    picture: str | Path | UInt8[ndarray, "h w *k"],
    rule: str,
    image_shape: tuple[int, int, int],
    max_pixels: int = MAX_PIXELS,
) -> UInt8[ndarray, "c h2 w2"]:
    """Return the picture of one symbol or thing as the network takes it.

    Args:
        picture: a file, or pixels: grey ``[h, w]`` or colour ``[h, w, 3]``.
        rule: `digit` or `letterbox`, from the model's description.
        image_shape: channels, height and width that the network takes.
        max_pixels: the most pixels of a file that are decoded.

    Raises:
        DataError: the file is no picture that can be read.
        EmptyPicture: by the rule `digit`, where nothing is written.
    """
    pixels = picture if isinstance(picture, ndarray) else open_picture(picture, max_pixels=max_pixels)
    channels, height, width = image_shape
    if rule == "digit":
        return np.ascontiguousarray(to_channels(prepare(pixels, size=height), channels))
    return np.ascontiguousarray(to_channels(letterbox(pixels, (width, height)), channels))
