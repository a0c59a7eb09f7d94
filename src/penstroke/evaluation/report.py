"""The results of an evaluation, as data. Tables, plots and JSON are views of it.

This module does not depend on models. It takes log-probabilities.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64
from numpy import ndarray

from penstroke.evaluation.metrics import (
    Bin,
    Coverage,
    binned_calibration_error,
    brier_score,
    coverage_curve,
    reliability,
    roc_auc,
    top_k_correct,
    wilson_interval,
)
from penstroke.inference.predictions import abstentions

COVERAGES = (1.0, 0.99, 0.98, 0.95, 0.9, 0.8)
"""Fractions of answered images, in the JSON values of a report."""


@dataclass(frozen=True)
class Score:
    """Loss and accuracy on a set of images."""

    loss: float
    """Mean negative log-likelihood."""
    correct: int
    """Number of images whose most probable class is the true one."""
    total: int
    """Number of images."""

    @property
    def accuracy(self) -> float:
        """Fraction of correct images, 0..1."""
        return self.correct / self.total

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"loss": self.loss, "correct": self.correct, "total": self.total, "accuracy": self.accuracy}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Score":
        """Return the score that ``to_json`` wrote.

        Raises:
            KeyError, TypeError, ValueError: ``values`` is not a score.
        """
        return cls(loss=float(values["loss"]), correct=int(values["correct"]), total=int(values["total"]))


def score(log_probs: Float[ndarray, "n classes"], labels: Int64[ndarray, " n"]) -> Score:
    """Return loss and accuracy of log-probabilities for true classes ``labels``."""
    # The exact sum: a float32 sum of 10,000 terms is less precise than the figures in the textbook.
    loss = -math.fsum(log_probs[np.arange(len(labels)), labels].tolist()) / len(labels)
    return Score(loss=loss, correct=int((log_probs.argmax(1) == labels).sum()), total=len(labels))


@dataclass(frozen=True)
class ClassRow:
    """Counts and metrics of one class. A metric that is not defined is None."""

    label: str
    total: int
    """Images of this class (the support)."""
    correct: int
    """Images of this class for which it is the most probable one."""
    predicted: int
    """Images, of any class, for which this class is the most probable one."""
    auc: float | None = None
    """Area under the ROC curve of this class against all others, 0..1; None if one of the two has no images."""

    @property
    def recall(self) -> float | None:
        """Fraction of this class's images that are predicted as such, 0..1; None without such images."""
        return self.correct / self.total if self.total else None

    @property
    def precision(self) -> float | None:
        """Fraction of predictions of this class that are correct, 0..1; None without such predictions."""
        return self.correct / self.predicted if self.predicted else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall, 0..1; None without images of this class, 0 if none is predicted."""
        return 2 * self.correct / (self.total + self.predicted) if self.total else None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        counts = {"label": self.label, "total": self.total, "correct": self.correct, "predicted": self.predicted}
        return counts | {"recall": self.recall, "precision": self.precision, "f1": self.f1, "auc": self.auc}


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """The result of an evaluation.

    All metrics but ``abstained`` use the most probable class of every image, including those on which the model
    abstains.

    Args:
        log_probs: log-probabilities, one row per image, in the order of the split.
        labels: true classes.
        classes: class names.
        threshold: the model abstains where the highest probability, 0..1, is below this.
        files: the file of each image, if each comes from its own file.
    """

    log_probs: Float[ndarray, "n classes"]
    labels: Int64[ndarray, " n"]
    classes: tuple[str, ...]
    threshold: float = 0.0
    files: tuple[str, ...] | None = None

    @cached_property
    def score(self) -> Score:
        """Loss and accuracy on all images."""
        return score(self.log_probs, self.labels)

    @cached_property
    def abstained(self) -> int:
        """Number of images on which the model abstains."""
        return int(abstentions(self.log_probs, self.threshold).sum())

    @property
    def wrong_answers(self) -> int:
        """Number of images on which the model does not abstain, and is wrong."""
        return int((~abstentions(self.log_probs, self.threshold) & ~self.correct).sum())

    @cached_property
    def confusion(self) -> Int64[ndarray, "classes classes"]:
        """Number of images by true class (rows) and most probable class (columns)."""
        size = len(self.classes)
        pairs = self.labels * size + self.log_probs.argmax(1)
        return np.bincount(pairs, minlength=size * size).reshape(size, size)

    @property
    def confusion_shares(self) -> Float64[ndarray, "classes classes"]:
        """``confusion`` divided by the number of images of each true class, 0..1; NaN for a class without images."""
        totals = self.confusion.sum(1, keepdims=True)
        return np.divide(self.confusion, totals, out=np.full(self.confusion.shape, np.nan), where=totals > 0)

    @property
    def accuracy_ci95(self) -> tuple[float, float]:
        """Wilson's 95 % confidence interval of the accuracy."""
        return wilson_interval(self.score.correct, self.score.total)

    @cached_property
    def per_class(self) -> tuple[ClassRow, ...]:
        """One row per class, in the order of ``classes``."""
        table = self.confusion
        areas = [roc_auc(self.log_probs[:, k], self.labels == k) for k in range(len(self.classes))]
        counts = (table.sum(1).tolist(), table.diagonal().tolist(), table.sum(0).tolist())
        return tuple(ClassRow(*row) for row in zip(self.classes, *counts, areas, strict=True))

    @cached_property
    def probabilities(self) -> Float64[ndarray, "n classes"]:
        """Probabilities, ``exp(log_probs)``, ``float64``."""
        return np.exp(self.log_probs, dtype=np.float64)

    @cached_property
    def top2(self) -> int:
        """Number of images whose true class is one of the two most probable ones."""
        return top_k_correct(self.log_probs, self.labels, 2)

    @cached_property
    def brier(self) -> float:
        """Brier score, 0..2: the squared error of the probabilities summed over the classes, mean over the images."""
        return brier_score(self.probabilities, self.labels)

    @cached_property
    def reliability(self) -> tuple[Bin, ...]:
        """The 15 bins of the reliability diagram, equally wide."""
        return reliability(self.probabilities, self.labels)

    @property
    def calibration_error(self) -> float:
        """Expected calibration error, 0..1, over the bins of ``reliability``."""
        return binned_calibration_error(self.reliability)

    @cached_property
    def coverage(self) -> Coverage:
        """Accuracy against the fraction of images that are answered."""
        return coverage_curve(self.log_probs, self.labels)

    @property
    def correct(self) -> Bool[ndarray, " n"]:
        """Whether the most probable class of each image is the true one."""
        return self.log_probs.argmax(1) == self.labels

    @property
    def mistakes(self) -> Int64[ndarray, " wrong"]:
        """Indices of the images whose most probable class is not the true one, in ascending order."""
        return np.flatnonzero(~self.correct)

    def worst(self, count: int) -> Int64[ndarray, " count"]:
        """Return the indices of at most ``count`` mistakes, the one with the highest probability first."""
        wrong = self.mistakes
        order = np.argsort(-self.log_probs[wrong].max(1), kind="stable")
        return wrong[order[:count]]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield a row per image, in the order of the split.

        The keys are ``index``, ``file`` if it is known, ``label`` (the true class), ``prediction`` (the most probable
        class), ``probability`` (its probability), ``correct``, ``abstained``, and ``p_CLASS`` for each class.
        """
        names = [f"p_{name}" for name in self.classes]
        abstained = abstentions(self.log_probs, self.threshold).tolist()
        predicted, labels = self.log_probs.argmax(1).tolist(), self.labels.tolist()
        for index, values in enumerate(self.probabilities.tolist()):
            guess, truth = predicted[index], labels[index]
            yield {
                "index": index,
                **({"file": self.files[index]} if self.files else {}),
                "label": self.classes[truth],
                "prediction": self.classes[guess],
                "probability": values[guess],
                "correct": guess == truth,
                "abstained": abstained[index],
                **dict(zip(names, values, strict=True)),
            }

    def without(self, indices: Int64[ndarray, " m"]) -> "Report":
        """Return the report on all other images. Its indices are positions among these."""
        kept = np.setdiff1d(np.arange(len(self.labels)), indices)
        files = tuple(self.files[index] for index in kept) if self.files else None
        return replace(self, log_probs=self.log_probs[kept], labels=self.labels[kept], files=files)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values. What is not defined, or infinite, is None."""
        counts = self.score.to_json() | {"abstained": self.abstained}
        counts["loss"] = self.score.loss if math.isfinite(self.score.loss) else None
        return counts | {
            "accuracy_ci95": list(self.accuracy_ci95),
            "per_class": [row.to_json() for row in self.per_class],
            "wrong_answers": self.wrong_answers,
            "top2": self.top2,
            "brier": self.brier,
            "calibration_error": self.calibration_error,
            "reliability": [found.to_json() for found in self.reliability],
            "coverage": [self._coverage_row(share) for share in COVERAGES],
            "confusion": self.confusion.tolist(),
            "confusion_shares": [
                [None] * len(row) if math.isnan(row[0]) else row for row in self.confusion_shares.tolist()
            ],
        }

    def _coverage_row(self, up_to: float) -> dict[str, float | None]:
        coverage, accuracy, threshold = self.coverage.at(up_to) or (None, None, None)
        return {"up_to": up_to, "coverage": coverage, "accuracy": accuracy, "threshold": threshold}

    def __repr__(self) -> str:
        score = self.score
        return (
            f"Report({score.correct}/{score.total} correct, accuracy={score.accuracy:.4f}, loss={score.loss:.4f}, "
            f"abstained={self.abstained})"
        )
