"""Group components of ink into columns and lines, which may be rotated by up to 12 degrees."""

from dataclasses import dataclass

import numpy as np

from penstroke.pictures.basics import Mask, resize

SLOPES = np.linspace(-0.21, 0.21, 29)
"""Slopes of lines that are tried: up to 12 degrees in either direction."""
MIN_LINE_HEIGHT = 0.25
"""Minimum height of the digits of a line, relative to the usual height of the page."""
MIN_GUTTER, MIN_MARKS = 1.5, 1.5
"""Minimum distance of two columns, relative to the usual height, and minimum mean number of marks of their lines."""


@dataclass(frozen=True)
class Component:
    """A connected component of ink, or several that were joined.

    Args:
        labels: labels of the connected components.
        box: ``(top, left, bottom, right)`` in working pixels; the last row and column are exclusive.
        ink_mass: the sum of the levels of the ink.
    """

    labels: tuple[int, ...]
    box: tuple[int, int, int, int]
    ink_mass: float

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return self.box[2] - self.box[0]

    @property
    def width(self) -> int:
        """Pixels from left to right."""
        return self.box[3] - self.box[1]

    @property
    def middle(self) -> float:
        """The column of its middle."""
        return (self.box[1] + self.box[3]) / 2

    def joined(self, other: "Component") -> "Component":
        """Return both as one component."""
        low = np.minimum(self.box[:2], other.box[:2]).tolist()
        high = np.maximum(self.box[2:], other.box[2:]).tolist()
        return Component(self.labels + other.labels, (*low, *high), self.ink_mass + other.ink_mass)


def usual_height(components: list[Component]) -> float:
    """Return the median height of components, weighted by their ink mass."""
    order = sorted(components, key=lambda c: c.height)
    weight = np.cumsum([c.ink_mass for c in order])
    return float(order[int(np.searchsorted(weight, weight[-1] / 2))].height)


def find_slope(mask: Mask) -> float:
    """Return the slope of the lines: the one along which ink is concentrated in the fewest rows."""
    small = resize(mask.astype(np.float32), min(1.0, 200 / max(mask.shape)))
    y, x = np.nonzero(small > 0.2)

    def concentration(slope: float) -> float:
        rows = np.round(y - slope * x).astype(int)
        return float(np.square(np.bincount(rows - rows.min()).astype(float)).sum()) * (1 - 0.3 * abs(slope))

    return float(max(SLOPES, key=concentration))


def find_columns(components: list[Component], height: float, slope: float) -> list[list[Component]]:
    """Return the components by column from the left: numbers in several lines beside others, with a wide gap between.

    Marks that are far apart in each line, as in a grid, are in one column.
    """

    def shift(c: Component) -> float:
        return slope * (c.box[0] + c.box[2]) / 2

    columns: list[list[Component]] = []
    end = -np.inf
    for component in sorted(components, key=lambda c: c.box[1] + shift(c)):
        if component.box[1] + shift(component) > end + MIN_GUTTER * height:
            columns.append([])
        columns[-1].append(component)
        end = max(end, component.box[3] + shift(component))
    lines = [len(find_lines(column, height, slope)) for column in columns]
    has_numbers = (count > 1 and len(column) >= MIN_MARKS * count for column, count in zip(columns, lines, strict=True))
    return columns if all(has_numbers) else [components]


def find_lines(components: list[Component], height: float, slope: float) -> list[list[Component]]:
    """Return the components by line from the top, and from left to right within a line."""

    def position(c: Component) -> float:
        return (c.box[0] + c.box[2]) / 2 - slope * c.middle

    def digits_of(line: list[Component]) -> list[Component]:
        return [c for c in line if c.height >= 0.4 * line[0].height]

    lines: list[list[Component]] = []
    # The tallest component of a line starts it; bars, dots and dashes are added to the nearest line.
    for component in sorted(components, key=lambda c: -c.height):
        at = position(component)
        distances = [
            abs(at - float(np.mean([position(c) for c in digits_of(line)]))) / line[0].height for line in lines
        ]
        nearest = int(np.argmin(distances)) if lines else -1
        if lines and distances[nearest] <= (0.55 if component.height >= 0.5 * lines[nearest][0].height else 0.9):
            lines[nearest].append(component)
        elif component.height >= MIN_LINE_HEIGHT * height:
            lines.append([component])
    # A small mark alone is a dot or a dash.
    lines = [line for line in lines if line[0].height >= 0.4 * height or len(digits_of(line)) > 1]
    lines.sort(key=lambda line: float(np.mean([position(c) for c in line])))
    return [sorted(line, key=lambda c: c.middle) for line in lines]
