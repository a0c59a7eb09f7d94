"""The parity gate: an exported file must give the answers of its model on a test split and in edge cases."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from numpy import ndarray
from PIL import Image

from penstroke.data import Split
from penstroke.errors import CheckFailed
from penstroke.export.runtimes import DrawingRuntime, Runtime
from penstroke.inference.classifier import Classifier

BOUND = 1e-4
"""Largest accepted difference in probability of a format that keeps the weights."""
ROUNDED_BOUND = 1e-3
"""The same for the web page, compared with the model of the same rounded weights."""
SIGNIFICANCE = 0.05
"""Significance level of the test for lower accuracy."""
BATCH_SIZE = 250
ODD_BATCH = 7
DRAWINGS = 100
MAX_DIFFERENT_DRAWINGS = 1
REMEDY = "No file was written. Use another format or precision."


@dataclass(frozen=True)
class Parity:
    """How an exported file and its model compare on a test split and the edge cases."""

    images: int
    """Number of images of the split."""
    largest_difference: float
    """Largest difference in the probability of a class."""
    different_labels: int
    """Number of images with another most probable class."""
    correct: int
    """Number of images of the split that the file classifies correctly."""
    correct_of_model: int
    """The same for the model."""
    p_value: float
    """Of the exact McNemar test: how likely such different numbers are if both are equally accurate."""


@dataclass(frozen=True)
class DrawingParity:
    """How a file that takes drawings and the model with Penstroke's preparation compare."""

    drawings: int
    """Number of drawings."""
    different_labels: int
    """Number of drawings with another most probable class."""


def check_parity(runtime: Runtime, model: Runtime, split: Split, bound: float | None = BOUND) -> Parity:
    """Compare an exported file with its model, on a split and on edge cases: one image, an odd batch, all 0, all 255.

    Args:
        runtime: the exported file, opened by its own runtime.
        model: the model.
        split: test images and their true classes.
        bound: largest accepted difference in probability; no image may have a different label. None for weights of
            lower precision: then the accuracy on the split must not be significantly lower.

    Raises:
        CheckFailed: the file differs from the model by more than is accepted, or its output is not a probability
            distribution.
    """
    batches = list(_batches(split.images))
    expected, found = (np.concatenate([compute(batch) for batch in batches]) for compute in (model, runtime))
    _check_output(found, expected)
    differences = np.abs(np.exp(found) - np.exp(expected)).max(1)
    labels, model_labels = found.argmax(1), expected.argmax(1)
    count = len(split)
    right, model_right = (guesses[:count] == split.labels for guesses in (labels, model_labels))
    parity = Parity(
        images=count,
        largest_difference=float(differences.max()),
        different_labels=int((labels != model_labels).sum()),
        correct=int(right.sum()),
        correct_of_model=int(model_right.sum()),
        p_value=mcnemar(right, model_right),
    )
    if bound is None:
        _check_accuracy(parity)
    elif parity.largest_difference > bound or parity.different_labels:
        raise CheckFailed(
            f"The exported file differs from the model by up to {parity.largest_difference:.2g} in probability, and in "
            f"{parity.different_labels} labels of {len(labels)} images; at most {bound:g} and no label are accepted.",
            REMEDY,
        )
    return parity


def check_drawings(runtime: DrawingRuntime, classifier: Classifier, split: Split) -> DrawingParity:
    """Compare a file that takes drawings with the preparation of ``penstroke.pictures`` followed by the model.

    The drawings are test images of 28x28 pixels, enlarged, dark on white paper.

    Args:
        runtime: the exported file, opened by its own runtime.
        classifier: the model.
        split: test images.

    Raises:
        CheckFailed: more than ``MAX_DIFFERENT_DRAWINGS`` of ``DRAWINGS`` drawings have a different label.
    """
    drawings = [_drawing(image[0], 3 + index % 8) for index, image in enumerate(split.images[:DRAWINGS])]
    labels = [classifier.description.classes[int(runtime(drawing[None]).argmax())] for drawing in drawings]
    expected = [classifier.predict(drawing).most_probable for drawing in drawings]
    different = sum(label != other for label, other in zip(labels, expected, strict=True))
    if different > MAX_DIFFERENT_DRAWINGS:
        raise CheckFailed(
            f"The exported file gives another label than the model for {different} of {len(drawings)} drawings; at "
            f"most {MAX_DIFFERENT_DRAWINGS} is accepted.",
            REMEDY,
        )
    return DrawingParity(len(drawings), different)


def mcnemar(right: Bool[ndarray, " n"], other_right: Bool[ndarray, " n"]) -> float:
    """Return the p-value of the exact McNemar test that two classifiers are equally accurate.

    McNemar, 1947, https://doi.org/10.1007/BF02295996: under this hypothesis, each image that only one of them
    classifies correctly is equally likely to be that of either.

    Args:
        right: whether each image is classified correctly by the first.
        other_right: the same for the second.
    """
    from scipy.stats import binomtest  # imported here: takes half a second

    first, second = int((right & ~other_right).sum()), int((~right & other_right).sum())
    return float(binomtest(first, first + second).pvalue) if first + second else 1.0


def _batches(images: UInt8[ndarray, "n c h w"]) -> Iterator[UInt8[ndarray, "b c h w"]]:
    """Yield a split in batches, then the edge cases."""
    for start in range(0, len(images), BATCH_SIZE):
        yield np.ascontiguousarray(images[start : start + BATCH_SIZE])
    yield np.ascontiguousarray(images[:1])
    yield np.ascontiguousarray(images[:ODD_BATCH])
    yield np.zeros_like(images[:1])
    yield np.full_like(images[:1], 255)


def _drawing(image: UInt8[ndarray, "h w"], factor: int) -> UInt8[ndarray, "h2 w2"]:
    height, width = image.shape
    return np.asarray(Image.fromarray(255 - image).resize((width * factor, height * factor), Image.Resampling.BICUBIC))


def _check_output(found: Float32[ndarray, "n classes"], expected: Float32[ndarray, "n classes"]) -> None:
    if found.dtype != np.float32 or found.shape != expected.shape:
        raise CheckFailed(
            f"The exported file returns {found.dtype} of shape {list(found.shape)} instead of float32 of shape "
            f"{list(expected.shape)}.",
            REMEDY,
        )
    if not np.allclose(np.exp(found).sum(1), 1, atol=BOUND):  # also false for NaN
        raise CheckFailed("The exported file returns values that are not log-probabilities.", REMEDY)


def _check_accuracy(parity: Parity) -> None:
    if parity.correct < parity.correct_of_model and parity.p_value < SIGNIFICANCE:
        raise CheckFailed(
            f"The exported file classifies {parity.correct} of {parity.images} images correctly, significantly fewer "
            f"than the model, {parity.correct_of_model} (McNemar test, p = {parity.p_value:.2g} < {SIGNIFICANCE}).",
            REMEDY,
        )
