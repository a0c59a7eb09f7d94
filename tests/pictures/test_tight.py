"""Tests of small pictures that a digit fills: nothing of the digit is lost, whichever polarity and level they have."""

import numpy as np
import pytest

from benchmarks.outlier_pictures import outlier_picture
from benchmarks.simple_preparation import crop_fit_centre
from benchmarks.small_pictures import KINDS, compare, small_picture
from penstroke import Classifier
from penstroke.pictures.basics import to_grey
from penstroke.pictures.polarity import estimate_ink
from penstroke.pictures.prepare import prepare
from penstroke.pictures.tight import find_two_levels, otsu

BLOCK = np.zeros((20, 9), np.uint8)
BLOCK[:, 2:] = 200
BLOCK[:8, 6:] = 0


@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_is_worse_than_cropping_fitting_and_centring(kind: str) -> None:
    pictures, inks, labels = zip(*(small_picture(seed, kind) for seed in range(40)), strict=True)
    found = compare(Classifier.load("ready"), list(pictures), list(inks), list(labels))
    assert found["prepared"]["empty"] == 0
    assert found["prepared"]["right"] >= found["crop, fit, centre"]["right"] - 1


@pytest.mark.parametrize("dark", [False, True])
def test_ink_may_cover_most_of_the_picture(dark: bool) -> None:
    estimate = estimate_ink((255 - BLOCK if dark else BLOCK).astype(np.float32))
    assert estimate.bright != dark
    assert (estimate.mask == (BLOCK > 0)).all()


def test_a_tall_narrow_digit_without_paper_is_not_empty() -> None:
    picture = np.full((50, 10), 255, np.uint8)
    for row in range(50):
        picture[row, : max(0, 3 - row // 14)] = picture[row, 10 - row // 17 :] = 20
    assert prepare(picture).max() > 200
    assert prepare(255 - picture).max() > 200


def test_other_pictures_are_not_tight() -> None:
    assert find_two_levels(np.kron(BLOCK, np.ones((6, 6))).astype(np.float32)) is None, "too large"
    assert find_two_levels(np.full((30, 30), 7.0, np.float32)) is None, "uniform"
    for seed in range(10):
        noise = to_grey(outlier_picture(seed, "noise"))[:90, :90]
        levels = find_two_levels(noise)
        assert levels is None or not levels.is_tight


def test_otsu_equals_scikit_image() -> None:
    from skimage.filters import threshold_otsu

    picture = crop_fit_centre(small_picture(1, "grey")[1])
    assert otsu(np.bincount(picture.ravel(), minlength=256))[0] == threshold_otsu(picture)
