"""Read a page: find its marks, classify them, judge them together, and turn a page that is not upright."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from penstroke.errors import EmptyPicture
from penstroke.inference.evidence import evidence_against_digits, reject_other_marks
from penstroke.inference.predictions import Detection, Page, Prediction, make_predictions
from penstroke.pictures.cuts import ReadFunction, ScoreFunction
from penstroke.pictures.ink import Ink, find_ink
from penstroke.pictures.segment import Symbol, segment_ink

MIN_CONFIDENCE_AMONG_DIGITS = 0.3
"""Upper bound of the rejection threshold on a page with several symbols: most symbols near digits are digits."""
OTHER_SIZE = "its size is not that of a digit: a point, a dash or a drawing"
"""Why marks are rejected that are much smaller or larger than the digits of their line."""
MIN_MARKS, MAX_MARKS = 3, 60
"""Numbers of marks of a page that is turned: fewer look like digits by chance, and more are mostly print."""
CLEAR_PAGE, CLEAR_MARK = -1.5, -0.3
"""Evidence against digits below which a turned page shows digits, and up to which, per mark, a page is not on its side.
"""
MIN_MARKS_OF_LINE = 2
"""Minimum mean number of marks of the lines of a page that is turned."""
MIN_GAIN = 2.0
"""Minimum difference of the evidence against digits between an upright page and a turned one."""

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class PageReader:
    """Reads the digits of pages.

    Args:
        score: returns log-probabilities for images of symbols.
        classes: class names.
        threshold: rejection threshold of the model.
        knows_outliers: whether the model was trained on outliers, so that low probabilities are evidence of them.
        read_strip: reads touching digits as a whole; None if that is not available for the classes.
    """

    score: ScoreFunction
    classes: Sequence[str]
    threshold: float
    knows_outliers: bool
    read_strip: ReadFunction | None = None

    def read(self, picture: UInt8[ndarray, "h w *c"]) -> Page:
        """Return the marks of a page in reading order.

        Args:
            picture: ``uint8``, grey ``[h, w]`` or colour ``[h, w, 3]``.
        """
        try:
            ink = find_ink(picture)
        except EmptyPicture:
            return Page(())
        marks = self._marks(ink)
        if not self.knows_outliers:
            return Page(marks)
        turns, marks = self._turned(ink, marks)
        marks = reject_other_marks(marks)
        height, width = picture.shape[:2]
        placed = (replace(mark, box=box_before_turns(mark.box, turns, (height, width))) for mark in marks)
        return Page(tuple(placed), rotation=90 * turns)

    def _turned(self, ink: Ink, upright: tuple[Detection, ...]) -> tuple[int, tuple[Detection, ...]]:
        """Return by how many quarters a page is turned to show digits, and its marks then.

        Digits that lie on their side are mostly doubtful. Upside down, many look like other digits.
        """
        least, count = evidence_against_digits(upright), _count(upright)
        if not MIN_MARKS <= count <= MAX_MARKS:
            return 0, upright
        is_clear = least <= CLEAR_MARK * count
        turns, marks = 0, upright
        for quarters in (2,) if is_clear else (1, 2, 3):
            found = self._marks(ink.turned(quarters))
            evidence = evidence_against_digits(found)
            # On its side, one line of digits is as many lines of one mark.
            in_lines = _count(found) >= MIN_MARKS_OF_LINE * len({mark.line for mark in found})
            if in_lines and _count(found) >= MIN_MARKS and evidence < min(CLEAR_PAGE, least - MIN_GAIN):
                turns, marks, least = quarters, found, evidence
        return turns, marks

    def _marks(self, ink: Ink) -> tuple[Detection, ...]:
        """Return the marks of the lines of a page with their predictions."""
        try:
            symbols = segment_ink(ink, self.score, self.read_strip, knows_outliers=self.knows_outliers)
        except EmptyPicture:
            return ()
        digits = [symbol for symbol in symbols if symbol.image is not None]
        if not digits:
            return ()
        threshold = min(self.threshold, MIN_CONFIDENCE_AMONG_DIGITS) if len(digits) > 1 else self.threshold
        predictions = iter(make_predictions(self._log_probs(digits), self.classes, threshold))
        other = Prediction((), tuple(self.classes), OTHER_SIZE)
        return tuple(
            Detection(s.line, s.box, other if s.image is None else next(predictions), s.image) for s in symbols
        )

    def _log_probs(self, digits: list[Symbol]) -> Float[ndarray, "n classes"]:
        """Return the log-probabilities of digits, from their images and from reading touching digits as a whole."""
        log_probs = self.score(np.stack([digit.image for digit in digits if digit.image is not None])).copy()
        for row, digit in zip(log_probs, digits, strict=True):
            if digit.log_prior is not None:  # a mean, so that a digit is clear only if both agree
                row[:] = np.logaddexp(row, digit.log_prior) - np.log(2)
        return log_probs


def _count(marks: Sequence[Detection]) -> int:
    """Return the number of marks that were classified."""
    return sum(bool(mark.prediction.probabilities) for mark in marks)


def box_before_turns(box: Box, turns: int, shape: tuple[int, int]) -> Box:
    """Return where a box of a turned picture is in the picture itself.

    Args:
        box: ``(x, y, width, height)`` in pixels of the turned picture.
        turns: by how many quarters it was turned counterclockwise.
        shape: height and width of the picture before it was turned.
    """
    x, y, width, height = box
    for turn in reversed(range(turns)):
        columns = shape[1] if turn % 2 == 0 else shape[0]
        x, y, width, height = columns - y - height, x, height, width
    return x, y, width, height
