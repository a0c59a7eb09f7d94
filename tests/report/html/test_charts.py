"""Charts are well-formed SVG, and points lie where their axes say."""

import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstroke.report.html.charts import (
    HEIGHT,
    WIDTH,
    Axis,
    Series,
    chart,
    interval_chart,
    legend,
    linear_axis,
    log_axis,
    range_mark,
)

AXIS = Axis("x", 0, 1, (0.0, 0.5, 1.0))


def test_points_lie_where_the_axes_say() -> None:
    svg = chart("t", AXIS, AXIS, [Series("a", [(0, 0), (0.5, 1), (1, 0.5)], "dots", "s2")])
    places = [(float(x), float(y)) for x, y in re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', svg)]
    (left, bottom), (middle, top), (right, half) = places
    assert middle == pytest.approx((left + right) / 2)
    assert half == pytest.approx((top + bottom) / 2)
    assert 0 < left < right < WIDTH
    assert 0 < top < bottom < HEIGHT
    assert svg.count('class="s2"') == 3


def test_values_that_are_not_finite_are_left_out() -> None:
    series = [Series("a", [(0, math.nan), (0.5, math.inf), (1, 0.5)], "dots"), Series("b", [(math.nan, 0)])]
    svg = chart("t", AXIS, AXIS, series)
    assert svg.count("<circle") == 1
    assert "nan" not in svg
    assert "inf" not in svg


def test_names_are_escaped_and_charts_have_a_description() -> None:
    svg = chart('<"&>', Axis("<x>", 0, 1, ()), AXIS, [])
    root = ElementTree.fromstring(svg)
    assert (root.get("role"), root.get("aria-label")) == ("img", '<"&>')
    assert "<x>" in [element.text for element in root.iter()]


@settings(deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(1e-9, 1e6), st.integers(2, 10))
def test_ticks_are_inside_the_range(low: float, width: float, count: int) -> None:
    axis = linear_axis("x", low, low + width, count=count)
    assert len(axis.ticks) <= count + 2
    assert all(axis.low - 1e-6 * width - 1e-9 <= tick <= axis.high + 1e-6 * width + 1e-9 for tick in axis.ticks)
    assert list(axis.ticks) == sorted(axis.ticks)


@settings(deadline=None)
@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_logarithmic_axis_takes_any_range(first: float, second: float) -> None:
    axis = log_axis("x", min(first, second), max(first, second))
    assert 0 <= axis.place(first) <= 1
    assert 0 <= axis.place(second) <= 1


def test_whole_ticks() -> None:
    assert linear_axis("epoch", 1, 2, count=8, whole=True).ticks == (1, 2)
    assert linear_axis("epoch", 0, 3, count=8, whole=True).ticks == (0, 1, 2, 3)


@pytest.mark.parametrize("values", [(0.98, 0.985, 0.99), (0.0, 0.0, 0.3), (0.7, 1.0, 1.0), (1.0, 1.0, 1.0)])
def test_intervals_of_any_kind_are_drawn(values: tuple[float, float, float]) -> None:
    for drawn in (interval_chart(*values), range_mark(values[0], *values)):
        assert ElementTree.fromstring(drawn).tag.endswith("svg")


def test_only_named_series_are_in_the_legend() -> None:
    assert legend([Series("", []), Series("a", [], "dashed", "s3")]) == [("s3", "dashed", "a")]
