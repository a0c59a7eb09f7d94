"""Printed lines of paper, taken away from under the ink.

A ruled line is straight, thin, runs on across the page, and is mostly fainter than the pen. It is found as rows
of a slightly sheared picture whose lower quartile, over a third of the width, stands out from the rows beside it:
that a stroke of a digit is long enough for this is rare, and then it is as strong as the pen and stays.
"""

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from PIL import Image
from scipy import ndimage

RULE_SIDE = 320
SLOPE_SIDE = 128
SLOPES = np.linspace(-0.21, 0.21, 25)
"""Slopes tried: 12 degrees to each side, by one degree, then closer around the best."""
THICKEST = 7
"""Pixels of ``SLOPE_SIDE`` that no printed line is thick."""
SEGMENTS = 7
PASSES = 3
FAINT_RULE = 0.5
"""Of the pen's strength: fainter lines are looked for once more, since a page's edge, and writing, has a slope too."""

Grey = Float[ndarray, "h w"]


def remove_rules(level: Grey, strength: float, noise: float, thorough: bool = True) -> Grey:
    """Return the ink without printed lines, level and upright.

    Args:
        level: float32 ``[h, w]``, 0 for paper, ``strength`` for a full stroke of the pen.
        strength: the pen's level.
        noise: the paper's spread of ``level``.
        thorough: whether lines of several slopes, and faint ones by themselves, are looked for.
    """
    if min(level.shape) < 60:
        return level
    for _direction in range(2):
        # A page seen from the side has lines of several slopes: each pass takes those of one.
        for brightest in (np.inf, FAINT_RULE)[: 1 + thorough]:
            for _ in range(PASSES if thorough else 1):
                before, level = level, _remove_level(level, strength, noise, brightest * strength)
                if level is before:
                    break
        level = np.ascontiguousarray(level.T)
    return level


def _remove_level(level: Grey, strength: float, noise: float, brightest: float) -> Grey:
    """Take away lines that run along the rows, turned by up to 12 degrees; none above ``brightest`` tells the slope."""
    factor = min(1.0, RULE_SIDE / max(level.shape))
    small = _shrunk(level, factor)
    shifts = _shifts(small.shape[1], _find_slope(np.where(small < brightest, np.minimum(small, 0.6 * strength), 0)))
    rules = _find_rules(_sheared(small, shifts), strength, noise)
    if not rules.any():
        return level
    rules = _sheared(rules, -shifts)
    size = (level.shape[1], level.shape[0])
    rules = np.asarray(Image.fromarray(rules).resize(size, Image.Resampling.BILINEAR))
    # Where something much darker than the rule lies on it, that is ink.
    on_rule = (rules > 0.01) & (level < 1.7 * rules + 2 * noise)
    # A stroke that crosses the rule goes on above and below it.
    reach = max(2, round(1.5 / factor))
    ink = level > np.maximum(0.3 * strength, 3 * noise)
    above, below = np.zeros_like(ink), np.zeros_like(ink)
    above[reach:], below[:-reach] = ink[:-reach], ink[reach:]
    across = above & below & ~_witness_on_rule(on_rule, reach)
    return np.where(on_rule & ~across, 0, level).astype(np.float32)


def _witness_on_rule(on_rule: Bool[ndarray, "h w"], reach: int) -> Bool[ndarray, "h w"]:
    """Return where the pixels ``reach`` above and below are themselves on the rule, and so bear no witness."""
    near = np.zeros_like(on_rule)
    near[reach:] |= on_rule[:-reach]
    near[:-reach] |= on_rule[reach:]
    return near


def _shrunk(level: Grey, factor: float) -> Grey:
    if factor >= 1:
        return level
    size = (max(1, round(level.shape[1] * factor)), max(1, round(level.shape[0] * factor)))
    return np.asarray(Image.fromarray(level).resize(size, Image.Resampling.BOX))


def _shifts(width: int, slope: float | Float[ndarray, "n 1"]) -> Int[ndarray, "*n w"]:
    """Return by how much each column moves up along a slope, or along each of several."""
    return np.round((np.arange(width) - width / 2) * slope).astype(int)


