"""The figures of an evaluation, as data: printing, plots and pages are views of it.

This module knows no network: it is handed answers, or a function that gives them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from torch.nn import functional as F

from penstroke.data import Split

Answer = Callable[[UInt8[Tensor, "n c h w"]], Float[Tensor, "n classes"]]


@dataclass(frozen=True)
class Score:
    """Loss and accuracy over a set."""

    loss: float
    """Summed negative log-likelihood divided by the size of the set."""
    correct: int
    total: int

    @property
    def accuracy(self) -> float:
        """Share of right answers, 0..1."""
        return self.correct / self.total

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"loss": self.loss, "correct": self.correct, "total": self.total, "accuracy": self.accuracy}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Score":
        """Return the score that ``to_json`` wrote.

        Raises:
            KeyError, TypeError, ValueError: it is not one.
        """
        return cls(loss=float(values["loss"]), correct=int(values["correct"]), total=int(values["total"]))


def score(answers: Float[Tensor, "n classes"], labels: Int64[Tensor, "n"]) -> Score:
    """Return loss and accuracy of log-probabilities against labels."""
    # Summed in float64: 10,000 float32 terms lose the last digits that the textbook prints.
    loss = F.nll_loss(answers.double(), labels, reduction="sum") / len(labels)
    return Score(loss=float(loss), correct=int((answers.argmax(1) == labels).sum()), total=len(labels))


@dataclass(frozen=True)
class ClassRow:
    """What became of the images of one class."""

    label: str
    total: int
    correct: int
    predicted: int
    """How many images were called this, rightly or not."""

    @property
    def recall(self) -> float:
        """Share of this class's images that were recognised, 0..1 (0 when there are none)."""
        return self.correct / self.total if self.total else 0.0

    @property
    def precision(self) -> float:
        """Share of the answers with this label that were right, 0..1 (0 when there are none)."""
        return self.correct / self.predicted if self.predicted else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        counts = {"label": self.label, "total": self.total, "correct": self.correct, "predicted": self.predicted}
        return counts | {"recall": self.recall, "precision": self.precision}


@dataclass(frozen=True)
class Report:
    """What an evaluation found."""

    answers: Float[Tensor, "n classes"]
    """Log-probabilities, one row for each image, in the set's order."""
    labels: Int64[Tensor, "n"]
    classes: tuple[str, ...]

    @cached_property
    def score(self) -> Score:
        """Loss and accuracy over the whole set."""
        return score(self.answers, self.labels)

    @cached_property
    def confusion(self) -> Int64[Tensor, "classes classes"]:
        """Counts of images: rows are truths, columns are predictions."""
        size = len(self.classes)
        pairs = self.labels * size + self.answers.argmax(1)
        return torch.bincount(pairs, minlength=size * size).reshape(size, size)

    @property
    def accuracy_ci95(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the accuracy, for new images of the same kind."""
        from scipy.stats import binomtest  # half a second, that a training does not owe

        interval = binomtest(self.score.correct, self.score.total).proportion_ci(method="wilson")
        return float(interval.low), float(interval.high)

    @property
    def per_class(self) -> tuple[ClassRow, ...]:
        """One row for each class, in the classes' order."""
        counts = zip(self.classes, self.confusion.sum(1), self.confusion.diag(), self.confusion.sum(0), strict=True)
        return tuple(ClassRow(label, int(total), int(right), int(said)) for label, total, right, said in counts)

    @property
    def mistakes(self) -> Int64[Tensor, "wrong"]:
        """Indices of the wrongly answered images, in the set's order."""
        return (self.answers.argmax(1) != self.labels).nonzero().flatten()

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        rows = [row.to_json() for row in self.per_class]
        return self.score.to_json() | {"accuracy_ci95": list(self.accuracy_ci95), "per_class": rows}


def evaluate(answer: Answer, split: Split) -> Report:
    """Return what ``answer`` gets right and wrong on ``split``.

    Args:
        answer: gives log-probabilities for raw images, such as ``Classifier.log_probabilities``.
        split: the images and their true labels.
    """
    return Report(answers=answer(split.images), labels=split.labels, classes=split.classes)
