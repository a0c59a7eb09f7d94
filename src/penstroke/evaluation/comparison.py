"""Tests and intervals for the comparison of models and of recipes, as functions of arrays.

This module does not depend on runs, models or datasets.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Bool, Float, Float64
from numpy import ndarray

from penstroke.errors import UsageError

MIN_SEEDS = 6
"""Number of pairs from which a two-sided sign-flip test can give a p-value below 0.05: 2 / 2 ** 6 is 0.031."""
EXACT_PAIRS = 16
"""Up to this number of pairs, the sign-flip test counts all combinations of signs."""
FLIPS = 100_000
"""Number of random combinations of signs for more pairs."""
RESAMPLES = 10_000
"""Number of bootstrap samples."""
_NUMBERS_AT_ONCE = 1 << 22
"""Numbers that a simulation holds in memory at once."""


@dataclass(frozen=True)
class McNemar:
    """The result of McNemar's test."""

    only_a: int
    """Number of images that only the first model classifies correctly."""
    only_b: int
    """Number of images that only the second model classifies correctly."""
    p_value: float
    """Two-sided p-value."""


def mcnemar(correct_a: Bool[ndarray, " n"], correct_b: Bool[ndarray, " n"]) -> McNemar:
    """Return the result of the exact McNemar test of two models on the same images.

    Under the null hypothesis, both models are equally accurate, and each image on which they differ is equally likely
    to be correct for either model (Q. McNemar, 1947, https://doi.org/10.1007/BF02295996). The test is exact: its rate
    of false positives is at most the chosen level, and below it if the models differ on few images.

    Args:
        correct_a: whether the first model is correct on each image.
        correct_b: the same for the second model, in the same order.

    Raises:
        UsageError: the two arrays have different lengths.
    """
    from scipy.special import bdtr  # imported here: takes a tenth of a second, and training does not need it

    if correct_a.shape != correct_b.shape:
        raise UsageError(
            f"The models were measured on {len(correct_a)} and {len(correct_b)} images; McNemar's test needs the same "
            "images.",
            "Measure both models on the same test set.",
        )
    only_a, only_b = int((correct_a & ~correct_b).sum()), int((correct_b & ~correct_a).sum())
    tail = float(bdtr(min(only_a, only_b), only_a + only_b, 0.5)) if only_a + only_b else 1.0
    return McNemar(only_a, only_b, min(1.0, 2 * tail))


def bca_interval(
    values: Float[ndarray, " n"], confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float] | None:
    """Return the bias-corrected and accelerated bootstrap interval of the mean of ``values``.

    The method is that of B. Efron, "Better bootstrap confidence intervals", 1987
    (https://doi.org/10.1080/01621459.1987.10478410). For few values the interval is too short; ``expanded`` returns
    the confidence that corrects for it.

    Args:
        values: for example the difference of two models in accuracy for each seed, or on each image.
        confidence: the confidence level, between 0 and 1.
        resamples: number of bootstrap samples.
        seed: seed of the bootstrap samples.

    Returns:
        The lower and the upper limit, or None if there are fewer than two different values.

    Raises:
        UsageError: ``confidence`` is not between 0 and 1.
    """
    _check_confidence(confidence)
    unique, counts = np.unique(values, return_counts=True)
    if len(unique) < 2:
        return None
    means = _bootstrap_means(unique.astype(np.float64), counts, resamples, np.random.default_rng(seed))
    return bca_limits(means, values.astype(np.float64), confidence)


