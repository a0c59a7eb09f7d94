"""The results of inference: the prediction for one picture, and the digits on a page."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8
from numpy import ndarray

from penstroke.errors import DataError


@dataclass(frozen=True, repr=False)
class Prediction:
    """The prediction for one picture.

    Args:
        probabilities: probability of each class, in the order of ``classes``; empty when the model was not applied.
        classes: class names.
        reason: why the model abstains; empty when it does not.
        error: why the picture could not be used; None when it could.
    """

    probabilities: tuple[float, ...]
    classes: tuple[str, ...]
    reason: str = ""
    error: DataError | None = None

    @property
    def abstained(self) -> bool:
        """Whether there is no label."""
        return bool(self.reason) or self.error is not None

    @property
    def label(self) -> str | None:
        """The most probable class, or None when the model abstains."""
        return None if self.abstained else self.most_probable

    @property
    def most_probable(self) -> str | None:
        """The most probable class, also when the model abstains; None when it was not applied."""
        return self.ranking[0][0] if self.probabilities else None

    @property
    def probability(self) -> float | None:
        """Probability of the most probable class, 0..1, or None when the model was not applied."""
        return max(self.probabilities, default=None)

    @property
    def ranking(self) -> list[tuple[str, float]]:
        """Classes with their probabilities, most probable first."""
        return sorted(zip(self.classes, self.probabilities, strict=False), key=lambda pair: -pair[1])

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        values = {
            "label": self.label,
            "probability": self.probability,
            "probabilities": list(self.probabilities),
            "abstained": self.abstained,
            "reason": self.reason,
        }
        return values | _error_json(self.error)

    def __repr__(self) -> str:
        if self.abstained:
            return f"Prediction(abstained, reason={self.reason or str(self.error)!r})"
        return f"Prediction({self.label!r}, probability={self.probability:.4f})"


@dataclass(frozen=True)
class Detection:
    """A symbol on a page, with its prediction."""

    line: int
    """Index of the symbol's line, counted from the top."""
    box: tuple[int, int, int, int]
    """``(x, y, width, height)`` in pixels of the picture."""
    prediction: Prediction
    image: UInt8[ndarray, "h w"] | None = field(default=None, repr=False, compare=False)
    """The image of the symbol that the network takes."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        label, probability = self.prediction.label, self.prediction.probability
        return {"line": self.line, "box": list(self.box), "label": label, "probability": probability}


@dataclass(frozen=True, repr=False)
class Page:
    """The symbols on a page, in reading order.

    Args:
        detections: all symbols, including those for which the model abstains.
        error: why the picture could not be used; None when it could.
        rotation: degrees by which the picture is turned counterclockwise so that its digits are upright: 0, 90, 180 or
            270. Boxes are in pixels of the picture before it is turned.
    """

    detections: tuple[Detection, ...]
    error: DataError | None = None
    rotation: int = 0

    @property
    def digits(self) -> list[Detection]:
        """Symbols with a label."""
        return [detection for detection in self.detections if not detection.prediction.abstained]

    @property
    def rejected(self) -> list[Detection]:
        """Symbols for which the model abstains."""
        return [detection for detection in self.detections if detection.prediction.abstained]

    @property
    def lines(self) -> list[str]:
        """The text of each line that has at least one digit."""
        by_line = groupby(self.digits, key=lambda detection: detection.line)
        return ["".join(str(detection.prediction.label) for detection in line) for _, line in by_line]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        values = {
            "lines": self.lines,
            "digits": [detection.to_json() for detection in self.digits],
            "rejected": [detection.to_json() for detection in self.rejected],
            "rotation": self.rotation,
        }
        return values | _error_json(self.error)

    def __repr__(self) -> str:
        if self.error:
            return f"Page(error={str(self.error)!r})"
        return f"Page(lines={self.lines}, rejected={len(self.rejected)})"


def abstentions(log_probs: Float[ndarray, "n classes"], threshold: float) -> Bool[ndarray, " n"]:
    """Return for each image whether its highest probability is below ``threshold``, 0..1."""
    return class_probabilities(log_probs).max(1) < threshold


def class_probabilities(log_probs: Float[ndarray, "n classes"]) -> Float32[ndarray, "n classes"]:
    """Return the probabilities, rounded to ``float32`` once."""
    return np.exp(log_probs, dtype=np.float64).astype(np.float32)


def make_predictions(
    log_probs: Float[ndarray, "n classes"], classes: Sequence[str], threshold: float = 0.0
) -> list[Prediction]:
    """Return one prediction per row; the model abstains where the highest probability is below ``threshold``."""
    names = tuple(classes)
    rows = zip(class_probabilities(log_probs).tolist(), abstentions(log_probs, threshold).tolist(), strict=True)
    return [
        Prediction(tuple(row), names, abstention_reason(max(row), threshold) if abstains else "")
        for row, abstains in rows
    ]


def abstention_reason(probability: float, threshold: float) -> str:
    """Return why the model abstains: the highest probability is below the threshold, both 0..1."""
    return (
        f"it looks like none of the classes: the highest probability is {probability:.4f}, "
        f"below the threshold of {threshold:.4f}"
    )


def _error_json(error: DataError | None) -> dict[str, Any]:
    if error is None:
        return {}
    return {"error": error.to_json()}
