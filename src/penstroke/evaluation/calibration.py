"""Calibration: the temperature of a model, its rejection threshold, and the calibration error.

This module does not depend on networks. It takes log-probabilities for images that the network was not trained on.
"""

import math

import numpy as np
from jaxtyping import Float, Float64, Int64
from numpy import ndarray

from penstroke.models.description import Calibration

MAX_TEMPERATURE = 20.0
"""Upper bound of the search for the temperature; the lower bound is its inverse."""

MIN_REJECTION_IMAGES = 100
"""Minimum number of images that a rejection threshold is determined on: a low quantile of fewer is not reliable."""


def calibrate(
    log_probs: Float[ndarray, "n classes"], labels: Int64[ndarray, " n"], rejection_rate: float
) -> tuple[float, Calibration]:
    """Return the temperature and the rejection threshold, determined on validation images.

    The temperature minimises the negative log-likelihood (C. Guo et al., "On calibration of modern neural networks",
    2017, https://arxiv.org/abs/1706.04599). If there are fewer than ``MIN_REJECTION_IMAGES`` images, another one, of
    unknown class, is added to them: a few correct predictions must not make the model certain.

    Args:
        log_probs: log-probabilities of the network, without a temperature.
        labels: true classes.
        rejection_rate: fraction of these images, 0..1, on which the model abstains: those with lowest probabilities.
            With fewer than ``MIN_REJECTION_IMAGES`` images, the model abstains on none.

    Returns:
        The temperature and the calibration. Its counts apply to these images.
    """
    from scipy.optimize import minimize_scalar  # imported here: slow, and only needed once per training

    def loss(log_temperature: float) -> float:
        calibrated = apply_temperature(log_probs, math.exp(log_temperature))
        known = calibrated[np.arange(len(labels)), labels]
        if len(labels) >= MIN_REJECTION_IMAGES:
            return -float(known.mean())
        return -float(known.sum() + calibrated.mean()) / (len(labels) + 1)

    limit = math.log(MAX_TEMPERATURE)
    temperature = math.exp(minimize_scalar(loss, bounds=(-limit, limit), method="bounded").x)
    calibrated = apply_temperature(log_probs, temperature)
    predicted, probability = calibrated.argmax(1), np.exp(calibrated.max(1))
    rejects = rejection_rate > 0 and len(labels) >= MIN_REJECTION_IMAGES
    threshold = float(np.quantile(probability, rejection_rate)) if rejects else 0.0
    accepted = probability >= threshold
    return temperature, Calibration(
        threshold=threshold,
        images=len(labels),
        rejected=int((~accepted).sum()),
        wrong=int((accepted & (predicted != labels)).sum()),
    )


def apply_temperature(log_probs: Float[ndarray, "n classes"], temperature: float) -> Float64[ndarray, "n classes"]:
    """Return ``log_softmax(log_probs / temperature)``, ``float64``."""
    scaled = log_probs.astype(np.float64) / temperature
    scaled -= scaled.max(1, keepdims=True)
    return np.asarray(scaled - np.log(np.exp(scaled).sum(1, keepdims=True)))


def calibration_error(
    probabilities: Float[ndarray, "n classes"], labels: Int64[ndarray, " n"], bins: int = 15
) -> float:
    """Return the expected calibration error, 0..1.

    This is the mean difference between the highest probability and the accuracy, in bins with equal numbers of images
    (K. Nguyen and B. O'Connor, "Posterior calibration and exploratory analysis for natural language processing
    models", 2015, https://arxiv.org/abs/1508.05154).

    Args:
        probabilities: probabilities of the classes.
        labels: true classes.
        bins: number of bins.
    """
    confidence = probabilities.astype(np.float64).max(1)
    correct = (probabilities.argmax(1) == labels).astype(np.float64)
    order = confidence.argsort()
    parts = zip(np.array_split(confidence[order], bins), np.array_split(correct[order], bins), strict=True)
    return sum(abs(float(expected.sum() - actual.sum())) for expected, actual in parts) / len(labels)