def bca_limits(
    means: Float64[ndarray, " resamples"], values: Float64[ndarray, " n"], confidence: float
) -> tuple[float, float]:
    """Return the limits of the interval of ``bca_interval`` for given means of bootstrap samples."""
    from scipy.special import ndtr, ndtri

    deviations = values - values.mean()
    below = ((means < values.mean()).mean() + (means <= values.mean()).mean()) / 2
    bias = ndtri(below)
    # For a mean, the jackknife's estimate of the acceleration is a sixth of the skewness over the root of n.
    acceleration = (deviations**3).sum() / (6 * (deviations**2).sum() ** 1.5)
    z = bias + ndtri(np.array([(1 - confidence) / 2, (1 + confidence) / 2]))
    low, high = np.quantile(means, ndtr(bias + z / (1 - acceleration * z)))
    return float(low), float(high)


def _bootstrap_means(
    unique: Float64[ndarray, " k"], counts: ndarray, resamples: int, rng: np.random.Generator
) -> Float64[ndarray, " resamples"]:
    """Return the means of bootstrap samples of values that occur ``counts`` times; few draws suffice if k is small."""
    total = int(counts.sum())
    parts = []
    while resamples:
        size = min(resamples, max(1, _NUMBERS_AT_ONCE // len(unique)))
        parts.append(rng.multinomial(total, counts / total, size=size) @ unique / total)
        resamples -= size
    return np.concatenate(parts)


def expanded(confidence: float, count: int) -> float:
    """Return the confidence at which a bootstrap interval of ``count`` values covers the mean about as often as stated.

    The bootstrap ignores that the spread is estimated: of 95 % intervals of 6 normal values, 87 % cover the true mean.
    The correction makes the interval as wide as one of Student's t distribution, and 92 % cover it, or 94 % with 10
    values (T. Hesterberg, "What teachers should know about the bootstrap", 2015,
    https://doi.org/10.1080/00031305.2015.1089789).

    Args:
        confidence: the confidence level, between 0 and 1.
        count: number of values, at least 2.

    Raises:
        UsageError: ``confidence`` is not between 0 and 1.
    """
    from scipy.special import ndtr, stdtrit

    _check_confidence(confidence)
    quantile = float(stdtrit(count - 1, (1 + confidence) / 2)) * (count / (count - 1)) ** 0.5
    return float(2 * ndtr(quantile) - 1)


def sign_flip_test(differences: Float[ndarray, " n"], seed: int = 0) -> float:
    """Return the two-sided p-value of the sign-flip permutation test that paired differences have mean zero.

    Under the null hypothesis, each difference is equally likely to have either sign (R. A. Fisher, "The Design of
    Experiments", 1935). Up to 16 differences, all combinations of signs are counted, and the p-value is exact; for more
    it is estimated from 100,000 random combinations and the observed one.

    Args:
        differences: for example the difference of two recipes in accuracy for each seed. With fewer than 6, the
            p-value cannot be below 0.05.
        seed: seed of the random combinations.

    Raises:
        UsageError: there are no differences.
    """
    count = len(differences)
    if not count:
        raise UsageError("There are no differences to test.", "Give one difference for each pair.")
    scale = np.abs(differences).max()
    if not scale:
        return 1.0
    values = differences / scale
    limit = abs(values.sum()) - 1e-9  # sums of equal size must not differ by rounding
    if count <= EXACT_PAIRS:
        signs = np.array(list(product((1.0, -1.0), repeat=count)))
        return float((np.abs(signs @ values) >= limit).mean())
    rng, found, left = np.random.default_rng(seed), 0, FLIPS
    while left:
        size = min(left, max(1, _NUMBERS_AT_ONCE // count))
        signs = rng.integers(0, 2, size=(size, count)) * 2.0 - 1
        found += int((np.abs(signs @ values) >= limit).sum())
        left -= size
    return (1 + found) / (1 + FLIPS)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values that are adjusted for several tests by Holm's method, in the same order.

    A test is significant at a level if its adjusted p-value is at most that level; the probability of one or more
    false positives is then at most the level (S. Holm, "A simple sequentially rejective multiple test procedure",
    1979, https://www.jstor.org/stable/4615733).
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise UsageError(f"confidence is {confidence}; it must be between 0 and 1.", "Use 0.95, for example.")
