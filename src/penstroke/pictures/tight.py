"""Find the ink of a small, clean picture that a symbol fills, such as a digit that a program has cut out of a form.

It has hardly any paper from which the level of the paper could be estimated. It has two levels instead: the levels of
ink and of paper are far apart relative to their spread. Paper is what most of the border and of the corners show.
"""

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from penstroke.pictures.basics import Grey, Mask, border_values
from penstroke.pictures.components import find_components
from penstroke.pictures.filters import percentile

MAX_SIDE = 100
"""Longest side, in pixels, of a picture that may be tight. Photographs of handwriting are larger."""
MIN_SEPARATION = 0.76
"""Minimum fraction of the variance of the levels that one threshold explains."""
MIN_MAIN_SHARE = 0.85
"""Minimum fraction of the ink that is connected. Grain and patterns have many components."""
MIN_CONTRAST = 25
"""Minimum difference of the mean levels of ink and paper, in grey levels."""
PAPER_PERCENTILE = 2.0
"""Percentile of the levels, from the brightest paper, that is the level of the paper."""


def find_tight_ink(grey: Grey) -> tuple[Mask, bool, float] | None:
    """Return the ink of a tight picture, whether it is bright, and the level of the paper; None for other pictures.

    Args:
        grey: ``float32`` ``[h, w]``, 0..255.
    """
    if max(grey.shape) > MAX_SIDE:
        return None
    threshold, separation = otsu(np.bincount(grey.astype(np.uint8).ravel(), minlength=256))
    if separation < MIN_SEPARATION:
        return None
    bright_part = grey >= threshold + 1
    if grey[bright_part].mean() - grey[~bright_part].mean() < MIN_CONTRAST:
        return None
    bright = bool(_edge_share(bright_part) < _edge_share(~bright_part))
    mask = bright_part if bright else ~bright_part
    areas = np.bincount(find_components(mask).labels.ravel())[1:]
    if areas.max() < MIN_MAIN_SHARE * areas.sum():
        return None
    return mask, bright, percentile(grey, PAPER_PERCENTILE if bright else 100 - PAPER_PERCENTILE)


def otsu(counts: Int[ndarray, " levels"]) -> tuple[int, float]:
    """Return the level that separates a histogram best, and the fraction of the variance between the two parts.

    N. Otsu, "A threshold selection method from gray-level histograms", 1979.

    Args:
        counts: the number of pixels of each level. Those up to the returned level are the lower part.
    """
    levels = np.arange(len(counts))
    total = counts.sum()
    below = np.cumsum(counts) / total
    moment = np.cumsum(counts * levels) / total
    mean = moment[-1]
    variance = float((counts * (levels - mean) ** 2).sum() / total)
    if variance == 0:
        return 0, 0.0
    both = below * (1 - below)
    between = np.where(both > 0, (mean * below - moment) ** 2 / np.maximum(both, 1e-12), 0)
    best = int(between.argmax())
    return best, float(between[best]) / variance


def _edge_share(mask: Mask) -> float:
    """Return how much of the border and of the corners is in the mask, 0..2."""
    side = max(1, min(mask.shape) // 6)
    ends = (slice(side), slice(-side, None))
    corners = [mask[rows, columns].mean() for rows in ends for columns in ends]
    return float(border_values(mask).mean() + np.mean(corners))
