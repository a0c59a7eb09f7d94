"""Tests of the generated pictures that preprocessing is measured with."""

import os
from functools import partial

import numpy as np
import pytest

from benchmarks.drawings import canvases, drawings, mnist_drawings
from benchmarks.outlier_pictures import KINDS, outlier_picture
from benchmarks.pen_paths import SHAPES, drawn_digit, smooth
from benchmarks.simple_preparation import resize_only
from benchmarks.trial_pictures import trial, unseen_digits
from penstroke.data import Dataset
from penstroke.errors import EmptyPicture
from penstroke.pictures.prepare import prepare


@pytest.mark.parametrize("kind", KINDS)
def test_outliers_depend_on_the_seed_only_and_can_be_prepared(kind: str) -> None:
    assert (outlier_picture(3, kind) == outlier_picture(3, kind)).all()
    first, second = outlier_picture(3, kind), outlier_picture(4, kind)
    assert first.shape != second.shape or (first != second).any()
    for seed in range(3):
        try:
            assert prepare(outlier_picture(seed, kind)).shape == (28, 28)
        except EmptyPicture:
            assert kind not in ("letter", "scribble", "symbol"), "ink was lost"


def test_validation_digits_are_the_end_of_the_training_set(sample: Dataset) -> None:
    images, labels = unseen_digits("validation")
    assert len(images) == len(labels) <= len(sample.train) // 4
    assert (images[-1] == sample.train.images[-1, 0]).all()
    assert (images != unseen_digits()[0][: len(images)]).any()
    assert trial(5, part="validation")[0].shape != trial(5)[0].shape


def test_trial_pictures_depend_on_the_seed_only() -> None:
    assert (trial(5, "mixed", 3, 1)[0] == trial(5, "mixed", 3, 1)[0]).all()
    assert trial(5)[0].shape != trial(6)[0].shape


def test_drawings_depend_on_the_seed_only(sample: Dataset) -> None:
    for draw in (drawings, partial(mnist_drawings, sample.test)):
        drawn, again, other = draw(20, 1), draw(10, 1), draw(10, 2)
        assert all((a == b).all() and label == same for (a, label), (b, same) in zip(drawn, again, strict=False))
        assert [picture.shape for picture, _ in again] != [picture.shape for picture, _ in other]
        for canvas, (picture, _) in zip(canvases(20, 1), drawn, strict=True):
            assert picture.shape == (canvas.height, canvas.width)
            assert np.bincount(picture.ravel()).argmax() == canvas.paper
            assert (picture != canvas.paper).any()
    assert [label for _, label in drawings(12, 1)] == [*range(10), 0, 1]


def test_pen_paths_pass_through_their_corners() -> None:
    corners = np.array([(0.0, 0.0), (0.5, 1.0), (0.5, 1.0), (1.0, 0.0)])
    path = smooth(corners, 10)
    assert all((np.abs(path - corner).sum(1) < 1e-9).any() for corner in corners)
    # A repeated corner is sharp: no point of the path is below it.
    assert path[:, 1].max() <= 1.0 + 1e-9
    for digit in SHAPES:
        strokes = drawn_digit(np.random.default_rng(digit), digit)
        points = np.vstack(strokes)
        assert np.abs(points).max() < 1.2
        assert np.ptp(points[:, 1]) > 0.7


def test_a_merely_resized_picture_is_bright_on_dark() -> None:
    page = np.full((100, 80, 3), 240, np.uint8)
    page[40:60, 30:50] = 20
    assert resize_only(page).shape == (28, 28)
    assert resize_only(page)[0, 0] < 20 < 200 < resize_only(page)[14, 14]
    assert resize_only(255 - page)[14, 14] > 200


def test_digits_drawn_in_a_browser() -> None:
    playwright = pytest.importorskip("playwright", reason="Playwright is not installed")
    assert playwright
    from benchmarks.browser_digits import browser_digits, browser_path

    if browser_path() is None:
        assert "CI" not in os.environ, "the system's Chromium is missing"
        pytest.skip("Chromium is not installed")
    drawn = list(browser_digits(10, seed=1))
    assert [digit for _, digit in drawn] == list(range(10))
    prepared = [prepare(picture) for picture, _ in drawn]
    assert all(40 < (image > 60).sum() < 350 for image in prepared)
    # If the mouse drew nothing, the ten pages would be equal.
    assert len({image.tobytes() for image in prepared}) == 10
