"""Sliding windows, distances and order statistics: the same results as SciPy's and NumPy's functions, to the bit."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy import ndarray
from scipy import ndimage

from penstroke.pictures import filters

SIDES = arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=30)
LONG_SIDES = arrays.array_shapes(min_dims=2, max_dims=2, min_side=9, max_side=30)
LEVELS = st.floats(0, 255, width=32)
MASKS = arrays.arrays(bool, SIDES)
SQUARE = np.ones((3, 3))


def same(found: ndarray, expected: Any) -> bool:
    return found.dtype == expected.dtype and np.array_equal(found, expected)


@given(arrays.arrays(np.float32, SIDES, elements=LEVELS), st.integers(0, 40))
def test_windows_equal_scipys(picture: ndarray, radius: int) -> None:
    size = 2 * radius + 1
    assert same(filters.window_max(picture, size), ndimage.maximum_filter(picture, size))
    assert same(filters.window_min(picture, size), ndimage.minimum_filter(picture, size))
    assert same(filters.window_max(picture, size, (0,)), ndimage.maximum_filter1d(picture, size, 0))
    assert same(filters.closing(picture, size), ndimage.grey_closing(picture, size))
    assert same(filters.opening(picture, size), ndimage.grey_opening(picture, size))
    assert same(filters.opening(picture, size, (0,)), ndimage.grey_opening(picture, (size, 1)))


@given(MASKS, st.integers(1, 9))
def test_masks_are_dilated_and_eroded_as_by_scipy(mask: ndarray, radius: int) -> None:
    assert same(filters.dilation(mask, radius), ndimage.binary_dilation(mask, SQUARE, radius))
    assert same(filters.erosion(mask, radius), ndimage.binary_erosion(mask, SQUARE, radius, border_value=1))
    assert same(filters.dilation(mask, radius, (1,)), ndimage.maximum_filter1d(mask, 2 * radius + 1, 1))
    assert same(filters.outline(mask), mask & ~ndimage.binary_erosion(mask))


@given(arrays.arrays(np.float32, LONG_SIDES, elements=LEVELS), st.integers(1, 8))
def test_disks_equal_scipys(picture: ndarray, radius: int) -> None:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disk = x * x + y * y <= radius * radius + 1
    assert same(filters.disk_max(picture, radius), ndimage.grey_dilation(picture, footprint=disk))
    assert same(filters.disk_min(picture, radius), ndimage.grey_erosion(picture, footprint=disk))


def scipys_distance(mask: ndarray) -> Any:
    return ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]


@given(MASKS)
def test_distances_equal_scipys(mask: ndarray) -> None:
    assert same(filters.distance_to_paper(mask), scipys_distance(mask))


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (93, 200), (94, 200), (95, 200), (97, 97), (300, 301)])
def test_long_distances_equal_scipys(shape: tuple[int, int]) -> None:
    full = np.ones(shape, bool)
    assert same(filters.distance_to_paper(full), scipys_distance(full))
    # With a few holes, the nearest pixel outside the mask is in any direction.
    holes = np.random.default_rng(0).random(shape) > 3 / full.size
    assert same(filters.distance_to_paper(holes), scipys_distance(holes))


@given(
    arrays.arrays(st.sampled_from([np.float32, np.float64]), st.integers(1, 60), elements=LEVELS),
    st.floats(0, 99.9),
)
def test_order_statistics_equal_numpys(values: ndarray, percent: float) -> None:
    assert filters.median(values) == float(np.median(values))
    assert filters.percentile(values, percent) == float(np.percentile(values, percent))
    assert filters.median(values[:, None]) == filters.median(values)


@given(arrays.arrays(np.int64, st.integers(1, 9), elements=st.integers(-100, 100)))
def test_the_median_of_integers_is_numpys(values: ndarray) -> None:
    assert filters.median(values) == float(np.median(values))
