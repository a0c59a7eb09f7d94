"""Ruled lines: they are removed, strokes are kept, and pictures without lines are recognised early."""

import numpy as np
import pytest
from jaxtyping import Float32
from numpy import ndarray
from scipy import ndimage

from penstroke.pictures import ruled_lines
from penstroke.pictures.ruled_lines import remove_ruled_lines

SHAPE = (150, 190)


def paper(seed: int, noise: float, level: float, slope: float, gap: int = 0) -> Float32[ndarray, "h w"]:
    """Return noisy paper with a ring of the pen's strength 1, and lines with gaps of the given level and slope."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    lines = (np.abs((y - slope * x + rng.uniform(0, 30)) % 30 - 15) < 1.2) & (x % 20 >= gap)
    ring = np.abs(np.hypot(y - 75, x - rng.uniform(60, 130)) - 40) < 4
    clean = np.where(ring, 1.0, level * lines)
    return np.maximum(ndimage.gaussian_filter(clean, 0.6) + rng.normal(0, noise, SHAPE), 0).astype(np.float32)


@pytest.mark.parametrize("slope", [0.0, 0.12])
def test_lines_are_removed_and_strokes_are_kept(slope: float) -> None:
    blank = paper(0, 0.02, 0.0, slope)
    unruled = remove_ruled_lines(paper(0, 0.02, 0.3, slope), 1.0, 0.02)
    assert unruled[blank < 0.3].mean() < blank[blank < 0.3].mean() + 0.01
    assert unruled[blank > 0.8].mean() > 0.97 * blank[blank > 0.8].mean()
    assert remove_ruled_lines(blank, 1.0, 0.02) is blank


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("noise", [0.0, 0.005, 0.03])
@pytest.mark.parametrize("level", [0.0, 0.05, 0.3, 0.9])
def test_an_early_decision_does_not_change_the_result(
    monkeypatch: pytest.MonkeyPatch, seed: int, noise: float, level: float
) -> None:
    ruled = paper(seed, noise, level, 0.04 * seed - 0.1, gap=4 * (seed % 2))
    crop = ruled[:, seed * 10 :]  # also without paper at the left
    found = [remove_ruled_lines(picture, 1.0, noise) for picture in (ruled, crop)]
    monkeypatch.setattr(ruled_lines, "_may_have_line", lambda *_: True)
    expected = [remove_ruled_lines(picture, 1.0, noise) for picture in (ruled, crop)]
    assert all(map(np.array_equal, found, expected))


def test_a_drawing_is_not_searched_for_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    drawing = paper(0, 0.0, 0.0, 0.0)
    monkeypatch.delattr(ruled_lines, "_find_slope")
    assert remove_ruled_lines(drawing, 1.0, 0.0) is drawing
