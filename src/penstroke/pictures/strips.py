"""Normalise the ink of several touching digits to a strip: an image of fixed height and of any width.

A strip is the input of a network that reads sequences of digits (``penstroke.inference.strip_reader``). This module
takes ink; it does not depend on how ink is found.
"""

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from penstroke.pictures.basics import Grey, as_picture, resize_to, stroke_width
from penstroke.pictures.shape import BOX, OVERSAMPLING, crop, limit_stroke_width

HEIGHT = 28
"""Rows of a strip."""
INK_HEIGHT = 24
"""Rows of its ink. A digit has fewer where the digits are not at the same height."""
MAX_INK_WIDTH = 240
"""Maximum number of columns of its ink; wider ink is compressed."""
MARGIN = 4
"""Columns without ink on either side."""


def to_strip(level: Grey) -> UInt8[ndarray, "28 w"]:
    """Return ink as a strip: white on black, scaled to a fixed height, with strokes of the width of MNIST's.

    Args:
        level: ``float32`` ``[h, w]``, 0 for paper to 1 for full ink. Some level must be above ``shape.MIN_LEVEL``.
    """
    level = crop(level)
    width = min(MAX_INK_WIDTH, max(1, round(level.shape[1] * INK_HEIGHT / level.shape[0])))
    fine = np.clip(resize_to(level, (width * OVERSAMPLING, INK_HEIGHT * OVERSAMPLING)), 0, 1)
    pixels = INK_HEIGHT * OVERSAMPLING / BOX  # of `fine`, for one pixel of a digit in the style of MNIST
    limited = limit_stroke_width(fine, stroke_width(fine > 0.5)[0] / pixels, pixels)
    strip = np.zeros((HEIGHT, width + 2 * MARGIN), np.float32)
    top = (HEIGHT - INK_HEIGHT) // 2
    strip[top : top + INK_HEIGHT, MARGIN : MARGIN + width] = resize_to(limited, (width, INK_HEIGHT))
    return as_picture(strip)
