"""The results of an evaluation, as data. Tables, plots and JSON are views of it.

This module does not depend on networks. It takes log-probabilities, or a function that returns them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float, Int64, UInt8
from numpy import ndarray

from penstroke.data import Dataset, Split
from penstroke.errors import UsageError
from penstroke.inference.predictions import abstentions
from penstroke.schema import shown

LogProbs = Callable[[UInt8[ndarray, "n c h w"]], Float[ndarray, "n classes"]]


class Model(Protocol):
    """A model that returns log-probabilities for raw images, such as ``Classifier``."""

    def log_probs(self, images: UInt8[ndarray, "n c h w"], /) -> Float[ndarray, "n classes"]:
        """Return log-probabilities for raw images."""


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
    """Counts for one class."""

    label: str
    total: int
    """Images of this class."""
    correct: int
    """Images of this class for which it is the most probable one."""
    predicted: int
    """Images, of any class, for which this class is the most probable one."""

    @property
    def recall(self) -> float:
        """Fraction of this class's images that are predicted as such, 0..1 (0 without any)."""
        return self.correct / self.total if self.total else 0.0

    @property
    def precision(self) -> float:
        """Fraction of predictions of this class that are correct, 0..1 (0 without any)."""
        return self.correct / self.predicted if self.predicted else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        counts = {"label": self.label, "total": self.total, "correct": self.correct, "predicted": self.predicted}
        return counts | {"recall": self.recall, "precision": self.precision}


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
    """

    log_probs: Float[ndarray, "n classes"]
    labels: Int64[ndarray, " n"]
    classes: tuple[str, ...]
    threshold: float = 0.0

    @cached_property
    def score(self) -> Score:
        """Loss and accuracy on all images."""
        return score(self.log_probs, self.labels)

    @cached_property
    def abstained(self) -> int:
        """Number of images on which the model abstains."""
        return int(abstentions(self.log_probs, self.threshold).sum())

    @cached_property
    def confusion(self) -> Int64[ndarray, "classes classes"]:
        """Number of images by true class (rows) and most probable class (columns)."""
        size = len(self.classes)
        pairs = self.labels * size + self.log_probs.argmax(1)
        return np.bincount(pairs, minlength=size * size).reshape(size, size)

    @property
    def accuracy_ci95(self) -> tuple[float, float]:
        """Wilson's 95 % confidence interval of the accuracy."""
        from scipy.stats import binomtest  # imported here: takes half a second, and training does not need it

        interval = binomtest(self.score.correct, self.score.total).proportion_ci(method="wilson")
        return float(interval.low), float(interval.high)

    @property
    def per_class(self) -> tuple[ClassRow, ...]:
        """One row per class, in the order of ``classes``."""
        table = self.confusion
        counts = zip(self.classes, table.sum(1).tolist(), table.diagonal().tolist(), table.sum(0).tolist(), strict=True)
        return tuple(ClassRow(*row) for row in counts)

    @property
    def mistakes(self) -> Int64[ndarray, " wrong"]:
        """Indices of the images whose most probable class is not the true one, in ascending order."""
        return np.flatnonzero(self.log_probs.argmax(1) != self.labels)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        counts = self.score.to_json() | {"abstained": self.abstained}
        rows = [row.to_json() for row in self.per_class]
        return counts | {"accuracy_ci95": list(self.accuracy_ci95), "per_class": rows}

    def __repr__(self) -> str:
        score = self.score
        return (
            f"Report({score.correct}/{score.total} correct, accuracy={score.accuracy:.4f}, loss={score.loss:.4f}, "
            f"abstained={self.abstained})"
        )


def evaluate(model: LogProbs | Model, split: Split, threshold: float | None = None) -> Report:
    """Evaluate a model on a split.

    Args:
        model: a ``Classifier`` or another object with a method ``log_probs``; or a function that returns
            log-probabilities for raw images.
        split: images and their true classes.
        threshold: the model abstains where the highest probability, 0..1, is below this; by default the
            ``threshold`` of the model if it has one, otherwise 0.

    Raises:
        UsageError: ``model`` or ``split`` has the wrong type.
    """
    log_probs_of = getattr(model, "log_probs", model)
    if not callable(log_probs_of):
        raise UsageError(
            f"model is {shown(model)} ({type(model).__name__}); it must be a Classifier, or a function that returns "
            "log-probabilities.",
            "Pass a Classifier, for example fitted.classifier() or Classifier.load(path).",
        )
    _check_split(split)
    if threshold is None:
        threshold = getattr(model, "threshold", 0.0)
    return Report(log_probs=log_probs_of(split.images), labels=split.labels, classes=split.classes, threshold=threshold)


def _check_split(split: object) -> None:
    if not isinstance(split, Split):
        raise UsageError(
            f"split is {shown(split)} ({type(split).__name__}); it must be a Split.",
            "Pass data.test." if isinstance(split, Dataset) else "Pass a split of a Dataset, for example data.test.",
        )
