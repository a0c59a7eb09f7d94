"""Charts as SVG, whose colours are those of the page: they follow its light and dark theme, and print.

A chart does not depend on what it shows. Colours are classes of the page's style sheet: ``s1``, ``s2`` and so on.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 440, 280
LEFT, RIGHT, TOP, BOTTOM = 54, 14, 34, 44
"""Margins of the plot, in units of the drawing."""
GAP = 4
"""Distance of labels from their axis."""
_Scale = Callable[[float], float]


@dataclass(frozen=True)
class Axis:
    """One axis of a chart.

    Args:
        label: what is shown, with its unit.
        low: value at the start.
        high: value at the end.
        ticks: labelled values.
        form: format of the labels, such as ``{:g}``.
        log: whether the scale is logarithmic.
    """

    label: str
    low: float
    high: float
    ticks: tuple[float, ...]
    form: str = "{:g}"
    log: bool = False

    def place(self, value: float) -> float:
        """Return where a value lies between the start, 0, and the end, 1. Values outside are moved to the ends."""
        value = min(max(value, self.low), self.high)
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


@dataclass(frozen=True)
class Series:
    """Points of a chart.

    Args:
        name: for the legend; empty for none.
        points: x and y, ascending in x.
        style: ``line``, ``dots``, ``bars`` (from 0 up), ``dashed`` or ``faint``.
        colour: class of the colour, ``s1`` to ``s4`` or ``grey``.
        width: width of bars, as a value of x.
    """

    name: str
    points: Sequence[tuple[float, float]]
    style: str = "line"
    colour: str = "s1"
    width: float = 0.0


def linear_axis(
    label: str, low: float, high: float, form: str = "{:g}", count: int = 5, *, whole: bool = False
) -> Axis:
    """Return an axis over a range with about ``count`` round ticks inside it; with ``whole``, at whole numbers."""
    if not high > low:
        low, high = low - 0.5, high + 0.5
    raw = max((high - low) / count, 1.0 if whole else 0.0)
    power = 10 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return Axis(label, low, high, tuple(round(number * step, 12) for number in range(first, last + 1)), form)


def log_axis(label: str, low: float, high: float) -> Axis:
    """Return a logarithmic axis that contains the range, with ticks at 1, 2 and 5 times powers of ten."""
    low = max(low, 1e-12)
    high = max(high, 1.5 * low)
    steps = (1.0, 2.0, 5.0) if high < 300 * low else (1.0,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [factor * 10.0**power for power in powers for factor in steps]
    return Axis(label, low, high, tuple(tick for tick in ticks if low <= tick <= high), "{:g}", log=True)


def chart(title: str, x: Axis, y: Axis, series: Sequence[Series], height: int = HEIGHT) -> str:
    """Return a chart as an SVG element. ``title`` describes what it shows, for screen readers."""
    bottom = height - BOTTOM

    def across(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * x.place(value)

    def down(value: float) -> float:
        return bottom - (bottom - TOP) * y.place(value)

    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">',
        *_horizontal(y, down),
        *_vertical(x, across, bottom),
    ]
    for each in series:
        parts += _drawn(each, across, down)
    parts += [
        f'<text class="name" x="{(LEFT + WIDTH - RIGHT) / 2:g}" y="{height - 6}" text-anchor="middle">'
        f"{escape(x.label)}</text>",
        f'<text class="name" x="0" y="14">{escape(y.label)}</text>',
        "</svg>",
    ]
    return "".join(parts)


def legend(series: Sequence[Series]) -> list[tuple[str, str, str]]:
    """Return colour, style and name of the series that have a name."""
    return [(each.colour, each.style, each.name) for each in series if each.name]


def _horizontal(axis: Axis, down: _Scale) -> list[str]:
    lines = []
    for tick in axis.ticks:
        place = down(tick)
        lines.append(f'<path class="grid" d="M{LEFT} {place:.1f}H{WIDTH - RIGHT}"/>')
        lines.append(
            f'<text x="{LEFT - GAP - 2}" y="{place + 4:.1f}" text-anchor="end">{axis.form.format(tick)}</text>'
        )
    return lines


def _vertical(axis: Axis, across: _Scale, bottom: float) -> list[str]:
    lines = [f'<path class="axis" d="M{LEFT} {bottom:g}H{WIDTH - RIGHT}"/>']
    for tick in axis.ticks:
        place = across(tick)
        lines.append(f'<path class="axis" d="M{place:.1f} {bottom:g}v4"/>')
        lines.append(f'<text x="{place:.1f}" y="{bottom + 16:g}" text-anchor="middle">{axis.form.format(tick)}</text>')
    return lines


def _drawn(series: Series, across: _Scale, down: _Scale) -> list[str]:
    finite = [(x, y) for x, y in series.points if math.isfinite(x) and math.isfinite(y)]
    if not finite:
        return []
    if series.style == "bars":
        floor = down(-math.inf)
        return [_bar(across(x - series.width / 2), across(x + series.width / 2), down(y), floor) for x, y in finite]
    places = [(across(x), down(y)) for x, y in finite]
    if series.style == "dots":
        return [f'<circle class="{series.colour}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>' for x, y in places]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    return [f'<path class="{series.style} {series.colour}" d="M{path}"/>']


def _bar(left: float, right: float, top: float, floor: float) -> str:
    return (
        f'<rect class="bar" x="{left + 1:.1f}" y="{top:.1f}" width="{max(right - left - 2, 1):.1f}" '
        f'height="{max(floor - top, 0):.1f}"/>'
    )


def interval_chart(low: float, value: float, high: float) -> str:
    """Return a proportion with its confidence interval on a short scale, as an SVG element."""
    room = max(high - low, 1e-4)
    axis = linear_axis("", max(0.0, low - room), min(1.0, high + room), count=4)
    digits = max(0, min(3, -math.floor(math.log10(100 * (axis.high - axis.low) / 4))))
    left, right = 12, WIDTH - 12

    def across(share: float) -> float:
        return left + (right - left) * axis.place(share)

    title = f"Accuracy {value:.2%}, 95 % interval {low:.2%} to {high:.2%}"
    parts = [
        f'<svg class="interval" viewBox="0 0 {WIDTH} 54" role="img" aria-label="{title}">',
        f'<path class="axis" d="M{left} 20H{right}"/>',
    ]
    for tick in axis.ticks:
        parts.append(f'<path class="axis" d="M{across(tick):.1f} 16v8"/>')
        parts.append(f'<text x="{across(tick):.1f}" y="44" text-anchor="middle">{100 * tick:.{digits}f}</text>')
    parts.append(f'<path class="range" d="M{across(low):.1f} 20H{across(high):.1f}"/>')
    parts.append(f'<circle class="s1" cx="{across(value):.1f}" cy="20" r="7"/></svg>')
    return "".join(parts)


def range_mark(start: float, low: float, value: float, high: float) -> str:
    """Return a small mark of a proportion and its interval on a scale from ``start`` to 1, as an SVG element."""
    left, right, end = (4 + 152 * (share - start) / max(1 - start, 1e-9) for share in (low, high, 1.0))
    middle = 4 + 152 * (value - start) / max(1 - start, 1e-9)
    return (
        '<svg class="mark" viewBox="0 0 160 14" aria-hidden="true">'
        f'<path class="grid" d="M4 7H{end:g}"/><path class="range" d="M{left:.1f} 7H{right:.1f}"/>'
        f'<circle class="s1" cx="{middle:.1f}" cy="7" r="4"/></svg>'
    )
