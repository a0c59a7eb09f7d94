"""The check of a model before it answers requests: on a stored batch of digits, or on noise for other classes."""

from importlib import resources
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from penstroke.errors import ModelError

if TYPE_CHECKING:
    from penstroke.inference.classifier import Classifier

MIN_ACCURACY = 0.8
"""Minimum fraction of the stored digits that a model of digits must classify correctly."""
SIDE, PER_CLASS = 28, 5


def stored_digits() -> UInt8[ndarray, "50 1 28 28"]:
    """Return the stored batch: five training images of MNIST for each digit, in the order of the digits."""
    content = (resources.files("penstroke") / "serve" / "digits.png").read_bytes()
    sheet = np.asarray(Image.open(BytesIO(content), formats=("PNG",)))
    tiles = sheet.reshape(10, SIDE, PER_CLASS, SIDE).swapaxes(1, 2)
    return np.ascontiguousarray(tiles.reshape(-1, 1, SIDE, SIDE))


def check_model(classifier: "Classifier", classes: tuple[str, ...] = ()) -> float | None:
    """Compute the model on the stored batch, and return its accuracy, 0..1; None for a model of other classes.

    Args:
        classifier: the model.
        classes: classes that the model must have; empty for any.

    Raises:
        ModelError: the model has other classes, its results are not log-probabilities, or it makes too many mistakes.
    """
    description = classifier.description
    if classes and description.classes != classes:
        raise ModelError(
            f"The model {classifier.source} has the classes {', '.join(description.classes)[:80]}, and the server's "
            f"model has {', '.join(classes)[:80]}.",
            "Restart the server to change the classes.",
        )
    of_digits = description.classes == tuple("0123456789") and description.image_shape == (1, SIDE, SIDE)
    if of_digits:
        images = stored_digits()
    else:
        images = np.random.default_rng(0).integers(0, 256, (4, *description.image_shape), np.uint8)
    log_probs = classifier.log_probs(images)
    sums = np.exp(log_probs, dtype=np.float64).sum(1)
    if not np.isfinite(sums).all() or np.abs(sums - 1).max() > 1e-3:
        raise ModelError(
            f"The model {classifier.source} returns values that are not log-probabilities.", "Train it again."
        )
    if not of_digits:
        return None
    accuracy = float((log_probs.argmax(1) == np.repeat(np.arange(10), PER_CLASS)).mean())
    if accuracy < MIN_ACCURACY:
        raise ModelError(
            f"The model {classifier.source} classifies {accuracy:.0%} of the stored digits correctly; the minimum is "
            f"{MIN_ACCURACY:.0%}.",
            "Check it with `penstroke test`, or train it again.",
        )
    return accuracy
