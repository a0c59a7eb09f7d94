"""Metrics of log-probabilities and true classes, as functions of arrays.

This module does not depend on models or datasets. A metric that is not defined, such as the ROC AUC of a class without
images, is None.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64
from numpy import ndarray

from penstroke.errors import UsageError

BINS = 15
"""Number of bins of a reliability diagram."""


def wilson_interval(correct: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return Wilson's confidence interval of a proportion (E. B. Wilson, "Probable inference", 1927).

    Args:
        correct: number of successes.
        total: number of trials. Without trials the interval is (0, 1).
        confidence: the confidence level, between 0 and 1.

    Returns:
        The lower and the upper limit, 0..1.

    Raises:
        UsageError: ``correct`` is not in 0..``total``, or ``confidence`` is not between 0 and 1.
    """
    from scipy.special import ndtri  # imported here: takes a tenth of a second, and training does not need it

    if not 0 <= correct <= total:
        raise UsageError(f"correct is {correct}; it must be from 0 to total, which is {total}.", "Check the counts.")
    if not 0 < confidence < 1:
        raise UsageError(f"confidence is {confidence}; it must be between 0 and 1.", "Use 0.95, for example.")
    if total == 0:
        return 0.0, 1.0
    z = float(ndtri(0.5 + confidence / 2))
    share, scale = correct / total, 1 + z * z / total
    centre = (share + z * z / (2 * total)) / scale
    half = z / scale * (share * (1 - share) / total + z * z / (4 * total * total)) ** 0.5
    # Exact limits at the ends, where rounding could give 1e-17 or 1 - 1e-16.
    return (0.0 if correct == 0 else centre - half), (1.0 if correct == total else centre + half)


def roc_auc(scores: Float[ndarray, " n"], positives: Bool[ndarray, " n"]) -> float | None:
    """Return the area under the ROC curve, 0..1.

    It is the probability that a positive image has a higher score than a negative one; equal scores count half.

    Args:
        scores: a score for each image, such as the log-probability of one class.
        positives: whether each image is of this class.

    Returns:
        The area, or None if there are no positive or no negative images.
    """
    count, total = int(positives.sum()), len(positives)
    if count in (0, total):
        return None
    _, places, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(sizes) - (sizes - 1) / 2)[places]  # equal scores share the mean of their ranks
    return float((ranks[positives].sum() - count * (count + 1) / 2) / (count * (total - count)))


def top_k_correct(log_probs: Float[ndarray, "n classes"], labels: Int64[ndarray, " n"], k: int = 2) -> int:
    """Return the number of images whose true class is among the ``k`` most probable ones.

    Of equally probable classes the first counts as more probable, as in ``argmax``.
    """
    true = log_probs[np.arange(len(labels)), labels][:, None]
    earlier = np.arange(log_probs.shape[1]) < labels[:, None]
    before = (log_probs > true) | ((log_probs == true) & earlier)
    return int((before.sum(1) < k).sum())


def brier_score(probabilities: Float[ndarray, "n classes"], labels: Int64[ndarray, " n"]) -> float:
    """Return the Brier score, 0..2: the squared error summed over the classes, mean over the images.

    This is the original definition for several classes (G. W. Brier, "Verification of forecasts expressed in terms of
    probability", 1950).
    """
    errors = probabilities.astype(np.float64)
    errors[np.arange(len(labels)), labels] -= 1
    return float(np.square(errors).sum(1).mean())


@dataclass(frozen=True)
class Bin:
    """One bin of a reliability diagram: the images whose highest probability is in one range.

    Args:
        low: lower limit of the range, excluded except for 0.
        high: upper limit of the range, included.
        count: number of images.
        confidence: mean of their highest probabilities, or None without images.
        accuracy: fraction of correct images, 0..1, or None without images.
    """

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return dict(vars(self))


def reliability(
    probabilities: Float[ndarray, "n classes"], labels: Int64[ndarray, " n"], bins: int = BINS
) -> tuple[Bin, ...]:
    """Return the bins of a reliability diagram, equally wide from 0 to 1.

    The bins are those of C. Guo et al., "On calibration of modern neural networks", 2017,
    https://arxiv.org/abs/1706.04599.

    Args:
        probabilities: probabilities of the classes.
        labels: true classes.
        bins: number of bins.
    """
    confidence = probabilities.astype(np.float64).max(1)
    correct = probabilities.argmax(1) == labels
    edges = np.linspace(0, 1, bins + 1)
    # Rounding can make a probability larger than 1; it belongs to the last bin.
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    counts = np.bincount(place, minlength=bins).tolist()
    sums = np.bincount(place, confidence, minlength=bins).tolist()
    hits = np.bincount(place, correct, minlength=bins).tolist()
    return tuple(
        Bin(low, high, count, *((total / count, hit / count) if count else (None, None)))
        for low, high, count, total, hit in zip(
            edges[:-1].tolist(), edges[1:].tolist(), counts, sums, hits, strict=True
        )
    )


def binned_calibration_error(bins: Sequence[Bin]) -> float:
    """Return the expected calibration error, 0..1, of the bins of a reliability diagram.

    This is the mean over all images of the difference between confidence and accuracy in their bin (M. P. Naeini et
    al., "Obtaining well calibrated probabilities using Bayesian binning", 2015).
    """
    total = sum(found.count for found in bins)
    return sum(
        found.count * abs(found.confidence - found.accuracy)
        for found in bins
        if found.confidence is not None and found.accuracy is not None
    ) / max(total, 1)


@dataclass(frozen=True, eq=False)
class Coverage:
    """Accuracy against coverage: what a model achieves if it abstains below a threshold.

    The points are in descending order of the threshold, that is ascending order of the coverage. The last one covers
    all images.

    Args:
        coverage: fraction of the images that are answered, 0..1.
        accuracy: fraction of these that are correct, 0..1.
        threshold: lowest of the highest probabilities, 0..1, that is answered.
    """

    coverage: Float64[ndarray, " m"]
    accuracy: Float64[ndarray, " m"]
    threshold: Float64[ndarray, " m"]

    def at(self, coverage: float) -> tuple[float, float, float] | None:
        """Return coverage, accuracy and threshold of the point with the largest coverage up to ``coverage``.

        None if no point has such a small coverage, because images with equal probabilities are answered together.
        """
        # The tolerance is for shares such as 0.9 that binary fractions only approximate.
        place = int(np.searchsorted(self.coverage, coverage + 1e-12, side="right")) - 1
        if place < 0:
            return None
        return float(self.coverage[place]), float(self.accuracy[place]), float(self.threshold[place])


def coverage_curve(log_probs: Float[ndarray, "n classes"], labels: Int64[ndarray, " n"]) -> Coverage:
    """Return accuracy against coverage, with one point for each different highest probability.

    The curve is that of Y. Geifman and R. El-Yaniv, "Selective classification for deep neural networks", 2017,
    https://arxiv.org/abs/1705.08500, with the accuracy instead of the risk.
    """
    confidence = log_probs.max(1).astype(np.float64)
    order = np.argsort(-confidence, kind="stable")
    answered, ranked = np.arange(1, len(labels) + 1), confidence[order]
    correct = np.cumsum((log_probs.argmax(1) == labels)[order])
    last = np.append(ranked[1:] != ranked[:-1], True)  # the last of equal probabilities
    return Coverage(
        coverage=answered[last] / len(labels),
        accuracy=correct[last] / answered[last],
        threshold=np.exp(ranked[last]),
    )
