"""From one symbol's ink to the picture that MNIST would have made of it.

MNIST's makers scaled each digit, grey levels kept, so that its longer side fills 20 pixels, and put its centre of
mass in the middle of 28 x 28. Nearly all of MNIST's strokes are 1.4 to 5 pixels wide. This file knows only the ink
of a single symbol, and nothing of paper.
"""

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from scipy import ndimage

from penstroke.pictures.basics import Stage, Watch, as_picture, resize_to, stroke_width

BOX = 20
"""Pixels that the symbol's longer side fills."""
FINE = 4
"""Times finer than the result, that strokes are made wider or thinner at."""
TRACE = 0.06
"""The faintest level that counts as the symbol's edge."""
HAIRLINE, HAIRLINE_TO = 1.15, 1.8
FELT, FELT_TO = 6.5, 5.5
"""Widths of strokes in result pixels, beyond which they are changed, and to what."""

Grey = Float[ndarray, "h w"]


def to_symbol(level: Grey, size: int = 28, watch: Watch | None = None) -> UInt8[ndarray, "s s"]:
    """Return one symbol's ink as MNIST would show it: white on black, in its box, centred by mass.

    Args:
        level: float32 ``[h, w]``, 0 for paper to 1 for full ink, of this symbol alone; some level is above ``TRACE``.
        size: the side of the result; the symbol fills 20/28 of it.
        watch: is shown the stages.
    """
    show = watch or (lambda _stage: None)
    box = round(size * BOX / 28)
    level = crop(level)
    show(Stage("cropped", as_picture(level), f"{level.shape[1]} x {level.shape[0]} pixels"))
    fine = fit(level, box * FINE)
    width = stroke_width(fine > 0.5)[0] / FINE * BOX / box
    if HAIRLINE <= width <= FELT and abs(max(level.shape) - box) <= 1:
        # It has the right size already: resampling would only blur it.
        fitted = level
    else:
        fitted = fit(change_width(fine, width, box * FINE / BOX), box)
    show(Stage("fitted", as_picture(fitted), f"strokes {width:.1f} px"))
    return as_picture(centre(fitted, size))


def crop(level: Grey) -> Grey:
    """Return the part within the outermost traces of ink."""
    rows, columns = np.flatnonzero((level > TRACE).any(1)), np.flatnonzero((level > TRACE).any(0))
    return level[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def fit(level: Grey, side: int) -> Grey:
    """Return the levels scaled so that the longer side is ``side``, aspect kept."""
    factor = side / max(level.shape)
    size = (max(1, round(level.shape[1] * factor)), max(1, round(level.shape[0] * factor)))
    return np.clip(resize_to(level, size), 0, 1)


def change_width(fine: Grey, width: float, unit: float) -> Grey:
    """Return strokes brought into MNIST's range of widths, if they are far out of it.

    Args:
        fine: float32 ``[h, w]``, the symbol at several pixels to a pixel of the result.
        width: its strokes' width in result pixels.
        unit: pixels of ``fine`` to a pixel of the result.
    """
    if HAIRLINE <= width <= FELT:
        return fine
    goal = HAIRLINE_TO if width < HAIRLINE else FELT_TO
    radius = max(1, round(abs(goal - width) / 2 * unit))
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disk = x * x + y * y <= radius * radius + 1
    if width < HAIRLINE:
        return ndimage.grey_dilation(np.pad(fine, radius), footprint=disk)
    return ndimage.grey_erosion(fine, footprint=disk)


def centre(fitted: Grey, size: int) -> Grey:
    """Return a square with the symbol's centre of mass in its middle, by whole pixels, as in MNIST."""
    height, width = fitted.shape
    mass = max(float(fitted.sum()), 1e-6)
    middle = size // 2
    y = middle - int(np.floor(fitted.sum(1) @ np.arange(height) / mass + 0.5))
    x = middle - int(np.floor(fitted.sum(0) @ np.arange(width) / mass + 0.5))
    y, x = (min(max(at, 0), size - side) for at, side in ((y, height), (x, width)))
    out = np.zeros((size, size), np.float32)
    out[y : y + height, x : x + width] = fitted
    return out
