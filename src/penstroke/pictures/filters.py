"""Sliding windows, distances and order statistics of whole pictures.

The results equal those of ``scipy.ndimage``, ``numpy.median`` and ``numpy.percentile``, in a fraction of their time:
a window of any size takes a few whole-array operations, and an order statistic takes a single partition.
"""

from collections.abc import Callable

import numpy as np
import scipy
from jaxtyping import Bool, Float, Int, UInt8, UInt16
from numpy import ndarray, ufunc
from PIL import Image

Values = Float[ndarray, "h w"]
Mask = Bool[ndarray, "h w"]
FAR = 48
"""Distance from paper in pixels from which on SciPy's general method is faster."""
SQUARE = (0, 1)
"""The axes along which a square window extends."""


def window_max(values: Values, size: int, axes: tuple[int, ...] = SQUARE) -> Values:
    """Return the maximum of the window around each pixel. At the border, the window is what lies in the picture.

    Args:
        values: floating point.
        size: the side of the window in pixels, odd.
        axes: the axes along which the window extends; 0 is vertical.
    """
    return _window(values, size, axes, np.maximum, -np.inf)


def window_min(values: Values, size: int, axes: tuple[int, ...] = SQUARE) -> Values:
    """Return the minimum of the window around each pixel: see :func:`window_max`."""
    return _window(values, size, axes, np.minimum, np.inf)


def closing(values: Values, size: int) -> Values:
    """Return the values with the dark structures filled into which no square of ``size`` pixels fits."""
    return window_min(window_max(values, size), size)


def opening(values: Values, size: int, axes: tuple[int, ...] = SQUARE) -> Values:
    """Return the values without the bright structures into which no window of ``size`` pixels fits."""
    return window_max(window_min(values, size, axes), size, axes)


def dilation(mask: Mask, radius: int, axes: tuple[int, ...] = SQUARE) -> Mask:
    """Return the pixels whose window of ``2 * radius + 1`` pixels contains a pixel of the mask."""
    return _window(mask, 2 * radius + 1, axes, np.logical_or, neutral=False)


def erosion(mask: Mask, radius: int) -> Mask:
    """Return the pixels whose window of ``2 * radius + 1`` pixels, in the picture, lies in the mask."""
    return _window(mask, 2 * radius + 1, SQUARE, np.logical_and, neutral=True)


def disk_max(values: Values, radius: int) -> Values:
    """Return the maximum of the disk around each pixel: of pixels at most ``radius`` and a little away."""
    return _disk(values, radius, window_max, np.maximum)


def disk_min(values: Values, radius: int) -> Values:
    """Return the minimum of the disk around each pixel: see :func:`disk_max`."""
    return _disk(values, radius, window_min, np.minimum)


def _disk(values: Values, radius: int, window: Callable[..., Values], better: ufunc) -> Values:
    """Return ``better`` of the values in the disk around each pixel, from its rows."""
    found = window(values, 2 * radius + 1, (1,))
    for up in range(1, min(radius + 1, len(values))):
        rows = window(values, 2 * int((radius * radius + 1 - up * up) ** 0.5) + 1, (1,))
        better(found[up:], rows[:-up], out=found[up:])
        better(found[:-up], rows[up:], out=found[:-up])
    return found


def outline(mask: Mask) -> Mask:
    """Return the pixels of a mask that have a direct neighbour outside it; the mask ends at the border."""
    padded = np.pad(mask, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inner


def _window(values: ndarray, size: int, axes: tuple[int, ...], better: ufunc, neutral: float) -> ndarray:
    """Return ``better`` of all values in the window around each value."""
    assert size % 2
    for axis in axes:
        lines = values.swapaxes(0, axis)
        margin = size // 2
        found = np.empty_like(lines, shape=(len(lines) + 2 * margin, *lines.shape[1:]))
        found[:margin] = found[margin + len(lines) :] = neutral
        found[margin : margin + len(lines)] = lines
        width = 1
        while width < size:  # two overlapping windows make a larger one
            step = min(width, size - width)
            found = better(found[:-step], found[step:])
            width += step
        values = found.swapaxes(0, axis)
    return values


def distance_to_paper(mask: Mask) -> Values:
    """Return the distance of each pixel of a mask to the nearest pixel outside it, and 0 there; paper surrounds it.

    The squares of the distances along rows are combined over more and more rows. Thin strokes need few of these steps.
    """
    squares = _squared_distances(mask)
    if squares is None:
        return scipy.ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    return np.sqrt(squares, dtype=np.float64)


def ridge_distances(mask: Mask) -> Float[ndarray, " n"]:
    """Return the distances to paper on the centre lines of strokes: of pixels whose neighbours have none larger."""
    squares = _squared_distances(mask)
    if squares is None:
        distance = distance_to_paper(mask)
        return distance[(distance > 0) & (distance >= window_max(distance, 3))]
    # Squares have the same order as distances, and few distances are needed.
    ridge = squares[(squares > 0) & (squares >= _window(squares, 3, SQUARE, np.maximum, 0))]
    return np.sqrt(ridge, dtype=np.float64)


def _squared_distances(mask: Mask) -> UInt16[ndarray, "h w"] | None:
    """Return the squares of the distances to paper; None if some may be FAR or more."""
    height, width = mask.shape
    padded = np.zeros((height + 2, width + 2), bool)
    padded[1:-1, 1:-1] = mask
    line = padded.ravel()
    changes = np.flatnonzero(line[1:] != line[:-1]) + 1
    starts, ends = changes[::2], changes[1::2]  # of the runs of the mask along rows
    place, lengths = np.flatnonzero(line), ends - starts
    before, after = place - np.repeat(starts - 1, lengths), np.repeat(ends, lengths) - place
    along = np.zeros(padded.shape, np.uint16)
    along[padded] = np.minimum(np.minimum(before, after), FAR) ** 2
    nearest, farther = along.copy(), np.empty_like(along)
    for step in range(1, FAR):
        if step * step >= nearest.max():
            return nearest[1:-1, 1:-1]
        np.add(along, np.uint16(step * step), out=farther)
        np.minimum(nearest[step:], farther[:-step], out=nearest[step:])
        np.minimum(nearest[:-step], farther[step:], out=nearest[:-step])
    return None


def histogram(levels: UInt8[ndarray, "h w"]) -> Int[ndarray, "256"]:
    """Return the number of pixels of each level."""
    if levels.size > 10_000:  # Pillow is faster then
        return np.array(Image.fromarray(levels).histogram())
    return np.bincount(levels.ravel(), minlength=256)


def median(values: ndarray) -> float:
    """Return the median of at least one value."""
    flat = values.ravel()
    middle = len(flat) // 2
    ordered = np.partition(flat, middle)
    upper = ordered[middle]
    return float(upper if len(flat) % 2 else (ordered[:middle].max() + upper) / 2)


def percentile(values: ndarray, percent: float) -> float:
    """Return a percentile of at least one floating-point value, interpolated linearly; ``percent`` is below 100."""
    flat = values.ravel()
    rank = (len(flat) - 1) * (percent / 100)
    below = int(rank)
    share = rank - below
    after = min(below + 1, len(flat) - 1)
    ordered = np.partition(flat, after)
    low, high = ordered[: below + 1].max(), ordered[after]
    return float(low + (high - low) * share if share < 0.5 else high - (high - low) * (1 - share))
