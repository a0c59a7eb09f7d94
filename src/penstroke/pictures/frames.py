"""Remove printed frames from the ink: boxes for single digits, rows and tables of boxes, and combs.

A box is a connected component of the ink whose four sides are straight, thin lines. A comb is one whose lower side is
such a line, with short upright lines of equal height on it. Strokes that cross a line are kept. A box is removed only
if something is written in it, or in another one of its size: a 0 of straight strokes looks like an empty box.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from penstroke.pictures.basics import Grey, Mask
from penstroke.pictures.components import find_components
from penstroke.pictures.filters import dilation
from penstroke.pictures.ruled_lines import column_shifts, sheared

MARGIN = 3
"""Pixels around a frame that its soft edges extend to."""
MIN_LEVEL = 0.2
"""Minimum level of a frame relative to the pen."""
MAX_LINE_LEVEL = 1.7
"""Level relative to the usual level of a line from which a pixel on the line is ink."""
MIN_SIDE = 30
"""Minimum width of a frame, and minimum height of a box, in pixels."""
MIN_STRAIGHT, TOLERANCE = 0.65, 1.5
"""Minimum fraction of the pixels of a side that lie on a straight line, and their maximum distance to it in pixels."""
MAX_SLOPE = 0.4
"""Maximum slope of a side to the rows or the columns."""
MAX_THICKNESS = 0.12
"""Maximum thickness of a line relative to its length."""
MAX_FILLED = 0.5
"""Maximum fraction of the bounding box of a frame that is ink."""
MAX_OUTSIDE = 0.15
"""Maximum fraction of the ink of a component that is outside its box, such as strokes that cross it."""
MIN_COVERAGE = 0.85
"""Minimum fraction of a line between boxes that is ink."""
MIN_CONTENT = 0.3
"""Minimum height of what is written in a box, relative to the height of the box."""
MAX_DIFFERENCE = 0.2
"""Maximum relative difference of the sizes of equal boxes, and of the heights of the upright lines of a comb."""
MIN_TEETH, MIN_TOOTH = 3, 2.5
"""Minimum number of the upright lines of a comb, and their minimum height relative to the thickness of its lower line.
"""

Point = Float[ndarray, "2"]


class Line(NamedTuple):
    """A printed line from ``start`` to ``end``, each a row and a column, with its thickness in pixels."""

    start: Point
    end: Point
    thickness: float


class Side(NamedTuple):
    """The upper side of a component: the middle of its line is at row ``slope * column + first``."""

    slope: float
    first: float
    thickness: float


def remove_frames(level: Grey, strength: float, noise: float) -> Grey:
    """Return the ink without printed frames; without a frame, ``level`` itself.

    Args:
        level: ``float32`` ``[h, w]``, 0 for paper to ``strength`` for a full stroke of the pen.
        strength: the level of the pen.
        noise: standard deviation of the paper's ``level``.
    """
    components = find_components(level > max(MIN_LEVEL * strength, 3 * noise))
    frames = []
    for number, (top, left, bottom, right) in enumerate(components.boxes.tolist(), 1):
        at_border = min(top, left) <= 0 or bottom >= len(level) or right >= level.shape[1]
        if at_border or right - left < MIN_SIDE:
            continue
        part = np.s_[max(top - MARGIN, 0) : bottom + MARGIN, max(left - MARGIN, 0) : right + MARGIN]
        lines = find_lines(components.labels[part] == number)
        if lines:
            ink = components.labels[part] > 0
            on_lines = _on_lines(level[part], ink, lines)
            frames.append((part, on_lines, (bottom - top, right - left), _is_written_in(ink, on_lines)))
    written = [size for _, _, size, is_written in frames if is_written]
    removed = np.zeros(level.shape, bool)
    for part, on_lines, size, _ in frames:
        if any(np.allclose(size, other, rtol=MAX_DIFFERENCE) for other in written):
            removed[part] |= on_lines
    return np.where(removed, 0, level).astype(np.float32) if removed.any() else level


def find_lines(component: Mask) -> list[Line]:
    """Return the lines of a frame; none if the component is not one.

    Args:
        component: ``bool`` ``[h, w]``.
    """
    rows, columns = np.flatnonzero(component.any(1)), np.flatnonzero(component.any(0))
    if component.sum() > MAX_FILLED * (np.ptp(rows) + 1) * (np.ptp(columns) + 1):
        return []
    lower = _lower_side(component)
    if lower is None:
        return []
    # The sides of a box that is rotated are found in a copy whose lower side is along the rows.
    shifts = column_shifts(component.shape[1], lower.slope)
    margin = int(np.abs(shifts).max())
    level = sheared(np.pad(component, ((margin, margin), (0, 0))), shifts)
    lines = _box_lines(level) or _comb_lines(level)

    def in_component(point: Point) -> Point:
        row, column = point
        return np.array([row + lower.slope * (column - component.shape[1] / 2) - margin, column])

    return [Line(in_component(line.start), in_component(line.end), line.thickness) for line in lines]


def _lower_side(component: Mask) -> Side | None:
    """Return the lower side of a component: see ``_upper_side``."""
    side = _upper_side(component[::-1])
    return side and Side(-side.slope, len(component) - 1 - side.first, side.thickness)


def _upper_side(component: Mask) -> Side | None:
    """Return the upper side of a component, if it is a straight and thin line."""
    columns = np.flatnonzero(component.any(0))
    rows = component.argmax(0)[columns].astype(np.float64)
    half = len(columns) // 2
    slope = float(np.median(rows[-half:] - rows[:half]) / (len(columns) - half)) if half else 0.0
    distances = rows - slope * columns
    first = float(np.median(distances))
    straight = np.abs(distances - first) <= TOLERANCE
    if straight.mean() < MIN_STRAIGHT or abs(slope) > MAX_SLOPE:
        return None
    limit = MAX_THICKNESS * len(columns)
    thickness = float(np.median(_runs(component, rows[straight].astype(int), columns[straight], int(limit) + 2)))
    return Side(slope, first + (thickness - 1) / 2, thickness) if thickness <= limit else None


def _runs(component: Mask, rows: ndarray, columns: ndarray, limit: int) -> ndarray:
    """Return the number of consecutive pixels of ink from each pixel downwards, up to ``limit``."""
    below = rows + np.arange(limit)[:, None]
    inside = below < len(component)
    values = component[np.minimum(below, len(component) - 1), columns] & inside
    return np.where(values.all(0), limit, values.argmin(0))


def _box_lines(component: Mask) -> list[Line]:
    """Return the four sides of a box, and the lines inside it; none if the component is not a box."""
    sides = [side(turned) for turned in (component, component.T) for side in (_upper_side, _lower_side)]
    if None in sides:
        return []
    top, bottom, left, right = (side for side in sides if side)
    corners = np.array([[_corner(rows, columns) for columns in (left, right)] for rows in (top, bottom)])
    if (corners[1] - corners[0])[:, 0].min() < MIN_SIDE or (corners[:, 1] - corners[:, 0])[:, 1].min() < MIN_SIDE:
        return []
    y, x = np.nonzero(component)
    outside = [
        sign * (across - side.slope * along - side.first) > side.thickness + TOLERANCE
        for side, sign, across, along in ((top, -1, y, x), (bottom, 1, y, x), (left, -1, x, y), (right, 1, x, y))
    ]
    if np.any(outside, 0).mean() > MAX_OUTSIDE:
        return []  # the lines of squared paper extend beyond any box
    height, width = component.shape
    down, across = np.linspace(0, 1, height)[:, None, None], np.linspace(0, 1, width)[None, :, None]
    points = (1 - down) * ((1 - across) * corners[0, 0] + across * corners[0, 1])
    points = points + down * ((1 - across) * corners[1, 0] + across * corners[1, 1])
    rows, columns = np.clip(points.round().astype(int), 0, [height - 1, width - 1]).transpose(2, 0, 1)
    straightened = component[rows, columns]
    thickness = float(np.median([side.thickness for side in (top, bottom, left, right)]))
    lines = []
    for axis in (0, 1):
        near = dilation(straightened, 1, axes=(1 - axis,))
        covered = near.mean(axis) >= MIN_COVERAGE
        covered[[0, -1]] = True
        for first, last in _ranges(covered):
            middle = 0 if first == 0 else -1 if last == len(covered) - 1 else (first + last) // 2
            ends = points.take(middle, 1 - axis)
            # The lines of two boxes next to each other are removed as one.
            lines.append(Line(ends[0], ends[-1], max(thickness, last - first - 1)))
    return lines


def _corner(rows: Side, columns: Side) -> Point:
    """Return where a line along the rows and one along the columns meet."""
    row = (rows.slope * columns.first + rows.first) / (1 - rows.slope * columns.slope)
    return np.array([row, columns.slope * row + columns.first])


def _comb_lines(component: Mask) -> list[Line]:
    """Return the lower line of a comb and its upright lines; none if the component is not a comb."""
    bottom = _lower_side(component)
    if bottom is None:
        return []
    columns = np.flatnonzero(component.any(0))
    base = bottom.slope * columns + bottom.first
    rows = np.clip(base.round().astype(int), 0, len(component) - 1)
    heights = _runs(component[::-1], len(component) - 1 - rows, columns, len(component))
    tall = heights >= MIN_TOOTH * bottom.thickness
    teeth = [
        (columns[(first + last) // 2], float(np.median(heights[first : last + 1])))
        for first, last in _ranges(tall)
        if last - first < 2.5 * bottom.thickness + 2
    ]
    usual = float(np.median([height for _, height in teeth] or [0.0]))
    teeth = [tooth for tooth in teeth if abs(tooth[1] - usual) <= MAX_DIFFERENCE * usual]
    if len(teeth) < MIN_TEETH:
        return []

    def on_base(column: int, above: float = 0.0) -> Point:
        return np.array([bottom.slope * column + bottom.first - above, column])

    lines = [Line(on_base(columns[0]), on_base(columns[-1]), bottom.thickness)]
    return lines + [Line(on_base(column, height), on_base(column), bottom.thickness) for column, height in teeth]


def _ranges(values: ndarray) -> list[tuple[int, int]]:
    """Return the first and last index of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], values.astype(np.int8), [0]])))
    return [(int(first), int(last) - 1) for first, last in edges.reshape(-1, 2)]


