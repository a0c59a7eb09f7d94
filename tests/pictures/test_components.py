"""Connected components: the same as SciPy's, in the same order; drawings are prepared without SciPy's module."""

import subprocess
import sys
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy import ndarray
from scipy import ndimage

from penstroke.pictures.components import Components, find_components

SCRIPT = """
import sys
import numpy as np
from penstroke.pictures import preprocess
picture = np.zeros((28, 28), np.uint8)
picture[6:22, 12:15] = picture[6:9, 8:15] = 255
for drawing in (picture, 255 - picture.repeat(9, 0).repeat(9, 1)):
    assert preprocess(drawing, "digit", (1, 28, 28)).max() == 255
print("scipy.ndimage" in sys.modules)
"""


def check(found: Components, mask: ndarray) -> None:
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    boxes = [[y.start, x.start, y.stop, x.stop] for y, x in ndimage.find_objects(labels)]
    assert found.labels.dtype == labels.dtype
    assert np.array_equal(found.labels, labels)
    assert found.count == count
    assert np.array_equal(found.boxes, np.array(boxes, int).reshape(-1, 4))


@given(arrays.arrays(bool, arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=25)), st.randoms())
def test_components_equal_scipys(mask: ndarray, random: Random) -> None:
    found = find_components(mask)
    check(found, mask)
    kept = np.array([random.random() < 0.5 for _ in range(found.count)], bool)
    check(found.keep(kept), np.isin(found.labels, np.flatnonzero(kept) + 1))


@pytest.mark.parametrize("smooth", [0.4, 1.5, 6.0])
def test_components_of_large_masks_equal_scipys(smooth: float) -> None:
    noise = np.random.default_rng(0).normal(size=(200, 260))
    mask = ndimage.gaussian_filter(noise, smooth) > 0
    check(find_components(mask), mask)
    check(find_components(~mask), ~mask)


def test_spirals_and_combs_are_one_component() -> None:
    y, x = np.mgrid[:81, :81]
    rings = np.maximum(abs(y - 40), abs(x - 40)) % 2 == 0
    rings[40, 40:] = True
    snake = y % 4 == 0
    for row in range(0, 80, 4):
        snake[row : row + 4, 0 if row % 8 else -1] = True
    comb = (x % 2 == 0) | (y == 80)
    for mask in (rings, snake, comb, comb[::-1]):
        check(find_components(mask), mask)
        assert find_components(mask).count == 1


def test_a_grey_drawing_is_prepared_without_scipys_module() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
