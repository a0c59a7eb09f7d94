"""Printed frames: boxes and combs are removed, and strokes, digits and squared paper are not."""

import numpy as np
import pytest
from jaxtyping import Bool, Float32
from numpy import ndarray
from PIL import Image
from scipy import ndimage

from penstroke.data import load
from penstroke.pictures.frames import find_lines, remove_frames

CELL, HEIGHT, LEFT, TOP = 60, 90, 40, 50

Level = Float32[ndarray, "h w"]


def paper(cells: int) -> Level:
    """Return empty paper with room for a row of cells."""
    return np.zeros((2 * TOP + HEIGHT, 2 * LEFT + cells * CELL), np.float32)


def printed(cells: int, strength: float = 1.0) -> Level:
    """Return a row of adjacent boxes with lines of 3 pixels."""
    level = paper(cells)
    for row in (TOP, TOP + HEIGHT):
        level[row : row + 3, LEFT : LEFT + cells * CELL + 3] = strength
    for index in range(cells + 1):
        level[TOP : TOP + HEIGHT + 3, LEFT + index * CELL : LEFT + index * CELL + 3] = strength
    return level


def comb(cells: int, tooth: int = 25) -> Level:
    """Return a line with short upright lines."""
    level = paper(cells)
    level[TOP + HEIGHT : TOP + HEIGHT + 3, LEFT : LEFT + cells * CELL + 3] = 1
    for index in range(cells + 1):
        level[TOP + HEIGHT - tooth : TOP + HEIGHT, LEFT + index * CELL : LEFT + index * CELL + 3] = 1
    return level


def rings(cells: int, drop: int = 0) -> Level:
    """Return a ring in each cell, of which the first is moved down by ``drop``."""
    level = paper(cells)
    y, x = np.mgrid[: level.shape[0], : level.shape[1]]
    for index in range(cells):
        row = TOP + HEIGHT / 2 + (0 if index else drop)
        distance = np.hypot(y - row, 1.6 * (x - LEFT - (index + 0.5) * CELL))
        level[np.abs(distance - 30) < 4] = 1
    return level


def turned(level: Level, angle: float) -> Level:
    """Return the level rotated by degrees, with soft edges as in a photograph."""
    rotated = ndimage.rotate(ndimage.gaussian_filter(level, 0.6), angle, order=1, reshape=True)
    return np.clip(rotated, 0, 1).astype(np.float32)


def strokes(level: Level) -> Bool[ndarray, "h w"]:
    return level > 0.5


@pytest.mark.parametrize("angle", [-7.0, 0.0, 4.0])
@pytest.mark.parametrize("strength", [0.4, 1.0])
@pytest.mark.parametrize("cells", [1, 5])
def test_boxes_are_removed_around_what_is_written(angle: float, strength: float, cells: int) -> None:
    written = turned(rings(cells), angle)
    level = np.maximum(turned(printed(cells, strength), angle), written)
    unframed = remove_frames(level, 1.0, 0.01)
    assert np.array_equal(strokes(unframed), strokes(written))
    assert unframed[written == 0].max() < 0.5


@pytest.mark.parametrize("angle", [-5.0, 0.0, 5.0])
def test_combs_are_removed(angle: float) -> None:
    written = turned(rings(6), angle)
    unframed = remove_frames(np.maximum(turned(comb(6), angle), written), 1.0, 0.01)
    assert np.array_equal(strokes(unframed), strokes(written))


def test_strokes_that_cross_a_line_are_kept() -> None:
    written = rings(5, drop=30)
    unframed = strokes(remove_frames(np.maximum(printed(5), written), 1.0, 0.01))
    assert (unframed & ~strokes(written)).sum() < 15  # parts of the line next to the strokes
    assert (strokes(written) & ~unframed).sum() < 0.02 * strokes(written).sum()
    assert ndimage.label(unframed, np.ones((3, 3)))[1] == 5


def test_an_empty_box_is_removed_only_beside_a_written_one() -> None:
    empty = printed(1)
    assert remove_frames(empty, 1.0, 0.01) is empty
    both = np.hstack([empty, np.maximum(printed(1), rings(1))])
    assert np.array_equal(strokes(remove_frames(both, 1.0, 0.01)), strokes(np.hstack([paper(1), rings(1)])))


def test_squared_paper_is_no_box() -> None:
    level = np.zeros((340, 340), np.float32)
    for position in (90, 170, 250):
        level[position : position + 3, 40:-40] = level[40:-40, position : position + 3] = 0.5
    level[120:124, 100:240] = 1
    assert remove_frames(level, 1.0, 0.01) is level


def test_digits_have_no_lines_of_frames() -> None:
    for image in load("mnist5k").test.images[:, 0]:
        level = np.asarray(Image.fromarray(image).resize((140, 140), Image.Resampling.BICUBIC)) / np.float32(255)
        assert not find_lines(level > 0.3)
        assert remove_frames(level, 1.0, 0.01) is level
