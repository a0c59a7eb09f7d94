"""The first estimate of the ink: what is skipped to save time does not change it."""

import numpy as np
import pytest
from scipy import ndimage

from benchmarks.trial_pictures import trial
from penstroke.pictures.basics import resize, to_grey
from penstroke.pictures.polarity import _best_window, _find_marks, _strokes


@pytest.mark.parametrize("kind", ["plain", "squared", "shadow", "dark", "pencil", "noisy"])
def test_a_score_up_to_the_minimum_may_be_0_and_others_are_exact(kind: str) -> None:
    grey = to_grey(trial(3, kind)[0])
    small = resize(grey, min(1.0, 120 / max(grey.shape)))
    edges = ndimage.gaussian_gradient_magnitude(small, 0.7)
    for page in (small, 255 - small):
        score, mask = _best_window(page, edges, 0.5, 0.0)
        assert score > 0
        same, same_mask = _best_window(page, edges, 0.5, 0.99 * score)
        assert same == score
        assert np.array_equal(mask, same_mask)
        assert _best_window(page, edges, 0.5, score)[0] <= score
        assert _best_window(page, edges, 0.5, 1e9)[0] == 0


@pytest.mark.parametrize("kind", ["plain", "crumpled", "squared"])
def test_marks_state_an_upper_bound_of_their_score(kind: str) -> None:
    small = resize(to_grey(trial(1, kind)[0]), 0.2)
    marks = _find_marks(np.median(small) - small, ndimage.gaussian_gradient_magnitude(small, 0.7))
    score, mask = _strokes(marks)
    assert 0 < score <= marks.scores.sum()
    assert mask.any()
    assert not (mask & ~marks.mask).any()
