"""Metrics against scikit-learn and SciPy, on random values with ties, and against cases by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, roc_auc_score, top_k_accuracy_score
from sklearn.preprocessing import label_binarize

from penstroke.errors import UsageError
from penstroke.evaluation import (
    Bin,
    binned_calibration_error,
    brier_score,
    coverage_curve,
    reliability,
    roc_auc,
    top_k_correct,
    wilson_interval,
)

CLOSE = 1e-9
SEEDS = st.integers(0, 2**32 - 1)


def drawn(seed: int, levels: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Return log-probabilities of 3 to 6 classes, and labels; few levels of scores make ties frequent."""
    rng = np.random.default_rng(seed)
    n, classes = int(rng.integers(20, 200)), int(rng.integers(3, 7))
    labels = rng.permutation(np.arange(n) % classes)
    scores = rng.integers(0, levels, (n, classes)) / 2.0
    scores[np.arange(n), labels] += rng.integers(0, 2, n)
    return log_softmax(scores, axis=1), labels


@settings(deadline=None, max_examples=60)
@given(seed=SEEDS, levels=st.sampled_from([2, 6, 1000]))
def test_the_roc_auc_equals_scikit_learns(seed: int, levels: int) -> None:
    log_probs, labels = drawn(seed, levels)
    for k in range(log_probs.shape[1]):
        expected = roc_auc_score(labels == k, log_probs[:, k])
        assert roc_auc(log_probs[:, k], labels == k) == pytest.approx(expected, abs=CLOSE)


def test_the_roc_auc_needs_both_kinds() -> None:
    scores = np.array([0.1, 0.2])
    assert roc_auc(scores, np.array([True, True])) is None
    assert roc_auc(scores, np.array([False, False])) is None
    assert roc_auc(scores, np.array([False, True])) == 1
    assert roc_auc(np.zeros(5), np.arange(5) < 2) == 0.5


@settings(deadline=None, max_examples=60)
@given(seed=SEEDS, k=st.integers(1, 3))
def test_the_top_k_count_equals_scikit_learns_without_ties(seed: int, k: int) -> None:
    _, labels = drawn(seed)
    log_probs = log_softmax(np.random.default_rng(seed).normal(size=(len(labels), 6)), axis=1)
    expected = top_k_accuracy_score(labels, log_probs, k=k, labels=range(6), normalize=False)
    assert top_k_correct(log_probs, labels, k) == expected


@settings(deadline=None, max_examples=30)
@given(seed=SEEDS)
def test_the_most_probable_class_is_that_of_argmax_with_ties(seed: int) -> None:
    log_probs, labels = drawn(seed, 2)
    assert top_k_correct(log_probs, labels, 1) == (log_probs.argmax(1) == labels).sum()
    assert top_k_correct(log_probs, labels, log_probs.shape[1]) == len(labels)


@settings(deadline=None, max_examples=30)
@given(seed=SEEDS)
def test_the_brier_score_is_the_squared_distance(seed: int) -> None:
    log_probs, labels = drawn(seed)
    expected = np.mean(((np.exp(log_probs) - label_binarize(labels, classes=range(log_probs.shape[1]))) ** 2).sum(1))
    assert brier_score(np.exp(log_probs), labels) == pytest.approx(expected, abs=CLOSE)


def test_the_brier_score_of_known_cases() -> None:
    certain = np.eye(3)[[0, 1]]
    assert brier_score(certain, np.array([0, 1])) == 0
    assert brier_score(certain, np.array([1, 0])) == 2
    assert brier_score(np.full((1, 2), 0.5), np.array([0])) == 0.5


@settings(deadline=None, max_examples=60)
@given(seed=SEEDS, bins=st.integers(1, 20), levels=st.sampled_from([2, 1000]))
def test_reliability_equals_scikit_learns(seed: int, bins: int, levels: int) -> None:
    log_probs, labels = drawn(seed, levels)
    probabilities = np.exp(log_probs)
    found = reliability(probabilities, labels, bins)
    correct = (probabilities.argmax(1) == labels).astype(int)
    accuracy, confidence = calibration_curve(correct, probabilities.max(1).clip(0, 1), n_bins=bins)
    filled = [each for each in found if each.count]
    assert len(found) == bins
    assert sum(each.count for each in found) == len(labels)
    assert [each.accuracy for each in filled] == pytest.approx(accuracy, abs=CLOSE)
    assert [each.confidence for each in filled] == pytest.approx(confidence, abs=CLOSE)
    assert all(each.accuracy is None and each.confidence is None for each in found if not each.count)
    counts = np.array([each.count for each in filled])
    expected = (counts * np.abs(accuracy - confidence)).sum() / len(labels)
    assert binned_calibration_error(found) == pytest.approx(expected, abs=CLOSE)


