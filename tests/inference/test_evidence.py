"""Tests of what `read` makes of all marks of a page together: words and drawings are not lines of digits."""

import numpy as np
import pytest

from benchmarks.pages_without_digits import page_without_digits
from penstroke import Classifier
from penstroke.inference.evidence import REASON, evidence_against_digits, reject_other_marks
from penstroke.inference.predictions import Detection, Prediction


def marks(probabilities: list[float], heights: list[int] | None = None, line: int = 0) -> list[Detection]:
    """Return a line of marks with these probabilities and heights."""
    heights = heights or [50] * len(probabilities)
    return [
        Detection(line, (60 * i, 0, 40, height), Prediction((1 - p, p), ("0", "1")))
        for i, (p, height) in enumerate(zip(probabilities, heights, strict=True))
    ]


def kept(detections: list[Detection]) -> list[int]:
    """Return the lines of the marks that are not rejected."""
    return [mark.line for mark in reject_other_marks(detections) if not mark.prediction.abstained]


def test_a_line_of_doubtful_marks_is_rejected_and_says_why() -> None:
    found = reject_other_marks(marks([0.99, 0.6, 0.7, 0.99, 0.6]))
    assert {mark.prediction.reason for mark in found} == {REASON}


@pytest.mark.parametrize("probabilities", [[0.6], [0.99, 0.5], [0.99, 0.99, 0.6], [0.99] * 9 + [0.4]])
def test_a_doubtful_digit_among_clear_ones_is_kept(probabilities: list[float]) -> None:
    assert len(kept(marks(probabilities))) == len(probabilities)


def test_marks_of_many_heights_are_rejected() -> None:
    heights = [50, 90, 30, 60, 110, 25]
    assert kept(marks([0.99] * 6, heights)) == []
    assert len(kept(marks([0.99] * 6, [50, 54, 47, 50, 56, 45]))) == 6


def test_a_line_of_clear_digits_under_words_is_kept() -> None:
    words, digits = marks([0.5, 0.99, 0.6, 0.5, 0.7], [50, 80, 30, 90, 60]), marks([0.99] * 9, line=1)
    assert kept(words + digits) == [1] * 9


def test_evidence_grows_with_doubt() -> None:
    evidence = [evidence_against_digits(marks([0.5] * n + [0.99] * (6 - n))) for n in range(7)]
    assert np.all(np.diff(evidence) > 0)


@pytest.mark.parametrize("kind", ["words", "faces"])
def test_few_pages_without_digits_have_some(kind: str) -> None:
    classifier = Classifier.load("ready")
    found = [classifier.read(page_without_digits(seed, kind, "development")).digits for seed in range(100, 103)]
    assert sum(map(bool, found)) <= 1
