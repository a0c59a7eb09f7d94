"""Plots are real pictures of the figures; the terminal's drawing is the image."""

import io

import numpy as np
import pytest
from PIL import Image
from trained import dataset

from penstroke.insight.plots import Sample, curves_figure, grid_figure, sample_figure
from penstroke.insight.terminal import RAMP, draw


def sample(truth: str | None = "7", classes: int = 10) -> Sample:
    probabilities = np.full(classes, 0.01)
    probabilities[7] = 1 - 0.01 * (classes - 1)
    names = tuple(str(number) for number in range(classes))
    return Sample(0, dataset().test.images[0].numpy(), probabilities, names, truth)


def pixels(figure: object) -> np.ndarray:
    content = io.BytesIO()
    figure.savefig(content, format="png")  # type: ignore[attr-defined]
    return np.asarray(Image.open(content).convert("RGB"))


def test_a_sample_is_drawn_with_its_captions() -> None:
    figure = sample_figure(sample())
    titles = [axis.get_title() for axis in figure.axes]
    assert "prediction 7  ·  truth 7" in titles
    assert pixels(figure).std() > 20
    assert "truth 1" in sample_figure(sample("1")).axes[0].get_title()
    assert "truth" not in sample_figure(sample(None)).axes[0].get_title()
    assert len(sample_figure(sample(classes=62)).axes[1].patches) == 12


@pytest.mark.parametrize("count", [2, 5, 12, 30])
def test_a_grid_shows_every_sample(count: int) -> None:
    figure = grid_figure([sample("7" if i % 2 else "1") for i in range(count)])
    titled = [axis.get_title() for axis in figure.axes if axis.get_title()]
    assert len(titled) == count
    assert titled[0].startswith("7, is 1")


def test_curves_show_steps_and_measurements() -> None:
    steps = [{"epoch": e, "step": s, "loss": 1 / (e * s)} for e in (1, 2) for s in range(1, 101)]
    epochs = [{"epoch": e, "test": {"loss": 0.1 / e, "accuracy": 0.9 + e / 100}} for e in (1, 2)]
    figure = curves_figure(steps, epochs, "book")
    loss, accuracy = figure.axes
    assert np.size(loss.lines[0].get_xdata()) == 200
    assert np.asarray(accuracy.lines[0].get_ydata()).tolist() == pytest.approx([91, 92])
    assert "not measured" in curves_figure(steps, [{"epoch": 1, "test": None}], "x").axes[1].texts[0].get_text()


def test_the_terminal_shows_the_ink() -> None:
    image = np.zeros((1, 28, 28), np.uint8)
    image[0, 10:14, 5:9] = 255
    assert draw(image) == "\n".join([" " * 5 + "@@@@"] * 2)
    drawn = draw(dataset().test.images[0].numpy())
    assert set(drawn) <= set(RAMP) | {"\n"}
    assert 5 < len(drawn.splitlines()) <= 14