def test_the_limits_of_bins() -> None:
    # A float32 softmax can be slightly larger than 1.
    probabilities = np.array([[0.5, 0.5], [1.0000001, 0.0], [0.75, 0.25]])
    found = reliability(probabilities, np.array([0, 0, 1]), bins=2)
    assert found[0] == Bin(0.0, 0.5, 1, 0.5, 1.0)
    assert (found[1].low, found[1].high, found[1].count, found[1].accuracy) == (0.5, 1.0, 2, 0.5)


@settings(deadline=None, max_examples=60)
@given(seed=SEEDS, levels=st.sampled_from([2, 6, 1000]))
def test_each_point_of_the_coverage_curve_is_a_threshold(seed: int, levels: int) -> None:
    log_probs, labels = drawn(seed, levels)
    curve = coverage_curve(log_probs, labels)
    highest, predicted = log_probs.max(1), log_probs.argmax(1)
    distinct = np.unique(highest)[::-1]
    assert curve.threshold == pytest.approx(np.exp(distinct), rel=1e-12)
    for place, level in enumerate(distinct):
        answered = highest >= level
        assert curve.coverage[place] == pytest.approx(answered.mean(), abs=CLOSE)
        expected = accuracy_score(labels[answered], predicted[answered])
        assert curve.accuracy[place] == pytest.approx(expected, abs=CLOSE)
    assert curve.coverage[-1] == 1


def test_a_point_of_the_coverage_curve() -> None:
    log_probs = np.log(np.array([[0.9, 0.1], [0.8, 0.2], [0.8, 0.2], [0.6, 0.4]]))
    curve = coverage_curve(log_probs, np.array([0, 0, 1, 1]))
    assert curve.at(1.0) == pytest.approx((1.0, 0.5, 0.6))
    assert curve.at(0.99) == curve.at(0.75) == pytest.approx((0.75, 2 / 3, 0.8))
    assert curve.at(0.5) == pytest.approx((0.25, 1.0, 0.9))
    assert curve.at(0.2) is None


@settings(deadline=None, max_examples=100)
@given(total=st.integers(1, 10**6), share=st.floats(0, 1), confidence=st.floats(0.01, 0.999))
def test_the_interval_equals_scipys(total: int, share: float, confidence: float) -> None:
    correct = round(share * total)
    expected = binomtest(correct, total).proportion_ci(confidence, method="wilson")
    assert wilson_interval(correct, total, confidence) == pytest.approx((expected.low, expected.high), abs=CLOSE)


def test_the_ends_of_the_interval_are_exact() -> None:
    assert wilson_interval(0, 10)[0] == 0
    assert wilson_interval(10, 10)[1] == 1
    assert wilson_interval(0, 0) == (0, 1)


@pytest.mark.parametrize(("correct", "total", "confidence"), [(-1, 5, 0.95), (6, 5, 0.95), (1, 5, 0.0), (1, 5, 1.0)])
def test_an_impossible_interval_is_rejected(correct: int, total: int, confidence: float) -> None:
    with pytest.raises(UsageError, match="must be"):
        wilson_interval(correct, total, confidence)


@pytest.mark.parametrize(("total", "share"), [(10_000, 0.985), (1_000, 0.95), (10_000, 0.5), (200, 0.9)])
def test_the_interval_contains_the_true_share_as_often_as_it_says(total: int, share: float) -> None:
    counts, times = np.unique(np.random.default_rng(1).binomial(total, share, 10_000), return_counts=True)
    limits = [wilson_interval(int(count), total) for count in counts]
    covered = sum(int(n) for (low, high), n in zip(limits, times, strict=True) if low <= share <= high)
    assert covered / 10_000 == pytest.approx(0.95, abs=0.01)
