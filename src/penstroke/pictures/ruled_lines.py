"""Remove the lines of ruled and squared paper from the ink.

A ruled line is straight and thin, crosses the page, and is mostly fainter than the pen. Lines are found as rows of a
slightly sheared picture whose lower quartile, over a third of the width, exceeds that of the adjacent rows. Strokes
of digits are rarely long enough for this; strokes that are long enough have the strength of the pen, and are kept.
"""

import numpy as np
import scipy
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from PIL import Image

from penstroke.pictures.basics import Grey
from penstroke.pictures.filters import dilation, median, opening, window_max

LINE_SIDE, SLOPE_SIDE = 320, 128
"""Longest side, in pixels, at which lines are found, and at which their slope is estimated."""
SLOPES = np.linspace(-0.21, 0.21, 25)
"""Slopes that are tried: up to 12 degrees in either direction, by one degree, then refined around the best."""
REFINEMENTS = (SLOPES[1] - SLOPES[0]) * np.linspace(-0.67, 0.67, 5)
"""Differences to the best slope that are tried then."""
MAX_THICKNESS = 7
"""Maximum thickness of a ruled line in pixels of ``SLOPE_SIDE``."""
SEGMENTS, MIN_SEGMENTS = 7, 4
"""Number of overlapping parts of a row, a third of its length each, in which a line is detected, and has to be."""
PASSES = 3
"""Maximum number of slopes for which lines are removed: a page in perspective has lines of several slopes."""
FAINT_LINE = 0.5
"""Level relative to the pen below which lines are detected separately, since page edges and writing have slopes too."""
MIN_SIDE = 60
"""Smallest side, in pixels, of a picture in which lines are detected."""


def remove_ruled_lines(level: Grey, strength: float, noise: float, thorough: bool = True) -> Grey:
    """Return the ink without horizontal and vertical ruled lines.

    Args:
        level: ``float32`` ``[h, w]``, 0 for paper to ``strength`` for a full stroke of the pen.
        strength: the level of the pen.
        noise: standard deviation of the paper's ``level``; 0 for a drawn picture, in which only lines from border to
            border are removed.
        thorough: whether to detect lines of several slopes, and faint lines separately.
    """
    if min(level.shape) < MIN_SIDE:
        return level
    level = _remove_horizontal(level, strength, noise, thorough)
    transposed = np.ascontiguousarray(level.T)
    unruled = _remove_horizontal(transposed, strength, noise, thorough)
    return level if unruled is transposed else np.ascontiguousarray(unruled.T)


def _remove_horizontal(level: Grey, strength: float, noise: float, thorough: bool) -> Grey:
    """Return the ink without lines at up to 12 degrees to the rows; without such lines, ``level`` itself."""
    factor = min(1.0, LINE_SIDE / max(level.shape))
    small = _reduced(level, factor)
    for max_level in (np.inf, FAINT_LINE)[: 1 + thorough]:
        for _ in range(PASSES if thorough else 1):
            if not _may_have_line(small, strength, noise):
                return level
            # Levels above the maximum have no influence on the slope.
            thin = np.where(small < max_level * strength, np.minimum(small, 0.6 * strength), 0)
            shifts = column_shifts(small.shape[1], _find_slope(thin))
            lines = _find_lines(sheared(small, shifts), strength, noise)
            if not lines.any():
                break
            level = _without(level, sheared(lines, -shifts), strength, noise, max(2, round(1.5 / factor)))
            small = _reduced(level, factor)
    return level


def _without(level: Grey, lines: Grey, strength: float, noise: float, distance: int) -> Grey:
    """Return the ink without lines.

    Args:
        level: ``float32`` ``[h, w]``, the ink.
        lines: the level of the line at each pixel of a reduced copy, 0 between lines.
        strength: the level of the pen.
        noise: standard deviation of the paper's ``level``.
        distance: pixels above and below the line at which a stroke that crosses it is seen.
    """
    size = (level.shape[1], level.shape[0])
    lines = np.asarray(Image.fromarray(lines).resize(size, Image.Resampling.BILINEAR))
    # Pixels on the line that are much darker than it are ink.
    on_line = (lines > 0.01) & (level < 1.7 * lines + 2 * noise)
    # A stroke that crosses the line has ink both above and below it.
    ink = level > np.maximum(0.3 * strength, 3 * noise)
    above, below = np.zeros_like(ink), np.zeros_like(ink)
    above[distance:], below[:-distance] = ink[:-distance], ink[distance:]
    crossing = above & below & ~_neighbours_on_line(on_line, distance)
    return np.where(on_line & ~crossing, 0, level).astype(np.float32)


def _neighbours_on_line(on_line: Bool[ndarray, "h w"], distance: int) -> Bool[ndarray, "h w"]:
    """Return where the pixel ``distance`` above or below is on the line too, and so does not show a crossing stroke."""
    near = np.zeros_like(on_line)
    near[distance:] |= on_line[:-distance]
    near[:-distance] |= on_line[distance:]
    return near


def _min_line(strength: float, noise: float) -> float:
    """Return the level that a ruled line exceeds."""
    return max(0.07 * strength, 0.6 * noise)


