"""From a picture of many digits to each of them, in lines and in reading order.

Pieces of ink are sorted into lines, which may be turned by up to 12 degrees; pieces of one digit are joined, digits
that touch are cut. What has not the size of a digit is left out: dashes, dots, frames, underlines. A scoring function
helps where only the reading can tell; this file knows no model.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray
from scipy import ndimage

from penstroke.pictures.basics import Mask, resize
from penstroke.pictures.cuts import Score, log_scores, split
from penstroke.pictures.ink import Ink, find_ink
from penstroke.pictures.prepare import isolate
from penstroke.pictures.shape import to_symbol

SLOPES = np.linspace(-0.21, 0.21, 29)
FAINT = 0.6
"""The share of the strongest piece's level below which a piece is not the pen's."""
THIN = 0.4
"""The share of the pen's width below which a piece is not the pen's, either."""
NARROW = 0.45
"""Width of a piece, as a share of the line's height, up to which it is one digit."""
SURE = -0.2
"""The log-probability from which a reading is not doubted."""


@dataclass(frozen=True)
class Symbol:
    """One digit found in a picture.

    Args:
        line: the index of its line, from the top.
        box: ``(x, y, width, height)`` in the picture's pixels.
        image: uint8 ``[28, 28]``, as ``prepare`` would make it.
    """

    line: int
    box: tuple[int, int, int, int]
    image: UInt8[ndarray, "28 28"]


@dataclass(frozen=True)
class Piece:
    """Connected ink, or several that belong together: its mask's labels and box (top, left, bottom, right)."""

    labels: tuple[int, ...]
    box: tuple[int, int, int, int]
    energy: float

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return self.box[2] - self.box[0]

    @property
    def width(self) -> int:
        """Pixels from left to right."""
        return self.box[3] - self.box[1]

    def with_(self, other: "Piece") -> "Piece":
        """Return both as one."""
        low = np.minimum(self.box[:2], other.box[:2]).tolist()
        high = np.maximum(self.box[2:], other.box[2:]).tolist()
        return Piece(self.labels + other.labels, (*low, *high), self.energy + other.energy)


@dataclass(frozen=True)
class Sheet:
    """A picture's ink with its connected pieces labelled."""

    ink: Ink
    labels: ndarray

    def level(self, piece: Piece) -> Float[ndarray, "h w"]:
        """Return the piece's ink and nothing else, cut out with a little room."""
        room = max(2, round(0.5 * self.ink.width)) + 1
        top, left = max(0, piece.box[0] - room), max(0, piece.box[1] - room)
        part = np.s_[top : piece.box[2] + room, left : piece.box[3] + room]
        cut = replace(self.ink, level=self.ink.level[part], mask=self.ink.mask[part])
        return isolate(cut, np.isin(self.labels[part], piece.labels))


def segment(picture: UInt8[ndarray, "h w *c"], score: Score) -> list[Symbol]:
    """Return the digits in a picture, by line from the top, and from left to right.

    Args:
        picture: uint8, grey ``[h, w]`` or colour ``[h, w, 3]``.
        score: from uint8 ``[n, 28, 28]`` to probabilities or log-probabilities ``[n, classes]``.

    Raises:
        EmptyPicture: nothing in it is ink.
    """
    ink = find_ink(picture)
    labels, _count = ndimage.label(ink.mask, np.ones((3, 3)))
    sheet = Sheet(ink, labels)
    pieces = find_pieces(ink, labels)
    if not pieces:
        return []
    height = usual_height(pieces)
    lines = find_lines(pieces, height, find_slope(np.isin(labels, [label for p in pieces for label in p.labels])))
    symbols = []
    count = 0
    for line in lines:
        digits = [piece for piece in join(sheet, line, height, score) if _is_digit_sized(piece, height)]
        found = [symbol for piece in digits for symbol in _symbols(sheet, piece, height, count, score)]
        symbols += found
        count += bool(found)
    return symbols


