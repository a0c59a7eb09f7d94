"""Tests of pages that are not upright, with the bundled model and digits of the sample."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from penstroke import Classifier
from penstroke.data import Dataset
from penstroke.inference.pages import OTHER_SIZE, PageReader, box_before_turns

ROWS = ((2, 3, 5, 7), (4, 7, 2, 3))


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load("ready")


@pytest.fixture(scope="module")
def page(sample: Dataset) -> UInt8[ndarray, "h w"]:
    """Return a picture of ``ROWS``, in digits that look like no others upside down."""
    test = sample.test
    paper = np.full((260, 480), 235, np.uint8)
    for line, row in enumerate(ROWS):
        for column, label in enumerate(row):
            index = np.flatnonzero(test.labels == label)[line]
            image = np.asarray(Image.fromarray(test.images[index, 0]).resize((84, 84)))
            y, x = 20 + 120 * line, 40 + 100 * column
            paper[y : y + 84, x : x + 84] = np.minimum(paper[y : y + 84, x : x + 84], 235 - image * 0.8)
    return paper


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_turned_page_is_read_upright_with_boxes_in_the_picture(
    classifier: Classifier, page: UInt8[ndarray, "h w"], quarters: int
) -> None:
    turned = np.ascontiguousarray(np.rot90(page, -quarters))
    found = classifier.read(turned)
    assert found.lines == ["".join(map(str, row)) for row in ROWS]
    assert found.rotation == found.to_json()["rotation"] == 90 * quarters
    boxes = np.zeros(turned.shape, bool)
    for x, y, width, height in (mark.box for mark in found.digits):
        assert turned[y : y + height, x : x + width].min() < 100
        boxes[max(y - 3, 0) : y + height + 3, max(x - 3, 0) : x + width + 3] = True
    assert turned[~boxes].min() > 150, "all ink is in the boxes"


@given(st.integers(0, 3), st.integers(1, 40), st.integers(1, 40), st.data())
def test_a_box_before_the_turns_has_the_same_pixels(turns: int, height: int, width: int, data: st.DataObject) -> None:
    pixels = np.arange(height * width).reshape(height, width)
    turned = np.rot90(pixels, turns)
    y, x = (data.draw(st.integers(0, side - 1)) for side in turned.shape)
    tall, wide = (data.draw(st.integers(1, side - at)) for side, at in zip(turned.shape, (y, x), strict=True))
    left, top, columns, rows = box_before_turns((x, y, wide, tall), turns, (height, width))
    part, before = turned[y : y + tall, x : x + wide], pixels[top : top + rows, left : left + columns]
    assert np.array_equal(np.sort(part.ravel()), np.sort(before.ravel()))


def test_points_are_rejected_with_the_reason(classifier: Classifier, page: UInt8[ndarray, "h w"]) -> None:
    marked = page.copy()
    marked[96:103, 132:139] = 30
    found = classifier.read(marked)
    assert found.lines == classifier.read(page).lines
    (point,) = found.rejected
    assert (point.line, point.prediction.reason, point.to_json()["probability"]) == (0, OTHER_SIZE, None)


@pytest.mark.parametrize(("reading", "clear"), [((3, 5), True), ((9, 9), False)])
def test_a_touching_digit_is_clear_only_if_its_image_and_the_reading_of_the_whole_agree(
    classifier: Classifier, sample: Dataset, reading: tuple[int, int], *, clear: bool
) -> None:
    three, five = (sample.test.images[np.flatnonzero(sample.test.labels == label)[0], 0] for label in (3, 5))
    ink = np.zeros((28, 60), np.uint8)
    ink[:, 5:33] = three
    ink[:, 23:51] = np.maximum(ink[:, 23:51], five)
    ink[13:16, 15:40] = 255  # connects them
    paper = 235 - np.pad(np.kron(ink, np.ones((4, 4))), 20) * 0.8
    reader = PageReader(
        lambda images: classifier.log_probs(images[:, None]),
        classifier.description.classes,
        threshold=0.0,
        knows_outliers=False,
        read_strip=lambda _: [(reading, 0.0)],
    )
    marks = reader.read(paper.astype(np.uint8)).digits
    assert len(marks) == 2
    assert all(((mark.prediction.probability or 0) > 0.9) == clear for mark in marks)
