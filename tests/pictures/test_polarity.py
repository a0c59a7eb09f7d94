"""The first estimate of the ink: what is skipped to save time does not change it."""

import numpy as np
import pytest
from scipy import ndimage

from benchmarks.trial_pictures import trial
from penstroke.pictures.basics import resize, to_grey
from penstroke.pictures.polarity import _best_window, _find_marks, _strokes, ink_in_photograph


@pytest.mark.parametrize("kind", ["plain", "squared", "shadow", "dark", "pencil", "noisy"])
def test_a_score_up_to_the_minimum_is_none_and_others_are_exact(kind: str) -> None:
    grey = to_grey(trial(3, kind)[0])
    small = resize(grey, min(1.0, 120 / max(grey.shape)))
    edges = ndimage.gaussian_gradient_magnitude(small, 0.7)
    for bright in (False, True):
        estimate, score = _best_window(small, bright, edges, 0.0)
        assert estimate
        assert score > 0
        same, same_score = _best_window(small, bright, edges, 0.99 * score)
        assert same
        assert same_score >= score  # a smaller window that is less good does not exclude a larger one
        assert _best_window(small, bright, edges, 1e9) == (None, 0.0)


@pytest.mark.parametrize("seed", [2, 5, 8])
def test_the_grain_inside_a_wide_stroke_is_not_taken_for_strokes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ink = ndimage.gaussian_filter(np.pad(np.ones((240, 44)), ((60, 60), (128, 128))), 1.5)
    grain = ndimage.gaussian_filter(rng.normal(size=ink.shape), 1)
    grey = 220 - 120 * ink * np.clip(0.8 + 1.2 * grain, 0, 1) + rng.normal(0, 1, ink.shape)
    estimate = ink_in_photograph(grey.astype(np.float32))
    assert not estimate.bright
    assert 25 < estimate.width < 60


@pytest.mark.parametrize("kind", ["plain", "crumpled", "squared"])
def test_marks_state_an_upper_bound_of_their_score(kind: str) -> None:
    small = resize(to_grey(trial(1, kind)[0]), 0.2)
    marks = _find_marks(np.median(small) - small, ndimage.gaussian_gradient_magnitude(small, 0.7))
    score, mask = _strokes(marks)
    assert 0 < score <= marks.scores.sum()
    assert mask.any()
    assert not (mask & ~marks.mask).any()
