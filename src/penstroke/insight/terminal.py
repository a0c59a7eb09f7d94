"""Pictures in characters, for a terminal."""

import numpy as np
from jaxtyping import UInt8

RAMP = " .:-=+*#%@"


def draw(image: UInt8[np.ndarray, "c h w"]) -> str:
    """Return a picture as text, one character for two pixels one above the other: cells are twice as tall as wide.

    Bright pixels get dense characters, as MNIST's ink does; empty rows above and below are left out.
    """
    grey = image.astype(float).mean(0)
    if grey.shape[0] % 2:
        grey = np.vstack([grey, np.zeros((1, grey.shape[1]))])
    cells = grey.reshape(-1, 2, grey.shape[1]).mean(1)
    levels = np.ceil(cells / 255 * (len(RAMP) - 1)).astype(int)
    lines = ["".join(RAMP[level] for level in row).rstrip() for row in levels]
    return "\n".join(lines).strip("\n")
