"""``evaluate``: the report of a model on a split.

This module does not depend on how a model is computed. It takes a function that returns log-probabilities.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from penstroke.data import Dataset, Split
from penstroke.errors import DataError, ModelError, UsageError, nearest
from penstroke.evaluation.report import Report
from penstroke.schema import shown

LogProbs = Callable[[UInt8[ndarray, "n c h w"]], Float[ndarray, "n classes"]]


class Model(Protocol):
    """A model that returns log-probabilities for raw images, such as ``Classifier``."""

    def log_probs(self, images: UInt8[ndarray, "n c h w"], /) -> Float[ndarray, "n classes"]:
        """Return log-probabilities for raw images."""


def evaluate(model: LogProbs | Model, split: Split, threshold: float | None = None) -> Report:
    """Evaluate a model on a split.

    Args:
        model: a ``Classifier`` or another object with a method ``log_probs``; or a function that returns
            log-probabilities for raw images.
        split: images and their true classes. For a ``Classifier``, its classes may be some of those of the model, in
            any order; the report has the classes of the model.
        threshold: the model abstains where the highest probability, 0..1, is below this; by default the
            ``threshold`` of the model if it has one, otherwise 0.

    Raises:
        UsageError: ``model`` or ``split`` has the wrong type.
        DataError: the split has a class that the model does not have.
        ModelError: the model does not return one row of log-probabilities for each image, or returns NaN.
    """
    log_probs_of = getattr(model, "log_probs", model)
    if not callable(log_probs_of):
        raise UsageError(
            f"model is {shown(model)} ({type(model).__name__}); it must be a Classifier, or a function that returns "
            "log-probabilities.",
            "Pass a Classifier, for example fitted.classifier() or Classifier.load(path).",
        )
    _check_split(split)
    split = _with_classes(split, getattr(getattr(model, "description", None), "classes", split.classes))
    if threshold is None:
        threshold = getattr(model, "threshold", 0.0)
    log_probs = log_probs_of(split.images)
    _check_log_probs(log_probs, split)
    return Report(log_probs, split.labels, split.classes, threshold, split.files)


def _with_classes(split: Split, classes: tuple[str, ...]) -> Split:
    """Return the split with the classes of a model, and labels that are positions among them.

    Raises:
        DataError: a class of the split is not one of ``classes``.
    """
    if split.classes == classes:
        return split
    unknown = [name for name in split.classes if name not in classes]
    if unknown:
        raise DataError(
            f"The split {split.name!r} has the class {unknown[0]!r}, which is not one of the model's {len(classes)}.",
            f"Test on data with the classes of the model. {nearest(unknown[0], classes)}",
        )
    places = np.array([classes.index(name) for name in split.classes], np.int64)
    return replace(split, labels=places[split.labels], classes=classes)


def _check_log_probs(log_probs: Float[ndarray, "n classes"], split: Split) -> None:
    shape = (len(split), len(split.classes))
    if log_probs.shape != shape:
        raise ModelError(
            f"The model returned an array of shape {list(log_probs.shape)}; it must be {list(shape)}: one row for each "
            "image, one column for each class.",
            "Use a model of these classes.",
        )
    bad = int((~(log_probs < np.inf)).any(1).sum())  # NaN compares as false
    if bad:
        raise ModelError(
            f"The model returned NaN or infinity for {bad} of {len(split)} images.",
            "Its weights are damaged or its training diverged; train it again, for example with a lower --lr.",
        )


def _check_split(split: object) -> None:
    if not isinstance(split, Split):
        raise UsageError(
            f"split is {shown(split)} ({type(split).__name__}); it must be a Split.",
            "Pass data.test." if isinstance(split, Dataset) else "Pass a split of a Dataset, for example data.test.",
        )
