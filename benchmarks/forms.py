"""Generated forms and tables with known digits: printed boxes and combs, sums, and columns of numbers.

Ink and paper are simulated as by ``trial_pictures``. Equal seeds give equal pictures.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from jaxtyping import Int, UInt8
from numpy import ndarray
from numpy.random import Generator
from scipy import ndimage

from benchmarks.trial_paper import Grey, photograph
from benchmarks.trial_pictures import draw_digit

HEIGHT = 90
"""Height of the digits in pixels, before the page is scaled."""
MARGIN = 120
"""Empty pixels around what is written."""

Source = tuple[UInt8[ndarray, "n 28 28"], Int[ndarray, " n"]]
Page = tuple[Grey, list[str]]


def _place(page: Grey, part: Grey, centre: tuple[float, float]) -> None:
    """Draw a part of the page at a centre given as row and column."""
    top, left = (round(at - side / 2) for at, side in zip(centre, part.shape, strict=True))
    rows, columns = slice(max(top, 0), top + part.shape[0]), slice(max(left, 0), left + part.shape[1])
    target = page[rows, columns]
    np.maximum(
        target, part[rows.start - top :, columns.start - left :][: target.shape[0], : target.shape[1]], out=target
    )


def _digits(rng: Generator, source: Source, count: int, pen: float) -> tuple[list[Grey], str]:
    """Return the ink of digits, and their text."""
    images, labels = source
    chosen = rng.integers(0, len(images), count)
    drawn = [draw_digit(images[i], round(HEIGHT * rng.uniform(0.85, 1.1)), pen) for i in chosen]
    return drawn, "".join(str(labels[i]) for i in chosen)


def _frame(rng: Generator, page: Grey, lines: list[tuple[float, float, float, float]]) -> None:
    """Draw printed lines, given as top, left, bottom and right, at the same strength and thickness."""
    thickness, strength = max(1, round(HEIGHT * rng.uniform(0.015, 0.05))), rng.uniform(0.35, 1.0)
    for top, left, bottom, right in lines:
        rows = slice(round(top), round(bottom) + thickness)
        columns = slice(round(left), round(right) + thickness)
        np.maximum(page[rows, columns], strength, out=page[rows, columns])


def _row_of_cells(rng: Generator, source: Source, pen: float) -> tuple[Grey, str, list[float], float, float]:
    """Return a page with digits at a constant distance, their text, and the edges of their cells."""
    count, cell = int(rng.integers(4, 9)), HEIGHT * rng.uniform(1.15, 1.5)
    tall = HEIGHT * rng.uniform(1.3, 1.7)
    page = np.zeros((round(2 * MARGIN + tall), round(2 * MARGIN + count * cell)), np.float32)
    drawn, text = _digits(rng, source, count, pen)
    for index, digit in enumerate(drawn):
        shift = rng.uniform(-0.08, 0.08, 2) * HEIGHT
        _place(page, digit, (MARGIN + tall / 2 + shift[0], MARGIN + (index + 0.5) * cell + shift[1]))
    return page, text, [MARGIN + index * cell for index in range(count + 1)], MARGIN, MARGIN + tall


def boxes(rng: Generator, source: Source, pen: float) -> Page:
    """Return a row of adjacent boxes with a digit in each."""
    page, text, edges, top, bottom = _row_of_cells(rng, source, pen)
    _frame(
        rng, page,
        [(side, edges[0], side, edges[-1]) for side in (top, bottom)] + [(top, edge, bottom, edge) for edge in edges],
    )  # fmt: skip
    return page, [text]


def separate_boxes(rng: Generator, source: Source, pen: float) -> Page:
    """Return a row of boxes with a gap between them and a digit in each."""
    page, text, edges, top, bottom = _row_of_cells(rng, source, pen)
    gap = HEIGHT * rng.uniform(0.05, 0.12)
    lines = []
    for edge, next_edge in pairwise(edges):
        left, right = edge + gap / 2, next_edge - gap / 2
        lines += [(side, left, side, right) for side in (top, bottom)]
        lines += [(top, side, bottom, side) for side in (left, right)]
    _frame(rng, page, lines)
    return page, [text]


def comb(rng: Generator, source: Source, pen: float) -> Page:
    """Return digits on a line with short upright lines between them."""
    page, text, edges, _, bottom = _row_of_cells(rng, source, pen)
    tooth = HEIGHT * rng.uniform(0.2, 0.6)
    _frame(
        rng, page, [(bottom, edges[0], bottom, edges[-1]), *((bottom - tooth, edge, bottom, edge) for edge in edges)]
    )  # fmt: skip
    return page, [text]


def _number(rng: Generator, source: Source, pen: float, count: int) -> tuple[Grey, str]:
    """Return the ink of a number whose digits do not touch, and its text."""
    drawn, text = _digits(rng, source, count, pen)
    gaps = HEIGHT * rng.uniform(0.1, 0.3, count)
    height = max(digit.shape[0] for digit in drawn)
    ink = np.zeros((height, round(sum(digit.shape[1] for digit in drawn) + gaps.sum())), np.float32)
    left = 0.0
    for digit, gap in zip(drawn, gaps, strict=True):
        _place(ink, digit, (height / 2, left + digit.shape[1] / 2))
        left += digit.shape[1] + gap
    return ink[:, : round(left - gaps[-1])], text


def _stacked(
    rng: Generator, source: Source, pen: float, counts: Int[ndarray, " n"], step: float
) -> tuple[Grey, list[str]]:
    """Return numbers one below the other, aligned on the right, and their texts."""
    numbers = [_number(rng, source, pen, int(count)) for count in counts]
    width = max(ink.shape[1] for ink, _ in numbers)
    ink = np.zeros((round(step * len(numbers)), width), np.float32)
    for row, (number, _) in enumerate(numbers):
        _place(ink, number, ((row + 0.5) * step, width - number.shape[1] / 2))
    return ink, [text for _, text in numbers]


def sums(rng: Generator, source: Source, pen: float) -> Page:
    """Return numbers one below the other, with a line above the last one."""
    step = HEIGHT * rng.uniform(1.4, 1.8)
    ink, texts = _stacked(rng, source, pen, rng.integers(2, 5, rng.integers(3, 6)), step)
    page = np.pad(ink, MARGIN)
    above = MARGIN + step * (len(texts) - 1)
    thickness = max(2, round(HEIGHT * rng.uniform(0.04, 0.1)))
    left = MARGIN - HEIGHT * rng.uniform(0, 0.5)
    page[round(above) : round(above) + thickness, round(left) : page.shape[1] - MARGIN + round(HEIGHT * 0.2)] = 1
    return page, texts


def columns(rng: Generator, source: Source, pen: float) -> Page:
    """Return two columns of numbers; the lines of the left one come first."""
    step = HEIGHT * rng.uniform(1.4, 1.8)
    rows = int(rng.integers(2, 6))
    parts = [_stacked(rng, source, pen, rng.integers(2, 5, rows), step) for _ in range(2)]
    gap = np.zeros((parts[0][0].shape[0], round(HEIGHT * rng.uniform(2, 4))), np.float32)
    ink = np.concatenate([parts[0][0], gap, parts[1][0]], 1)
    return np.pad(ink, MARGIN), parts[0][1] + parts[1][1]


KINDS: dict[str, Callable[[Generator, Source, float], Page]] = {
    "boxes": boxes, "separate boxes": separate_boxes, "comb": comb, "sums": sums, "columns": columns,
}  # fmt: skip


def form(seed: int, kind: str, source: Source) -> tuple[UInt8[ndarray, "h w 3"], list[str]]:
    """Return a picture of a form and the text of each of its lines.

    Args:
        seed: seed of the random generator, combined with the kind.
        kind: one of ``KINDS``.
        source: images ``uint8`` ``[n, 28, 28]`` and labels of the digits.
    """
    rng = np.random.default_rng([seed, *kind.encode()])
    pen = float(rng.uniform(0.05, 0.13)) if rng.random() < 0.5 else 0.0
    ink, texts = KINDS[kind](rng, source, pen)
    ink = np.clip(ndimage.rotate(ink, rng.uniform(-5, 5), order=1), 0, 1)
    side = round(max(ink.shape) * np.exp(rng.uniform(np.log(0.5), np.log(2.5))))
    # Forms are printed on paper without ruled lines.
    paper = "mixed" if kind in ("sums", "columns") else "plain"
    return photograph(rng, paper, ink, HEIGHT, side), texts