def _sheared(level: Grey, shifts: Int[ndarray, " w"]) -> Grey:
    """Return ``level`` with column ``x`` moved up by ``shifts[x]``; what comes in from outside is 0."""
    height, width = level.shape
    margin = int(np.abs(shifts).max())
    padded = np.pad(level, ((margin, margin), (0, 0)))
    first = (margin + shifts) * width + np.arange(width)
    return padded.ravel()[first[None, :] + width * np.arange(height)[:, None]]


def _find_slope(level: Grey) -> float:
    """Return the slope along which rows differ most from their neighbours."""
    small = _shrunk(level, min(1.0, SLOPE_SIDE / max(level.shape)))
    # Thin things alone: the edge of a page on a dark table has a slope of its own.
    small = small - ndimage.grey_opening(small, (THICKEST, 1))
    y, x = np.nonzero(small)
    ink = small[y, x]

    def sharpest(slopes: Float[ndarray, " n"]) -> float:
        shifts = _shifts(small.shape[1], slopes[:, None])
        margin = int(np.abs(shifts).max())
        rows = small.shape[0] + 2 * margin
        # All sheared pictures' rows at once, from the few pixels that are not paper.
        at = (y - shifts[:, x] + margin) + rows * np.arange(len(slopes))[:, None]
        sums = np.bincount(at.ravel(), np.tile(ink, len(slopes)), rows * len(slopes)).reshape(-1, rows)
        within = sums[:, margin : rows - margin]
        return float(slopes[np.square(np.diff(within)).sum(1).argmax()])

    step = SLOPES[1] - SLOPES[0]
    return sharpest(sharpest(SLOPES) + step * np.linspace(-0.67, 0.67, 5))


def _find_rules(level: Grey, strength: float, noise: float) -> Grey:
    """Return the strength of the rule at each pixel of a picture whose rules lie along the rows, else 0."""
    height, width = level.shape
    tolerant = ndimage.maximum_filter1d(level, 3, axis=0)
    length = max(8, width // 3)
    starts = np.linspace(0, width - length, SEGMENTS).astype(int)
    fourth = length // 4
    quartile = np.stack([np.partition(tolerant[:, s : s + length], fourth, axis=1)[:, fourth] for s in starts])
    # Windows of rows, so that a shade or the end of the page is no rule.
    excess = quartile - ndimage.median_filter(quartile, (1, max(9, height // 12) | 1))
    usual = 1.4826 * float(np.median(np.abs(excess)))
    present = excess > max(4 * usual, 0.07 * strength, 0.6 * noise)
    # The whole line counts, so that ink on part of it, or a fold, does not hide it.
    long = ndimage.maximum_filter1d(present, 5, axis=1).sum(0) >= SEGMENTS - 3
    # As strong as where it is seen: a digit's long stem is there in some windows only.
    faint = (quartile * present).sum(0) < 0.65 * strength * np.maximum(present.sum(0), 1)
    rows = long & present.any(0)
    # One line as strong as the pen may be a stroke; three alike are printed.
    rows &= faint | (ndimage.label(rows)[1] >= 3) | _from_rim_to_rim(tolerant, present, quartile)
    if not rows.any():
        return np.zeros_like(level)
    centres = starts + length / 2
    value = np.where(present, quartile, 0)[:, rows]
    out = np.zeros_like(level)
    out[rows] = np.stack([np.interp(np.arange(width), centres, v) for v in value.T])
    return out


def _from_rim_to_rim(
    level: Grey, present: Bool[ndarray, "s h"], quartile: Float[ndarray, "s h"]
) -> Bool[ndarray, " h"]:
    """Return which rows hold a line all along and out of the picture at both ends, as only printed ones are."""
    end = max(2, level.shape[1] // 40)
    goal = 0.6 * np.median(quartile, 0)
    ends = (level[:, :end].mean(1) > goal) & (level[:, -end:].mean(1) > goal)
    return present.all(0) & ends
