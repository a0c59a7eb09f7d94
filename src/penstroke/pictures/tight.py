"""Find the ink of a small, clean picture that a symbol fills, such as a digit that a program has cut out of a form.

It has hardly any paper from which the level of the paper could be estimated. It has two levels instead: the levels of
ink and of paper are far apart relative to their spread. Paper is what most of the border and of the corners show.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from penstroke.pictures.basics import Grey, Mask, border_values
from penstroke.pictures.components import find_components
from penstroke.pictures.filters import histogram, percentile

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


@dataclass(frozen=True)
class TwoLevels:
    """What would be the ink if a picture is tight.

    Args:
        grey: ``float32`` ``[h, w]``, 0..255.
        mask: ``bool`` ``[h, w]``, the ink.
        bright: whether ink is brighter than the paper.
    """

    grey: Grey
    mask: Mask
    bright: bool

    @cached_property
    def is_tight(self) -> bool:
        """Whether most of the ink is connected, so that the picture is tight."""
        areas = np.bincount(find_components(self.mask).labels.ravel())[1:]
        return bool(areas.max() >= MIN_MAIN_SHARE * areas.sum())

    @property
    def paper(self) -> float:
        """The level of the paper."""
        return percentile(self.grey, PAPER_PERCENTILE if self.bright else 100 - PAPER_PERCENTILE)


def find_two_levels(grey: Grey) -> TwoLevels | None:
    """Return what would be the ink if a picture is tight; None if the picture is too large or has no two levels.

    Args:
        grey: ``float32`` ``[h, w]``, 0..255.
    """
    if max(grey.shape) > MAX_SIDE:
        return None
    threshold, separation = otsu(histogram(grey.astype(np.uint8)))
    if separation < MIN_SEPARATION:
        return None
    bright_part = grey >= threshold + 1
    if grey[bright_part].mean() - grey[~bright_part].mean() < MIN_CONTRAST:
        return None
    counts, sizes = _edge_counts(bright_part)
    bright = _edge_share(counts, sizes) < _edge_share(
        [n - count for count, n in zip(counts, sizes, strict=True)], sizes
    )
    return TwoLevels(grey, bright_part if bright else ~bright_part, bright)


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


def edges_of(values: ndarray) -> list[ndarray]:
    """Return the values along the border, and those in the four corners, of ``[h, w]``."""
    side = max(1, min(values.shape) // 6)
    ends = (slice(side), slice(-side, None))
    return [border_values(values), *(values[rows, columns] for rows in ends for columns in ends)]


def _edge_counts(mask: Mask) -> tuple[list[int], list[int]]:
    """Return how many pixels of the border and of each corner are in the mask, and how many there are."""
    parts = edges_of(mask)
    return [int(np.count_nonzero(part)) for part in parts], [part.size for part in parts]


def _edge_share(counts: list[int], sizes: list[int]) -> float:
    """Return how much of the border and of the corners is in a mask, 0..2."""
    border, *corners = (count / size for count, size in zip(counts, sizes, strict=True))
    return border + sum(corners) / len(corners)
