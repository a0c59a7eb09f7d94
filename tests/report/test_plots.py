"""Plots of samples, grids and pages show the right captions; the drawing in the terminal is the image."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from penstroke.data import Dataset
from penstroke.inference import Detection, Page, Prediction
from penstroke.pictures.preprocessing import preprocess, preprocess_with_stages
from penstroke.report.pages import draw_page
from penstroke.report.plots import Sample, draw_stages, grid_figure, sample_figure
from penstroke.report.terminal import CHARACTERS, draw

DIGITS = tuple("0123456789")


@pytest.fixture
def image(sample: Dataset) -> np.ndarray:
    return sample.test.images[0]


def one(image: np.ndarray, truth: str | None = "7", classes: Sequence[str] = DIGITS, reason: str = "") -> Sample:
    """Return a sample whose most probable class has index 7."""
    probabilities = [0.01] * len(classes)
    probabilities[7] = 1 - 0.01 * (len(classes) - 1)
    return Sample(0, image, Prediction(tuple(probabilities), tuple(classes), reason), truth)


def pixels(figure: Figure) -> np.ndarray:
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return np.asarray(Image.open(content).convert("RGB"))


def test_a_sample_is_drawn_with_its_captions(image: np.ndarray) -> None:
    figure = sample_figure(one(image))
    titles = [axis.get_title() for axis in figure.axes]
    assert "prediction 7  ·  truth 7" in titles
    assert pixels(figure).std() > 20
    assert "truth 1" in sample_figure(one(image, "1")).axes[0].get_title()
    assert "truth" not in sample_figure(one(image, None)).axes[0].get_title()
    many = [str(number) for number in range(62)]
    assert len(sample_figure(one(image, classes=many)).axes[1].patches) == 12


def test_a_rejected_sample_has_no_prediction(image: np.ndarray) -> None:
    rejected = one(image, reason="it looks like none of the classes")
    assert sample_figure(rejected).axes[0].get_title() == "no prediction (perhaps 7)  ·  truth 7"
    accepted, drawn = (grid_figure([found, found]).axes[0] for found in (one(image), rejected))
    assert drawn.get_title() == "abstained, is 7\n#0"
    assert drawn.title.get_color() != accepted.title.get_color()


@pytest.mark.parametrize("count", [2, 5, 12, 30])
def test_a_grid_shows_every_sample(image: np.ndarray, count: int) -> None:
    figure = grid_figure([one(image, "7" if i % 2 else "1") for i in range(count)])
    titled = [axis.get_title() for axis in figure.axes if axis.get_title()]
    assert len(titled) == count
    assert titled[0].startswith("7, is 1")
    assert pixels(figure).std() > 20


def test_captions_of_a_grid_do_not_overlap(image: np.ndarray) -> None:
    classes = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Ankle boot"]
    figure = grid_figure([one(image, truth, classes) for truth in classes * 2])
    figure.draw_without_rendering()
    boxes = [axis.title.get_window_extent() for axis in figure.axes]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_names_in_any_script_are_drawn_without_a_warning(image: np.ndarray) -> None:
    # Without a font for Japanese names, matplotlib would warn, and a warning fails the test.
    for classes in (tuple("零一二三四五六七八九"), tuple("абвгдежзик"), tuple(f"${number}$_^" for number in DIGITS)):
        figure = sample_figure(one(image, classes[1], classes))
        assert pixels(figure).std() > 20
        assert pixels(grid_figure([one(image, name, classes) for name in classes])).std() > 10
        labels = [label.get_text() for label in figure.axes[1].get_yticklabels()]
        assert labels in (list(classes), [f"class {index}" for index in range(10)])
    # These two are in matplotlib's own font.
    assert labels == list(classes)


def test_a_page_is_drawn_with_boxes_and_labels(tmp_path: Path) -> None:
    picture = np.full((300, 400), 255, np.uint8)
    classes = (*DIGITS[:9], "九")
    found = [Prediction((0.0,) * 9 + (1.0,), classes), Prediction((0.1,) * 10, classes, "it looks like none")]
    detections = [Detection(0, (40 + 150 * i, 100, 60, 90), one) for i, one in enumerate(found)]
    with Image.open(draw_page(picture, Page(tuple(detections)), tmp_path / "page.png")) as drawn:
        assert drawn.size == (400, 300)
        colours = np.asarray(drawn).astype(int)
    green, grey = colours[150, 30:120], colours[150, 180:270]
    assert (green[:, 1] > green[:, 0] + 50).any()
    assert ((grey.max(1) < 200) & (np.ptp(grey, axis=1) < 20)).any()
    assert colours[50:95, 40:100].min() < 200  # the label above the box
    large = np.full((2000, 4000, 3), 255, np.uint8)
    with Image.open(draw_page(large, Page(()), tmp_path / "large.png")) as drawn:
        assert drawn.size == (1600, 800)


@pytest.mark.parametrize("preprocessing", ["digit", "letterbox"])
def test_the_last_stage_is_the_image_that_the_network_gets(sample: Dataset, tmp_path: Path, preprocessing: str) -> None:
    path = tmp_path / "七.png"
    Image.fromarray(sample.test.images[0, 0]).resize((90, 120)).save(path)
    stages = preprocess_with_stages(path, preprocessing, (3, 32, 40))
    assert np.array_equal(stages[-1].image, preprocess(path, preprocessing, (3, 32, 40)).transpose(1, 2, 0))
    with Image.open(draw_stages(stages, path.name, tmp_path / "stages.png")) as drawn:
        assert drawn.width > 600
        assert np.asarray(drawn).std() > 20


def test_the_terminal_shows_the_ink(image: np.ndarray) -> None:
    square = np.zeros((1, 28, 28), np.uint8)
    square[0, 10:14, 5:9] = 255
    assert draw(square) == "\n".join([" " * 5 + "@@@@"] * 2)
    odd = np.zeros((3, 5, 4), np.uint8)
    odd[:, 4] = 255
    assert draw(odd) == "+" * 4
    drawn = draw(image)
    assert set(drawn) <= set(CHARACTERS) | {"\n"}
    assert 5 < len(drawn.splitlines()) <= 14
