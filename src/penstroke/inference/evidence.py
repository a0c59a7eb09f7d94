"""Decide whether the marks of a page are digits, from all of them together.

A letter, an eye or a crease may look like a digit, but among many of them several look like no digit, and their heights
differ. The digits of a line look like digits and have similar heights. Each mark adds evidence for or against digits,
as a difference of log-likelihoods.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np

from penstroke.inference.predictions import Detection

DOUBTFUL = 0.9
"""Probability below which a mark is doubtful."""
DOUBTFUL_EVIDENCE, CLEAR_EVIDENCE = 1.9, -0.3
"""Evidence against digits of a doubtful mark and of a clear one."""
HEIGHT_EVIDENCE, USUAL_SPREAD = 5.0, 0.1
"""Evidence of a mark per unit of the spread of heights above the usual; the spread is that of logarithms."""
MAX_MARKS = 12
"""Maximum number of marks for which the spread of heights counts: their heights are not independent."""
MAX_EVIDENCE = 2.0
"""Evidence from which on marks are not digits."""
MAX_OTHERS = 4.0
"""Maximum and minus minimum evidence from the other lines of the page: a line of clear digits under words is kept."""
REASON = "the marks of its line and page do not look like digits: many are doubtful, or their heights differ"


def reject_other_marks(detections: Sequence[Detection]) -> tuple[Detection, ...]:
    """Return the marks of a page, with a reason to abstain for those of lines that are not lines of digits.

    A page with one mark is returned unchanged; so is one with two marks of which one is clear.
    """
    classified = [mark for mark in detections if mark.prediction.probabilities]
    if len(classified) < 2 or (len(classified) == 2 and any(not _is_doubtful(mark) for mark in classified)):
        return tuple(detections)
    whole = evidence_against_digits(detections)
    checked: list[Detection] = []
    for _, group in groupby(detections, key=lambda mark: mark.line):
        line = list(group)
        own = evidence_against_digits(line)
        others = min(max(whole - own, -MAX_OTHERS), MAX_OTHERS)
        checked += line if own + others < MAX_EVIDENCE else map(_rejected, line)
    return tuple(checked)


def evidence_against_digits(marks: Sequence[Detection]) -> float:
    """Return the evidence that marks are not digits: a log-likelihood ratio, positive if they are other marks.

    Marks that were not classified, such as points, are no evidence.
    """
    marks = [mark for mark in marks if mark.prediction.probabilities]
    doubtful = sum(map(_is_doubtful, marks))
    evidence = DOUBTFUL_EVIDENCE * doubtful + CLEAR_EVIDENCE * (len(marks) - doubtful)
    if len(marks) > 2:
        evidence += HEIGHT_EVIDENCE * (_height_spread(marks) - USUAL_SPREAD) * min(len(marks), MAX_MARKS)
    return evidence


def _is_doubtful(mark: Detection) -> bool:
    return (mark.prediction.probability or 0) < DOUBTFUL


def _height_spread(marks: Sequence[Detection]) -> float:
    """Return the mean deviation of the logarithm of the heights from the median of their line; 0 for lone marks."""
    deviations: list[float] = []
    for _, group in groupby(marks, key=lambda mark: mark.line):
        heights = np.log([max(mark.box[3], 1) for mark in group])
        if len(heights) > 1:
            deviations += np.abs(heights - np.median(heights)).tolist()
    return float(np.mean(deviations)) if deviations else 0.0


def _rejected(mark: Detection) -> Detection:
    return replace(mark, prediction=replace(mark.prediction, reason=mark.prediction.reason or REASON))
