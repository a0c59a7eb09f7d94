"""Draw images as text, for a terminal."""

import numpy as np
from jaxtyping import UInt8

CHARACTERS = " .:-=+*#%@"
"""From dark to bright pixels."""


def draw(image: UInt8[np.ndarray, "c h w"]) -> str:
    """Return an image as text, without empty lines at the top and the bottom.

    Each character shows two pixels, one above the other, because a terminal's cells are twice as high as wide. Bright
    pixels, such as MNIST's ink, become dense characters.
    """
    grey = image.astype(float).mean(0)
    if grey.shape[0] % 2:
        grey = np.vstack([grey, np.zeros((1, grey.shape[1]))])
    cells = grey.reshape(-1, 2, grey.shape[1]).mean(1)
    levels = np.ceil(cells / 255 * (len(CHARACTERS) - 1)).astype(int)
    lines = ["".join(CHARACTERS[level] for level in row).rstrip() for row in levels]
    return "\n".join(lines).strip("\n")
