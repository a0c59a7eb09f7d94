"""Digits that are written by a simulated pen: all forms are drawn, are legible, and are a function of the seed."""

import numpy as np
import pytest
from jaxtyping import UInt8
from numpy import ndarray

from penstroke import Classifier
from penstroke.synthesis import handwriting
from penstroke.synthesis.digits import CANVAS_SIZE, WRITTEN_HEIGHT, fit_to_image, new_canvas
from penstroke.synthesis.handwriting import FORMS, STEPS, pen_path, write_digit


def written(digit: int, seed: int) -> UInt8[ndarray, "28 28"]:
    rng = np.random.default_rng(seed)
    canvas, draw = new_canvas()
    write_digit(draw, digit, WRITTEN_HEIGHT, CANVAS_SIZE / 2, rng)
    return fit_to_image(np.asarray(canvas, np.float32), rng)


@pytest.mark.parametrize(
    ("digit", "form"), [(digit, form) for digit, forms in FORMS.items() for form in range(len(forms))]
)
def test_each_form_is_legible(monkeypatch: pytest.MonkeyPatch, digit: int, form: int) -> None:
    monkeypatch.setitem(handwriting.FORMS, digit, [FORMS[digit][form]])
    images = np.stack([written(digit, seed)[None] for seed in range(20)])
    assert len({image.tobytes() for image in images}) == 20
    assert np.array_equal(images[7, 0], written(digit, 7))
    assert (Classifier.load("ready").log_probs(images).argmax(1) == digit).mean() >= 0.8


def test_a_slow_pen_turns_at_corners_and_a_fast_one_does_not() -> None:
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    turns = {}
    for speed in (0.0, 1.0):
        path = pen_path(corners, speed, np.random.default_rng(0))
        assert path.shape == (STEPS, 2)
        assert np.abs(path[[0, -1]] - corners[[0, -1]]).max() < 0.15
        steps = np.diff(path, axis=0)
        angles = np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))
        turns[speed] = np.abs(np.diff(angles)).max()
    assert turns[1.0] < 0.5 < 0.7 < turns[0.0]