def _on_lines(level: Grey, ink: Mask, lines: list[Line]) -> Mask:
    """Return the pixels of lines and of their soft edges, without those of strokes that cross a line."""
    rest, removed = ink.copy(), np.zeros_like(ink)
    for line in lines:
        along = int(np.argmax(np.abs(line.end - line.start)))
        columns, rows = np.array([line.start, line.end])[:, [along, 1 - along]].T
        views = (level, rest, removed) if along else (level.T, rest.T, removed.T)
        _move_line(*views, columns, rows, line.thickness)
    return removed


def _move_line(level: Grey, ink: Mask, removed: Mask, columns: Point, rows: Point, thickness: float) -> None:
    """Move the pixels of a line that is nearly along the rows from ``ink`` to ``removed``.

    Args:
        level: ``float32`` ``[h, w]``.
        ink: ``bool`` ``[h, w]``.
        removed: ``bool`` ``[h, w]``.
        columns: the first and the last column of the line.
        rows: the rows of its middle there.
        thickness: its thickness in pixels.
    """
    reach = thickness / 2 + 1
    inside = np.arange(max(0, round(columns[0] - reach)), min(ink.shape[1], round(columns[1] + reach) + 1))
    above = np.interp(inside, columns, rows) - np.arange(len(ink))[:, None]
    beside = ink[:, inside] & (np.abs(above) > reach) & (np.abs(above) <= reach + 2)
    crossed = (beside & (above > 0)).any(0) & (beside & (above < 0)).any(0)
    near = np.abs(above) <= reach
    values = level[:, inside]
    # Pixels on the line that are much darker than it are ink.
    line_level = np.median(values[near & ink[:, inside]]) if (near & ink[:, inside]).any() else 0.0
    on_line = near & ~crossed & (values < MAX_LINE_LEVEL * line_level)
    removed[:, inside] |= on_line
    ink[:, inside] &= ~on_line


def _is_written_in(ink: Mask, on_lines: Mask) -> bool:
    """Return whether a frame surrounds other ink."""
    return bool((ink & ~on_lines).any(1).mean() >= MIN_CONTENT)