def _may_have_line(level: Grey, strength: float, noise: float) -> bool:
    """Return whether enough columns contain ink for a line of any slope: a quick test, which few drawings pass."""
    inked = level.max(0) > _min_line(strength, noise)
    starts, length = _segments(level.shape[1])
    full = sum(np.count_nonzero(inked[start : start + length]) >= length - length // 4 for start in starts)
    return bool(full >= (MIN_SEGMENTS if noise > 0 else SEGMENTS))


def _segments(width: int) -> tuple[Int[ndarray, " s"], int]:
    """Return the first columns of the segments of a row, and their length."""
    length = max(8, width // 3)
    return np.linspace(0, width - length, SEGMENTS).astype(int), length


def _reduced(level: Grey, factor: float) -> Grey:
    if factor >= 1:
        return level
    size = (max(1, round(level.shape[1] * factor)), max(1, round(level.shape[0] * factor)))
    return np.asarray(Image.fromarray(level).resize(size, Image.Resampling.BOX))


def column_shifts(width: int, slope: float | Float[ndarray, "n 1"]) -> Int[ndarray, "*n w"]:
    """Return the number of pixels by which each column moves up along a slope, or along each of several slopes."""
    return np.round((np.arange(width) - width / 2) * slope).astype(int)


def sheared(level: Grey, shifts: Int[ndarray, " w"]) -> Grey:
    """Return ``level`` with column ``x`` moved up by ``shifts[x]`` and padded with 0."""
    height, width = level.shape
    margin = int(np.abs(shifts).max())
    padded = np.pad(level, ((margin, margin), (0, 0)))
    first = (margin + shifts) * width + np.arange(width)
    return padded.ravel()[first[None, :] + width * np.arange(height)[:, None]]


def _find_slope(level: Grey) -> float:
    """Return the slope along which the sums of neighbouring rows differ most."""
    small = _reduced(level, min(1.0, SLOPE_SIDE / max(level.shape)))
    # Only thin structures count: the edge of a page on a dark table has another slope.
    small = small - opening(small, MAX_THICKNESS, axes=(0,))
    y, x = np.nonzero(small)
    ink = small[y, x].astype(np.float64)

    def sharpest(slopes: Float[ndarray, " n"]) -> float:
        shifts = column_shifts(small.shape[1], slopes[:, None])
        margin = int(np.abs(shifts).max())
        rows = small.shape[0] + 2 * margin
        # The sums of the rows of each sheared picture, from the few pixels that are not paper.
        sums = np.stack([np.bincount(y + margin - shift[x], ink, rows) for shift in shifts])
        within = sums[:, margin : rows - margin]
        return float(slopes[np.square(np.diff(within)).sum(1).argmax()])

    return sharpest(sharpest(SLOPES) + REFINEMENTS)


def _find_lines(level: Grey, strength: float, noise: float) -> Grey:
    """Return the level of the ruled line at each pixel, else 0, for lines along the rows."""
    height, width = level.shape
    tolerant = window_max(level, 3, axes=(0,))
    starts, length = _segments(width)
    fourth = length // 4
    quartile = np.stack([np.partition(tolerant[:, s : s + length], fourth, axis=1)[:, fourth] for s in starts])
    # Relative to windows of rows, so that a shadow or the end of the page does not count as a line.
    excess = quartile - scipy.ndimage.median_filter(quartile, (1, max(9, height // 12) | 1))
    spread = 1.4826 * median(np.abs(excess))
    present = excess > max(4 * spread, _min_line(strength, noise))
    # Most segments must show the line; ink on part of it, or a fold, may hide it in some.
    long = dilation(present, 2, axes=(1,)).sum(0) >= MIN_SEGMENTS
    # The level is averaged over the segments that show the line; the long stem of a digit is in few of them.
    faint = (quartile * present).sum(0) < 0.65 * strength * np.maximum(present.sum(0), 1)
    rows = long & present.any(0)
    # A single line of the pen's strength may be a stroke; three such lines are printed. In a drawn picture, faint lines
    # may be strokes, too.
    printed = _from_border_to_border(tolerant, present, quartile)
    rows &= (noise > 0) & (faint | (_count_runs(rows) >= 3)) | printed
    if not rows.any():
        return np.zeros_like(level)
    centres = starts + length / 2
    value = np.where(present, quartile, 0)[:, rows]
    out = np.zeros_like(level)
    out[rows] = np.stack([np.interp(np.arange(width), centres, v) for v in value.T])
    return out


def _count_runs(rows: Bool[ndarray, " h"]) -> int:
    """Return the number of groups of neighbouring rows."""
    return int(np.count_nonzero(rows[1:] & ~rows[:-1]) + rows[0])


def _from_border_to_border(
    level: Grey, present: Bool[ndarray, "s h"], quartile: Float[ndarray, "s h"]
) -> Bool[ndarray, " h"]:
    """Return which rows contain a line from the left border of the picture to the right, as only printed lines do."""
    end = max(2, level.shape[1] // 40)
    threshold = 0.6 * np.median(quartile, 0)
    ends = (level[:, :end].mean(1) > threshold) & (level[:, -end:].mean(1) > threshold)
    return present.all(0) & ends
