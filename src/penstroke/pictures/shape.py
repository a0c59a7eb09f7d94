"""Normalise the ink of one symbol to an image in the style of MNIST.

MNIST's digits were scaled with their aspect ratio and grey levels kept, so that the longer side has 20 pixels, and
placed with their centre of mass in the middle of 28 x 28 pixels (LeCun et al., "Gradient-based learning applied to
document recognition", 1998). Nearly all strokes of MNIST are 1.4 to 5 pixels wide. This module takes the ink of a
single symbol; it does not depend on how ink is found.
"""

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from penstroke.pictures.basics import (
    Grey,
    StageCallback,
    as_picture,
    bounding_box,
    resize_to,
    show_stage,
    stroke_width,
)
from penstroke.pictures.filters import disk_max, disk_min

BOX = 20
"""Length of the symbol's longer side in pixels, for an image of 28 x 28."""
OVERSAMPLING = 4
"""Resolution at which stroke widths are changed, relative to the result."""
MIN_LEVEL = 0.06
"""Lowest level that belongs to the symbol's bounding box."""
MIN_STROKE, MIN_STROKE_TARGET = 1.15, 1.8
"""Width in pixels of 28 x 28 below which strokes are widened, and the width that they get."""
MAX_STROKE, MAX_STROKE_TARGET = 6.5, 5.5
"""Width in pixels of 28 x 28 above which strokes are thinned, and the width that they get."""


def to_symbol(level: Grey, size: int = 28, on_stage: StageCallback | None = None) -> UInt8[ndarray, "s s"]:
    """Return the ink of one symbol in the style of MNIST: white on black, scaled to its box, centred by mass.

    Args:
        level: ``float32`` ``[h, w]``, 0 for paper to 1 for full ink, of this symbol only. Some level must be above
            ``MIN_LEVEL``.
        size: the side of the result. The symbol's longer side is 20/28 of it.
        on_stage: called with each stage.
    """
    box = round(size * BOX / 28)
    level = crop(level)
    show_stage(on_stage, "cropped", lambda: level, f"{level.shape[1]} x {level.shape[0]} pixels")
    fine = fit(level, box * OVERSAMPLING)
    width = stroke_width(fine > 0.5)[0] / OVERSAMPLING * BOX / box
    if MIN_STROKE <= width <= MAX_STROKE and abs(max(level.shape) - box) <= 1:
        # The size is already right; resampling would only blur the symbol.
        fitted = level
    else:
        fitted = fit(limit_stroke_width(fine, width, box * OVERSAMPLING / BOX), box)
    show_stage(on_stage, "fitted", lambda: fitted, f"strokes {width:.1f} px")
    return as_picture(centre(fitted, size))


def crop(level: Grey) -> Grey:
    """Return the bounding box of the levels above ``MIN_LEVEL``."""
    return level[bounding_box(level > MIN_LEVEL)]


def fit(level: Grey, side: int) -> Grey:
    """Return the levels scaled so that the longer side is ``side``, with the aspect ratio kept."""
    factor = side / max(level.shape)
    size = (max(1, round(level.shape[1] * factor)), max(1, round(level.shape[0] * factor)))
    return np.clip(resize_to(level, size), 0, 1)


def limit_stroke_width(fine: Grey, width: float, scale: float) -> Grey:
    """Return the symbol with strokes widened or thinned if their width is far outside MNIST's range.

    Args:
        fine: ``float32`` ``[h, w]``, the symbol at several pixels per pixel of the result.
        width: the width of its strokes, in pixels of 28 x 28.
        scale: pixels of ``fine`` per pixel of 28 x 28.
    """
    if MIN_STROKE <= width <= MAX_STROKE:
        return fine
    target = MIN_STROKE_TARGET if width < MIN_STROKE else MAX_STROKE_TARGET
    radius = max(1, round(abs(target - width) / 2 * scale))
    return disk_max(np.pad(fine, radius), radius) if width < MIN_STROKE else disk_min(fine, radius)


def centre(fitted: Grey, size: int) -> Grey:
    """Return a square with the symbol's centre of mass in its middle, shifted by whole pixels as in MNIST."""
    height, width = fitted.shape
    mass = max(float(fitted.sum()), 1e-6)
    middle = size // 2
    y = middle - int(np.floor(fitted.sum(1) @ np.arange(height) / mass + 0.5))
    x = middle - int(np.floor(fitted.sum(0) @ np.arange(width) / mass + 0.5))
    y, x = (min(max(at, 0), size - side) for at, side in ((y, height), (x, width)))
    out = np.zeros((size, size), np.float32)
    out[y : y + height, x : x + width] = fitted
    return out
