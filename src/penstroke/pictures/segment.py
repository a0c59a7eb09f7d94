"""Segment a picture of many digits into single digits, by lines and in reading order.

Components of ink are grouped into lines, which may be rotated by up to 12 degrees. Components of one digit are joined,
and digits that touch are cut. Frames and underlines are ignored. Other components without the size of a digit, such as
dashes and dots, are marked as such. Ambiguous cases are decided by a scoring function; this module does not depend on
models.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from numpy import ndarray

from penstroke.pictures.cuts import Cut, ReadFunction, ScoreFunction, cut_digits, log_scores
from penstroke.pictures.ink import Ink, find_ink
from penstroke.pictures.lines import Component, find_columns, find_lines, find_slope, usual_height
from penstroke.pictures.prepare import check_pen, isolate, symbol_in
from penstroke.pictures.shape import to_symbol

MIN_STRENGTH = 0.5
"""Minimum mean level of a component, relative to that of the component with most ink."""
MIN_THICKNESS = 0.4
"""Minimum area of a component, relative to its longer side times the stroke width."""
MAX_SINGLE_WIDTH = 0.45
"""Width of a component, relative to its height, up to which it is one digit."""
WIDE = 0.75
"""Width of a component, relative to its height, above which it may well be two digits."""
CERTAIN, CERTAIN_IF_WIDE = -0.2, -0.005
"""Log-probability of one digit above which a component that is wider than a single digit is not cut."""


@dataclass(frozen=True)
class Symbol:
    """A digit found in a picture.

    Args:
        line: the index of its line, from the top.
        box: ``(x, y, width, height)`` in pixels of the picture.
        image: ``uint8`` ``[28, 28]``, normalised as by ``prepare``; None for a mark without the size of a digit.
        log_prior: see ``Cut``.
    """

    line: int
    box: tuple[int, int, int, int]
    image: UInt8[ndarray, "28 28"] | None
    log_prior: Float[ndarray, " classes"] | None = None


def _origin(ink: Ink, component: Component) -> tuple[int, int]:
    """Return top and left of the component's ink with a margin for its soft edge."""
    return max(0, component.box[0] - _margin(ink)), max(0, component.box[1] - _margin(ink))


def _level(ink: Ink, component: Component) -> Float[ndarray, "h w"]:
    """Return the levels of the component's ink only, from its origin on, with a margin for its soft edge."""
    top, left = _origin(ink, component)
    part = np.s_[top : component.box[2] + _margin(ink), left : component.box[3] + _margin(ink)]
    mask = np.isin(ink.components.labels[part], component.labels)
    return isolate(ink.level[part], ink.mask[part], mask, ink.width)


def _margin(ink: Ink) -> int:
    return max(2, round(0.5 * ink.width)) + 1


def segment(picture: UInt8[ndarray, "h w *c"], score: ScoreFunction) -> list[Symbol]:
    """Return the digits in a picture, by line from the top, and from left to right within a line.

    Args:
        picture: ``uint8``, grey ``[h, w]`` or colour ``[h, w, 3]``.
        score: returns probabilities or log-probabilities ``[n, classes]`` for ``uint8`` images ``[n, 28, 28]``.

    Raises:
        EmptyPicture: no ink is found, or the only marks are not pen strokes.
    """
    return [symbol for symbol in segment_ink(find_ink(picture), score) if symbol.image is not None]


def segment_ink(
    ink: Ink, score: ScoreFunction, read: ReadFunction | None = None, *, knows_outliers: bool = False
) -> list[Symbol]:
    """Return the marks of the lines of digits, including those without the size of a digit, such as decimal points.

    Args:
        ink: the ink of a picture.
        score: see ``segment``.
        read: reads touching digits as a whole; see ``cut_digits``.
        knows_outliers: whether the score of touching digits is low, so that a wide component with a high score is one
            digit.

    Raises:
        EmptyPicture: the only marks are not pen strokes.
    """
    components = find_writing(ink)
    if not components:
        return []
    written = np.isin(ink.components.labels, [label for c in components for label in c.labels])
    check_pen(ink, written)
    height, slope = usual_height(components), find_slope(written)
    symbols: list[Symbol] = []
    line = 0
    columns = find_columns(components, height, slope)
    for members in (members for column in columns for members in find_lines(column, height, slope)):
        in_line: list[Symbol] = []
        height = usual_height(members)
        for component in join(ink, members, height, score):
            if _is_digit_sized(component, height):
                in_line += _symbols(ink, component, height, line, score, read, knows_outliers)
            else:
                in_line.append(Symbol(line, _in_picture(component.box, ink.scale), None))
        if any(symbol.image is not None for symbol in in_line):
            symbols += in_line
            line += 1
    digits = [symbol for symbol in symbols if symbol.image is not None]
    if len(digits) == 1:
        # A lone symbol gets the image and the checks of ``prepare``.
        image = symbol_in(ink)
        return [replace(symbol, image=image) if symbol is digits[0] else symbol for symbol in symbols]
    return symbols


def find_writing(ink: Ink) -> list[Component]:
    """Return the connected components of ink except specks, frames, underlines and page edges.

    Components that touch the border of the picture belong to a table or to neighbouring writing. They are excluded
    unless they have most of the ink.
    """
    ink_mass = np.bincount(ink.components.labels.ravel(), ink.level.ravel())[1:]
    rows, columns = ink.mask.shape
    inner: list[Component] = []
    at_border: list[Component] = []
    for i, (top, left, bottom, right) in enumerate(ink.components.boxes.tolist()):
        tall, wide = (bottom - top) / rows, (right - left) / columns
        touches = min(top, left) <= 0 or bottom >= rows or right >= columns
        frame = touches and (tall > 0.9 or wide > 0.8)
        underline = wide > 0.5 and bottom - top < 4 * ink.width
        if ink_mass[i] >= 0.6 * ink.width**2 and not frame and not underline:
            component = Component((i + 1,), (top, left, bottom, right), float(ink_mass[i]))
            (at_border if touches else inner).append(component)
    inner = _without_edges(inner, inner + at_border, ink)
    inner_mass, border_mass = sum(c.ink_mass for c in inner), sum(c.ink_mass for c in at_border)
    return inner if inner_mass >= border_mass else inner + at_border


