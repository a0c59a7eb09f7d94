"""Remove the lines of ruled and squared paper from the ink.

A ruled line is straight and thin, crosses the page, and is mostly fainter than the pen. Lines are found as rows of a
slightly sheared picture whose lower quartile, over a third of the width, exceeds that of the adjacent rows. Strokes
of digits are rarely long enough for this; strokes that are long enough have the strength of the pen, and are kept.
"""

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from PIL import Image
from scipy import ndimage

from penstroke.pictures.basics import Grey

LINE_SIDE, SLOPE_SIDE = 320, 128
"""Longest side, in pixels, at which lines are found, and at which their slope is estimated."""
SLOPES = np.linspace(-0.21, 0.21, 25)
"""Slopes that are tried: up to 12 degrees in either direction, by one degree, then refined around the best."""
MAX_THICKNESS = 7
"""Maximum thickness of a ruled line in pixels of ``SLOPE_SIDE``."""
SEGMENTS = 7
"""Number of overlapping parts of a row, a third of its length each, in which a line is detected."""
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
        noise: standard deviation of the paper's ``level``.
        thorough: whether to detect lines of several slopes, and faint lines separately.
    """
    if min(level.shape) < MIN_SIDE:
        return level
    for _direction in range(2):
        for max_level in (np.inf, FAINT_LINE)[: 1 + thorough]:
            for _ in range(PASSES if thorough else 1):
                before, level = level, _remove_horizontal(level, strength, noise, max_level * strength)
                if level is before:
                    break
        level = np.ascontiguousarray(level.T)
    return level


def _remove_horizontal(level: Grey, strength: float, noise: float, max_level: float) -> Grey:
    """Return the ink without lines at up to 12 degrees to the rows; levels above ``max_level`` do not affect the slope.

    Without such lines, ``level`` itself is returned.
    """
    factor = min(1.0, LINE_SIDE / max(level.shape))
    small = _reduced(level, factor)
    shifts = _shifts(small.shape[1], _find_slope(np.where(small < max_level, np.minimum(small, 0.6 * strength), 0)))
    lines = _find_lines(_sheared(small, shifts), strength, noise)
    if not lines.any():
        return level
    lines = _sheared(lines, -shifts)
    size = (level.shape[1], level.shape[0])
    lines = np.asarray(Image.fromarray(lines).resize(size, Image.Resampling.BILINEAR))
    # Pixels on the line that are much darker than it are ink.
    on_line = (lines > 0.01) & (level < 1.7 * lines + 2 * noise)
    # A stroke that crosses the line has ink both above and below it.
    distance = max(2, round(1.5 / factor))
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


def _reduced(level: Grey, factor: float) -> Grey:
    if factor >= 1:
        return level
    size = (max(1, round(level.shape[1] * factor)), max(1, round(level.shape[0] * factor)))
    return np.asarray(Image.fromarray(level).resize(size, Image.Resampling.BOX))


def _shifts(width: int, slope: float | Float[ndarray, "n 1"]) -> Int[ndarray, "*n w"]:
    """Return the number of pixels by which each column moves up along a slope, or along each of several slopes."""
    return np.round((np.arange(width) - width / 2) * slope).astype(int)


def _sheared(level: Grey, shifts: Int[ndarray, " w"]) -> Grey:
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
    small = small - ndimage.grey_opening(small, (MAX_THICKNESS, 1))
    y, x = np.nonzero(small)
    ink = small[y, x]

    def sharpest(slopes: Float[ndarray, " n"]) -> float:
        shifts = _shifts(small.shape[1], slopes[:, None])
        margin = int(np.abs(shifts).max())
        rows = small.shape[0] + 2 * margin
        # The rows of all sheared pictures at once, from the few pixels that are not paper.
        at = (y - shifts[:, x] + margin) + rows * np.arange(len(slopes))[:, None]
        sums = np.bincount(at.ravel(), np.tile(ink, len(slopes)), rows * len(slopes)).reshape(-1, rows)
        within = sums[:, margin : rows - margin]
        return float(slopes[np.square(np.diff(within)).sum(1).argmax()])

    step = SLOPES[1] - SLOPES[0]
    return sharpest(sharpest(SLOPES) + step * np.linspace(-0.67, 0.67, 5))


def _find_lines(level: Grey, strength: float, noise: float) -> Grey:
    """Return the level of the ruled line at each pixel, else 0, for lines along the rows."""
    height, width = level.shape
    tolerant = ndimage.maximum_filter1d(level, 3, axis=0)
    length = max(8, width // 3)
    starts = np.linspace(0, width - length, SEGMENTS).astype(int)
    fourth = length // 4
    quartile = np.stack([np.partition(tolerant[:, s : s + length], fourth, axis=1)[:, fourth] for s in starts])
    # Relative to windows of rows, so that a shadow or the end of the page does not count as a line.
    excess = quartile - ndimage.median_filter(quartile, (1, max(9, height // 12) | 1))
    spread = 1.4826 * float(np.median(np.abs(excess)))
    present = excess > max(4 * spread, 0.07 * strength, 0.6 * noise)
    # Most segments must show the line; ink on part of it, or a fold, may hide it in some.
    long = ndimage.maximum_filter1d(present, 5, axis=1).sum(0) >= SEGMENTS - 3
    # The level is averaged over the segments that show the line; the long stem of a digit is in few of them.
    faint = (quartile * present).sum(0) < 0.65 * strength * np.maximum(present.sum(0), 1)
    rows = long & present.any(0)
    # A single line of the pen's strength may be a stroke; three such lines are printed.
    rows &= faint | (ndimage.label(rows)[1] >= 3) | _from_border_to_border(tolerant, present, quartile)
    if not rows.any():
        return np.zeros_like(level)
    centres = starts + length / 2
    value = np.where(present, quartile, 0)[:, rows]
    out = np.zeros_like(level)
    out[rows] = np.stack([np.interp(np.arange(width), centres, v) for v in value.T])
    return out


def _from_border_to_border(
    level: Grey, present: Bool[ndarray, "s h"], quartile: Float[ndarray, "s h"]
) -> Bool[ndarray, " h"]:
    """Return which rows contain a line from the left border of the picture to the right, as only printed lines do."""
    end = max(2, level.shape[1] // 40)
    threshold = 0.6 * np.median(quartile, 0)
    ends = (level[:, :end].mean(1) > threshold) & (level[:, -end:].mean(1) > threshold)
    return present.all(0) & ends
