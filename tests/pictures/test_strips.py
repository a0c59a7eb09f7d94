"""Tests of the normalisation of touching digits to strips."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstroke.pictures.basics import stroke_width
from penstroke.pictures.strips import HEIGHT, INK_HEIGHT, MARGIN, MAX_INK_WIDTH, to_strip


@given(st.integers(1, 90), st.integers(1, 400), st.integers(0, 8), st.integers(0, 2**32 - 1))
def test_the_ink_fills_the_height_of_a_strip(height: int, width: int, margin: int, seed: int) -> None:
    ink = np.random.default_rng(seed).uniform(0.1, 1, (height, width)).astype(np.float32)
    strip = to_strip(np.pad(ink, margin))
    expected = min(MAX_INK_WIDTH, max(1, round(width * INK_HEIGHT / height)))
    assert strip.dtype == np.uint8
    assert strip.shape == (HEIGHT, expected + 2 * MARGIN)
    top = (HEIGHT - INK_HEIGHT) // 2
    outside = np.ones(strip.shape, bool)
    outside[top : top + INK_HEIGHT, MARGIN : MARGIN + expected] = False
    assert not strip[outside].any()


@pytest.mark.parametrize(("pen", "least", "most"), [(1, 1.4, 3), (12, 2, 5), (44, 5, 8.5)])
def test_very_thin_and_thick_strokes_get_usual_widths(pen: int, least: float, most: float) -> None:
    level = np.zeros((120, 300), np.float32)
    for left in (20, 140, 300 - 20 - pen):
        level[:, left : left + pen] = 1
    level[:pen, 20 : 300 - 20] = 1
    strip = to_strip(level) / 255
    assert least <= stroke_width(strip > 0.35)[0] <= most
