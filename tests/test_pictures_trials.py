"""What pictures are measured with: each trial picture shows what it says, and the figures are counted rightly."""

import os

import numpy as np
import pytest
import torch

from benchmarks import pictures
from benchmarks.non_digits import KINDS, non_digit
from benchmarks.pen_paths import SHAPES, drawn_digit, smooth
from benchmarks.trial_pictures import trial, unseen_digits
from penstroke.data import load
from penstroke.evaluation.calibration import calibration_error
from penstroke.pictures.basics import EmptyPicture
from penstroke.pictures.prepare import prepare


@pytest.mark.parametrize("kind", KINDS)
def test_non_digits_are_of_one_seed_and_take_the_whole_road(kind: str) -> None:
    assert (non_digit(3, kind) == non_digit(3, kind)).all()
    assert non_digit(3, kind).shape != non_digit(4, kind).shape or (non_digit(3, kind) != non_digit(4, kind)).any()
    for seed in range(3):
        try:
            assert prepare(non_digit(seed, kind)).shape == (28, 28)
        except EmptyPicture:
            assert kind not in ("letter", "scribble", "symbol"), "ink was lost"


def test_digits_held_back_are_the_end_of_the_training_set() -> None:
    images, labels = unseen_digits("held back")
    train = load("auto").train
    assert len(images) == len(labels) <= len(train) // 4
    assert (images[-1] == train.images[-1, 0].numpy()).all()
    assert (images != unseen_digits()[0][: len(images)]).any()
    assert trial(5, part="held back")[0].shape != trial(5)[0].shape


def test_pen_paths_go_through_their_corners() -> None:
    corners = np.array([(0.0, 0.0), (0.5, 1.0), (0.5, 1.0), (1.0, 0.0)])
    path = smooth(corners, 10)
    assert all((np.abs(path - corner).sum(1) < 1e-9).any() for corner in corners)
    # Between twins there is no curve: all points are on one side of the corner or the other, never below it.
    assert path[:, 1].max() <= 1.0 + 1e-9
    for digit in SHAPES:
        strokes = drawn_digit(np.random.default_rng(digit), digit)
        points = np.vstack(strokes)
        assert np.abs(points).max() < 1.2
        assert np.ptp(points[:, 1]) > 0.7


def test_calibration_error_is_the_gap_between_said_and_done() -> None:
    rng = np.random.default_rng(0)
    top = rng.uniform(0.5, 1, 30_000)
    honest = (rng.random(len(top)) < top).astype(float)
    said = torch.from_numpy(np.stack([top, 1 - top], 1))
    assert calibration_error(said, torch.from_numpy(1 - honest).long()) < 0.02
    assert calibration_error(said, torch.zeros(len(top), dtype=torch.int64)) == pytest.approx(1 - top.mean())


def test_a_picture_merely_resized_is_bright_on_dark() -> None:
    page = np.full((100, 80, 3), 240, np.uint8)
    page[40:60, 30:50] = 20
    assert pictures.merely_resized(page).shape == (1, 28, 28)
    assert pictures.merely_resized(page)[0, 0, 0] < 20 < 200 < pictures.merely_resized(page)[0, 14, 14]
    assert pictures.merely_resized(255 - page)[0, 14, 14] > 200


def test_digits_drawn_in_a_browser() -> None:
    playwright = pytest.importorskip("playwright", reason="Playwright is not installed")
    assert playwright
    from benchmarks.browser_digits import browser_digits, browser_path

    if browser_path() is None:
        assert "CI" not in os.environ, "the system's Chromium is missing"
        pytest.skip("no Chromium is installed")
    drawn = list(browser_digits(10, seed=1))
    assert [digit for _, digit in drawn] == list(range(10))
    prepared = [prepare(picture) for picture, _ in drawn]
    assert all(40 < (image > 60).sum() < 350 for image in prepared)
    # A mouse that draws nothing would leave ten equal pages.
    assert len({image.tobytes() for image in prepared}) == 10