def find_pieces(ink: Ink, labels: ndarray) -> list[Piece]:
    """Return the connected pieces of ink that are neither specks nor the picture's frame."""
    slices = ndimage.find_objects(labels)
    energy = np.bincount(labels.ravel(), ink.level.ravel(), minlength=len(slices) + 1)[1:]
    rows, columns = ink.mask.shape
    pieces: list[Piece] = []
    at_rim: list[Piece] = []
    for i, (y, x) in enumerate(slices):
        box = (y.start, x.start, y.stop, x.stop)
        tall, wide = (y.stop - y.start) / rows, (x.stop - x.start) / columns
        rim = min(box[0], box[1]) <= 0 or box[2] >= rows or box[3] >= columns
        frame = rim and (tall > 0.9 or wide > 0.8)
        line = wide > 0.5 and y.stop - y.start < 4 * ink.width
        if energy[i] >= 0.6 * ink.width**2 and not frame and not line:
            (at_rim if rim else pieces).append(Piece((i + 1,), box, float(energy[i])))
    # The edge of a page on a table is thin and faint beside the pen.
    area = {p: int((labels[_part(p)] == p.labels[0]).sum()) for p in pieces + at_rim}
    usual = max(pieces + at_rim, key=lambda p: p.energy, default=None)
    pieces = [
        p
        for p in pieces
        if usual is None
        or (
            p.energy / area[p] >= FAINT * usual.energy / area[usual]
            and area[p] >= THIN * ink.width * max(p.height, p.width)
        )
    ]
    # What touches the rim is the table or a neighbour's writing, unless most of the writing does.
    total, rest = sum(p.energy for p in pieces), sum(p.energy for p in at_rim)
    return pieces if total >= rest else pieces + at_rim


def _part(piece: Piece) -> tuple[slice, slice]:
    top, left, bottom, right = piece.box
    return slice(top, bottom), slice(left, right)


def usual_height(pieces: list[Piece]) -> float:
    """Return the height of most of the ink: the median over pieces, each weighing as much as its ink."""
    order = sorted(pieces, key=lambda p: p.height)
    weight = np.cumsum([p.energy for p in order])
    return float(order[int(np.searchsorted(weight, weight[-1] / 2))].height)


def find_slope(mask: Mask) -> float:
    """Return the slope of the lines: along it, rows hold either much ink or none."""
    small = resize(mask.astype(np.float32), min(1.0, 200 / max(mask.shape)))
    y, x = np.nonzero(small > 0.2)

    def gathered(slope: float) -> float:
        rows = np.round(y - slope * x).astype(int)
        return float(np.square(np.bincount(rows - rows.min()).astype(float)).sum()) * (1 - 0.3 * abs(slope))

    return float(max(SLOPES, key=gathered))


def find_lines(pieces: list[Piece], height: float, slope: float) -> list[list[Piece]]:
    """Return the pieces by line from the top, each from left to right."""

    def at(piece: Piece) -> float:
        return (piece.box[0] + piece.box[2]) / 2 - slope * (piece.box[1] + piece.box[3]) / 2

    lines: list[list[Piece]] = []
    # Tall pieces found the lines; hats, dots and dashes join the nearest.
    for piece in sorted(pieces, key=lambda p: p.height < 0.5 * height):
        away = [abs(at(piece) - float(np.mean([at(p) for p in line if p.height >= 0.4 * height]))) for line in lines]
        reach = 0.55 * height if piece.height >= 0.5 * height else 0.9 * height
        if away and min(away) <= reach:
            lines[int(np.argmin(away))].append(piece)
        elif piece.height >= 0.4 * height:
            lines.append([piece])
    lines.sort(key=lambda line: float(np.mean([at(p) for p in line])))
    return [sorted(line, key=lambda p: p.box[1] + p.box[3]) for line in lines]


