"""Mean, deviation and interval agree with NumPy and SciPy; what is undefined is None."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from penstroke.experiments.summary import Summary, summarise


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=30))
def test_it_agrees_with_reference_implementations(values: list[float]) -> None:
    found = Summary(tuple(values))
    assert found.mean == pytest.approx(np.mean(values), abs=1e-12)
    assert found.deviation == pytest.approx(np.std(values, ddof=1), abs=1e-9)
    assert (found.highest, found.lowest) == (max(values), min(values))
    assert found.interval
    if found.deviation and found.deviation > 1e-6:
        expected = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
        assert found.interval == pytest.approx(expected, abs=1e-9)


def test_what_is_undefined_is_none() -> None:
    assert summarise([None, None]) == Summary(())
    empty, single = Summary(()), Summary((0.5,))
    assert (empty.mean, empty.deviation, empty.interval, empty.highest, empty.lowest) == (None,) * 5
    assert (single.mean, single.deviation, single.interval) == (0.5, None, None)


def test_the_interval_covers_the_mean_in_95_percent_of_simulated_experiments() -> None:
    draws = np.random.default_rng(0).normal(0.985, 0.001, (10_000, 5))
    mean, half = draws.mean(1), draws.std(1, ddof=1) / np.sqrt(5)
    low, high = Summary(tuple(draws[0])).interval or (0.0, 0.0)
    quantile = (high - low) / 2 / half[0]
    covered = np.abs(mean - 0.985) <= quantile * half
    assert 0.94 <= covered.mean() <= 0.96
