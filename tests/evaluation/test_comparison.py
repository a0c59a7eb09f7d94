"""Tests of the comparison agree with SciPy, and keep their level and coverage in simulations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from penstroke.errors import UsageError
from penstroke.evaluation.comparison import (
    MIN_SEEDS,
    bca_interval,
    bca_limits,
    expanded,
    holm,
    mcnemar,
    sign_flip_test,
)


def correct(only_a: int, only_b: int, both: int = 3) -> tuple[np.ndarray, np.ndarray]:
    a = np.repeat([True, False, True], [only_a, only_b, both])
    b = np.repeat([False, True, True], [only_a, only_b, both])
    return a, b


@settings(deadline=None)
@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_is_a_binomial_test_of_the_images_on_which_the_models_differ(only_a: int, only_b: int) -> None:
    found = mcnemar(*correct(only_a, only_b))
    expected = stats.binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    assert (found.only_a, found.only_b) == (only_a, only_b)
    assert found.p_value == pytest.approx(expected, rel=1e-9)


def test_mcnemar_needs_the_same_images() -> None:
    with pytest.raises(UsageError, match="measured on 3 and 2 images"):
        mcnemar(np.ones(3, bool), np.ones(2, bool))


def test_mcnemar_keeps_its_level() -> None:
    rng = np.random.default_rng(0)
    images, rejected, few = 10_000, 0, 0
    for _ in range(2000):  # two models of equal accuracy that differ on about 800 images, and on about 40
        kinds = rng.multinomial(images, [0.04, 0.04, 0.92])
        rejected += mcnemar(*correct(*kinds)).p_value <= 0.05
        few += mcnemar(*correct(*rng.multinomial(images, [0.002, 0.002, 0.996]))).p_value <= 0.05
    assert 0.04 <= rejected / 2000 <= 0.06
    assert few / 2000 <= 0.06, "an exact test may only be too careful"


VALUES = st.lists(st.integers(-50, 50), min_size=3, max_size=30).filter(lambda values: len(set(values)) > 1)


@settings(deadline=None, max_examples=30)
@given(VALUES, st.sampled_from([0.9, 0.95, 0.99]))
def test_the_bca_limits_are_those_of_scipy_for_the_same_samples(values: list[int], confidence: float) -> None:
    array = np.array(values, np.float64) / 10_000
    with np.errstate(all="ignore"):
        expected = stats.bootstrap((array,), np.mean, confidence_level=confidence, n_resamples=999, method="BCa", rng=1)
    interval = expected.confidence_interval
    if not np.isfinite(list(interval)).all():
        return
    assert bca_limits(expected.bootstrap_distribution, array, confidence) == pytest.approx(list(interval), abs=1e-9)


def test_the_bca_interval_is_that_of_scipy_up_to_the_random_samples() -> None:
    values = np.random.default_rng(3).gamma(2, size=12)
    expected = stats.bootstrap((values,), np.mean, n_resamples=100_000, method="BCa", rng=1).confidence_interval
    assert bca_interval(values, resamples=100_000) == pytest.approx(list(expected), abs=0.01 * values.std())
    assert bca_interval(values) == bca_interval(values), "the seed is fixed"


@pytest.mark.parametrize("values", [[], [0.5], [0.25] * 8])
def test_the_interval_of_values_that_do_not_vary_is_undefined(values: list[float]) -> None:
    assert bca_interval(np.array(values)) is None


def test_a_confidence_outside_0_to_1_is_an_error() -> None:
    for function in (lambda: bca_interval(np.arange(3.0), 1.0), lambda: expanded(95, 8)):
        with pytest.raises(UsageError, match="it must be between 0 and 1"):
            function()


@pytest.mark.parametrize(("count", "lowest"), [(6, 0.91), (10, 0.93)])
def test_the_expanded_interval_of_few_values_covers_the_mean(count: int, lowest: float) -> None:
    rng, covered, plain = np.random.default_rng(count), 0, 0
    for seed in range(2000):
        values = rng.normal(size=count)
        for confidence in (0.95, expanded(0.95, count)):
            interval = bca_interval(values, confidence, resamples=1000, seed=seed)
            assert interval
            inside = interval[0] <= 0 <= interval[1]
            plain, covered = (plain + inside, covered) if confidence == 0.95 else (plain, covered + inside)
    assert plain / 2000 < 0.92
    assert plain + 60 < covered
    assert lowest <= covered / 2000 <= 0.96


def test_the_interval_of_two_models_covers_the_difference() -> None:
    rng, covered = np.random.default_rng(1), 0
    for seed in range(2000):
        only_a, only_b, both = rng.multinomial(2000, [0.02, 0.02, 0.96])
        differences = np.repeat([1.0, -1.0, 0.0], [only_a, only_b, both])
        interval = bca_interval(differences, resamples=1000, seed=seed)
        assert interval
        covered += interval[0] <= 0 <= interval[1]
    assert 0.94 <= covered / 2000 <= 0.96


@pytest.mark.parametrize("count", [3, 5, 6, 9])
def test_the_sign_flip_test_is_the_permutation_test_of_scipy(count: int) -> None:
    values = np.random.default_rng(count).normal(0.5, size=count)
    expected = stats.permutation_test(
        (values,), lambda x, axis: x.mean(axis), permutation_type="samples", n_resamples=np.inf, vectorized=True
    )
    assert sign_flip_test(values) == pytest.approx(expected.pvalue, rel=1e-9)


def test_six_seeds_are_needed_for_a_significant_difference() -> None:
    assert MIN_SEEDS == 6
    assert sign_flip_test(np.arange(1.0, 6.0)) == 2 / 32 > 0.05
    assert sign_flip_test(np.arange(1.0, 7.0)) == 2 / 64 < 0.05
    assert sign_flip_test(np.zeros(8)) == 1
    with pytest.raises(UsageError, match="no differences"):
        sign_flip_test(np.array([]))


def test_equal_sums_are_not_separated_by_rounding() -> None:
    assert sign_flip_test(np.array([0.1, 0.2, -0.3, 0.1])) == sign_flip_test(np.array([1, 2, -3, 1]))


def test_many_pairs_are_tested_by_random_signs() -> None:
    values = np.random.default_rng(0).normal(0.4, size=30)
    normal = 2 * stats.norm.sf(abs(values.sum()) / (values**2).sum() ** 0.5)
    assert sign_flip_test(values) == pytest.approx(normal, abs=0.01)
    assert sign_flip_test(np.ones(60)) == 1 / 100_001


@pytest.mark.parametrize("count", [8, 10])
def test_the_sign_flip_test_keeps_its_level(count: int) -> None:
    rng = np.random.default_rng(count)
    # Numbers of correct images of two equally accurate recipes; the tied differences are part of the test.
    pairs = rng.binomial(10_000, 0.99, size=(2000, 2, count))
    rejected = sum(sign_flip_test(a - b) <= 0.05 for a, b in pairs)
    assert 0.04 <= rejected / 2000 <= 0.06


def test_holm_adjusts_p_values() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_keeps_the_order_and_never_lowers(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(p <= q <= 1 for p, q in zip(p_values, adjusted, strict=True))
    by_size = [q for _, q in sorted(zip(p_values, adjusted, strict=True))]
    assert by_size == sorted(by_size)


def test_holm_keeps_the_level_of_several_tests() -> None:
    p_values = np.random.default_rng(0).uniform(size=(2000, 5))
    assert 0.04 <= sum(min(holm(list(row))) <= 0.05 for row in p_values) / 2000 <= 0.06