def join(sheet: Sheet, line: list[Piece], height: float, score: Score) -> list[Piece]:
    """Return a line's pieces, those of one digit joined."""
    pieces = list(line)
    while pair := next((pair for pair in _near_pairs(pieces, height) if _belongs(sheet, *pair, height, score)), None):
        pieces = [p for p in pieces if p not in pair] + [pair[0].with_(pair[1])]
    return sorted(pieces, key=lambda p: p.box[1] + p.box[3])


def _near_pairs(pieces: list[Piece], height: float) -> list[tuple[Piece, Piece]]:
    """Return pairs that might be one digit, the nearest first."""
    pairs = []
    for i, a in enumerate(pieces):
        for b in pieces[i + 1 :]:
            gap, across = _gap(a, b, 1), _gap(a, b, 0)
            small = min(a.height, b.height) < 0.5 * height
            both = a.with_(b)
            fits = both.height < 1.5 * height and both.width < 1.3 * height
            if fits and gap <= (0.2 if small else 0.02) * height and across <= 0.4 * height:
                pairs.append((np.hypot(max(gap, 0), max(across, 0)) + 0.01 * gap, a, b))
    return [(a, b) for _, a, b in sorted(pairs, key=lambda pair: pair[0])]


def _gap(a: Piece, b: Piece, axis: int) -> int:
    """Return the pixels between two pieces along an axis; below 0 they overlap by as many."""
    return max(a.box[axis], b.box[axis]) - min(a.box[axis + 2], b.box[axis + 2])


def _belongs(sheet: Sheet, a: Piece, b: Piece, height: float, score: Score) -> bool:
    """Return whether two pieces near each other are one digit."""
    overlap = -_gap(a, b, 1) / min(a.width, b.width)
    stacked = -_gap(a, b, 0) < 0.3 * min(a.height, b.height)
    if stacked and overlap >= 0.5:
        return True
    small = min(a.height, b.height) < 0.5 * height
    one, *two = log_scores(score, [to_symbol(sheet.level(p)) for p in (a.with_(b), a, b)]).max(1)
    larger = two[0] if a.energy > b.energy else two[1]
    # A small piece is no digit by itself, so that only the whole has to be one.
    return (
        bool(one > -0.7 or one > larger - 0.2) if small else bool(one > -0.3 and one > min(two) + 0.1 and overlap > 0.3)
    )


def _is_digit_sized(piece: Piece, height: float) -> bool:
    """Return whether a piece can be a digit, or several: not a dash, a dot, a bracket or a drawing."""
    return 0.45 * height <= piece.height <= 2.2 * height and piece.width <= 12 * height


def _symbols(sheet: Sheet, piece: Piece, height: float, line: int, score: Score) -> list[Symbol]:
    """Return the digits in a piece of ink: mostly one."""
    level = sheet.level(piece)
    room = max(2, round(0.5 * sheet.ink.width)) + 1
    top, left = max(0, piece.box[0] - room), max(0, piece.box[1] - room)
    parts = [level]
    # Narrow ones are single; wide ones are, if they read well as one.
    tall = max(0.9 * height, min(piece.height, 1.3 * height))
    wide = piece.width > 0.75 * tall
    if wide or (piece.width > NARROW * tall and log_scores(score, [to_symbol(level)])[0].max() <= SURE):
        parts = split(level, min(height, piece.height), sheet.ink.width, score) or [level]
    return [Symbol(line, _box(part > 0.25, top, left, sheet.ink.scale), to_symbol(part)) for part in parts]


def _box(mask: Bool[ndarray, "h w"], top: int, left: int, scale: float) -> tuple[int, int, int, int]:
    """Return the box of a mask, in pixels of the picture."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    x0, y0 = (left + columns[0]) / scale, (top + rows[0]) / scale
    x1, y1 = (left + columns[-1] + 1) / scale, (top + rows[-1] + 1) / scale
    return round(x0), round(y0), round(x1 - x0), round(y1 - y0)
