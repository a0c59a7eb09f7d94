"""Simple preparations of a picture of one digit, which ``penstroke.pictures`` is compared with."""

import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray
from PIL import Image

from penstroke.pictures.basics import bounding_box

Grey = UInt8[ndarray, "h w"]
Image28 = UInt8[ndarray, "28 28"]


def as_grey(picture: UInt8[ndarray, "h w *c"]) -> Grey:
    """Return the luminance of a picture, inverted if most of the picture is bright."""
    grey = np.asarray(Image.fromarray(picture).convert("L"))
    return 255 - grey if np.median(grey) > 127 else grey


def resize_only(picture: UInt8[ndarray, "h w *c"]) -> Image28:
    """Return a picture in grey, resized to 28 x 28 pixels, and inverted if it is bright."""
    small = np.asarray(Image.fromarray(picture).convert("L").resize((28, 28), Image.Resampling.LANCZOS))
    return 255 - small if np.median(small) > 127 else small


def otsu_crop_fit_centre(picture: UInt8[ndarray, "h w *c"]) -> Image28:
    """Return what the usual tutorial makes of a picture: Otsu's threshold, then crop, fit and centre.

    Pixels below the threshold become black; the others keep their level.
    """
    from skimage.filters import threshold_otsu

    grey = as_grey(picture)
    if grey.min() == grey.max():
        return np.zeros((28, 28), np.uint8)
    mask = grey > threshold_otsu(grey)
    return crop_fit_centre(np.where(mask, grey, 0).astype(np.uint8), mask)


def crop_fit_centre(ink: Grey, mask: Bool[ndarray, "h w"] | None = None) -> Image28:
    """Return ink, white on black, cropped, scaled so that its longer side is 20 pixels, and centred by mass.

    Args:
        ink: grey levels.
        mask: what the ink is cropped to; None for the levels above a tenth of the highest.
    """
    mask = ink > 0.1 * ink.max() if mask is None else mask
    part = Image.fromarray(np.ascontiguousarray(ink[bounding_box(mask)]))
    factor = 20 / max(part.size)
    size = (max(1, round(part.width * factor)), max(1, round(part.height * factor)))
    level = np.asarray(part.resize(size, Image.Resampling.BICUBIC if factor > 1 else Image.Resampling.BOX))
    result = np.zeros((28, 28), np.uint8)
    mass = max(float(level.sum()), 1.0)
    corner = []
    for axis, side in enumerate(level.shape):
        centre = float(level.sum(1 - axis) @ np.arange(side)) / mass
        corner.append(min(max(round(13.5 - centre), 0), 28 - side))
    result[corner[0] : corner[0] + level.shape[0], corner[1] : corner[1] + level.shape[1]] = level
    return result