def _without_edges(components: list[Component], known: list[Component], ink: Ink) -> list[Component]:
    """Return the components that are not thin and faint relative to the pen, as the edge of a page on a table is."""
    if not components:
        return []
    main = max(known, key=lambda c: c.ink_mass)
    min_level = MIN_STRENGTH * main.ink_mass / _area(main, ink.components.labels)

    def is_pen(component: Component) -> bool:
        area = _area(component, ink.components.labels)
        min_area = MIN_THICKNESS * ink.width * max(component.height, component.width)
        return component.ink_mass / area >= min_level and area >= min_area

    return [c for c in components if is_pen(c)]


def _area(component: Component, labels: Int[ndarray, "h w"]) -> int:
    """Return the number of pixels of a single connected component."""
    top, left, bottom, right = component.box
    return int((labels[top:bottom, left:right] == component.labels[0]).sum())


def join(ink: Ink, line: list[Component], height: float, score: ScoreFunction) -> list[Component]:
    """Return the components of a line from left to right, with those of one digit joined."""
    components = list(line)
    while pair := next(
        (pair for pair in _near_pairs(components, height) if _is_one_digit(ink, *pair, height, score)), None
    ):
        components = [c for c in components if c not in pair] + [pair[0].joined(pair[1])]
    return sorted(components, key=lambda c: c.middle)


def _near_pairs(components: list[Component], height: float) -> list[tuple[Component, Component]]:
    """Return pairs of components that may be one digit, the nearest first."""
    pairs = []
    for i, a in enumerate(components):
        for b in components[i + 1 :]:
            x_gap, y_gap = _gap(a, b, 1), _gap(a, b, 0)
            small = min(a.height, b.height) < 0.5 * height
            both = a.joined(b)
            fits = both.height < 1.5 * height and both.width < 1.3 * height
            if fits and x_gap <= (0.2 if small else 0.02) * height and y_gap <= 0.4 * height:
                pairs.append((np.hypot(max(x_gap, 0), max(y_gap, 0)) + 0.01 * x_gap, a, b))
    return [(a, b) for _, a, b in sorted(pairs, key=lambda pair: pair[0])]


def _gap(a: Component, b: Component, axis: int) -> int:
    """Return the pixels between two components along an axis (0 is vertical); negative if they overlap."""
    return max(a.box[axis], b.box[axis]) - min(a.box[axis + 2], b.box[axis + 2])


def _is_one_digit(ink: Ink, a: Component, b: Component, height: float, score: ScoreFunction) -> bool:
    """Return whether two components near each other are one digit."""
    overlap = -_gap(a, b, 1) / min(a.width, b.width)
    stacked = -_gap(a, b, 0) < 0.3 * min(a.height, b.height)
    if stacked and overlap >= 0.5:
        return True
    images = [to_symbol(_level(ink, c)) for c in (a.joined(b), a, b)]
    both, first, second = log_scores(score, images).max(1)
    if min(a.height, b.height) < 0.5 * height:
        # A small component is not a digit by itself, so only the larger one competes with both.
        larger = first if a.ink_mass > b.ink_mass else second
        return bool(both > -0.7 or both > larger - 0.2)
    return bool(both > -0.3 and both > min(first, second) + 0.1 and overlap > 0.3)


def _is_digit_sized(component: Component, height: float) -> bool:
    """Return whether a component can be one or several digits, and not a dash, dot, bracket or drawing."""
    return 0.45 * height <= component.height <= 2.2 * height and component.width <= 12 * height


def _symbols(
    ink: Ink,
    component: Component,
    height: float,
    line: int,
    score: ScoreFunction,
    read: ReadFunction | None,
    knows_outliers: bool,
) -> list[Symbol]:
    """Return the digits in a component, of which most have one."""
    level = _level(ink, component)
    top, left = _origin(ink, component)
    tall = max(0.9 * height, min(component.height, 1.3 * height))
    # Narrow components are single digits; wider ones are if the score is high.
    wide = component.width > WIDE * tall
    certain = CERTAIN_IF_WIDE if wide else CERTAIN
    cuts = [Cut(level)]
    if component.width > MAX_SINGLE_WIDTH * tall and (
        (wide and not knows_outliers) or log_scores(score, [to_symbol(level)])[0].max() <= certain
    ):
        cuts = cut_digits(level, min(height, component.height), ink.width, score, read) or cuts
    scale = ink.scale
    return [Symbol(line, _box(c.ink > 0.25, top, left, scale), to_symbol(c.ink), c.log_prior) for c in cuts]


def _box(mask: Bool[ndarray, "h w"], top: int, left: int, scale: float) -> tuple[int, int, int, int]:
    """Return the bounding box of a mask as ``(x, y, width, height)`` in pixels of the picture."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = top + int(rows[0]), left + int(columns[0]), top + int(rows[-1]) + 1, left + int(columns[-1]) + 1
    return _in_picture(box, scale)


def _in_picture(box: tuple[int, int, int, int], scale: float) -> tuple[int, int, int, int]:
    """Return a box ``(top, left, bottom, right)`` in working pixels as ``(x, y, width, height)`` in the picture."""
    top, left, bottom, right = (side / scale for side in box)
    return round(left), round(top), round(right - left), round(bottom - top)
