"""The plot of a training run shows its losses and accuracies, and stays readable at any number of epochs."""

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from penstroke.report.curves import curves_figure


def rows(epochs: int, steps: int, test: bool = True, validation: bool = False) -> tuple[list[Any], list[Any]]:
    def measured(epoch: int, chosen: bool) -> dict[str, float] | None:
        return {"loss": 0.1 / epoch, "accuracy": 0.99 - 0.05 / epoch + 0.001 * (epoch % 2)} if chosen else None

    losses = [{"epoch": e, "step": s, "loss": 1 / (e * s)} for e in range(1, epochs + 1) for s in range(1, steps + 1)]
    every = range(1, epochs + 1)
    return losses, [{"epoch": e, "test": measured(e, test), "validation": measured(e, validation)} for e in every]


def labels(figure: Figure) -> list[list[str]]:
    legends = [axis.get_legend() for axis in figure.axes]
    return [[text.get_text() for text in legend.get_texts()] for legend in legends if legend]


def test_curves_show_steps_and_measurements() -> None:
    steps, epochs = rows(2, 100)
    figure = curves_figure(steps, epochs, "book")
    loss, accuracy = figure.axes
    assert np.size(loss.lines[0].get_xdata()) == 200
    assert np.asarray(loss.lines[0].get_xdata())[[0, 99, 199]].tolist() == pytest.approx([0.01, 1, 2])
    means = np.asarray(loss.lines[1].get_ydata())
    assert means[0] == pytest.approx(np.mean([row["loss"] for row in steps[:3]]))
    assert means[-1] == pytest.approx(np.mean([row["loss"] for row in steps[-3:]]))
    assert np.asarray(accuracy.lines[0].get_ydata()).tolist() == pytest.approx([94.1, 96.5])
    assert labels(figure) == [["each step", "mean of 3 steps", "test"], ["test: 96.50 % at the end"]]
    worse = [{"epoch": 1, "test": {"loss": 1, "accuracy": 0.9}}, {"epoch": 2, "test": {"loss": 1, "accuracy": 0.8}}]
    assert labels(curves_figure(steps, worse, "x"))[1] == ["test: 80.00 % at the end, best 90.00 % (epoch 1)"]


def test_an_accuracy_that_was_not_measured_is_not_drawn() -> None:
    figure = curves_figure(*rows(1, 20, test=False), "fast")
    assert "not measured" in figure.axes[1].texts[0].get_text()
    assert labels(figure) == [["each step"]]


@pytest.mark.parametrize("epochs", [1, 2, 10, 16, 50])
@pytest.mark.parametrize("steps", [1, 17, 125])
def test_no_texts_overlap(epochs: int, steps: int) -> None:
    figure = curves_figure(*rows(epochs, steps, validation=True), "a-run (finished)")
    figure.draw_without_rendering()
    boxes = []
    for axis in figure.axes:
        legend = axis.get_legend()
        assert legend
        assert "mean of 1 steps" not in [text.get_text() for text in legend.get_texts()]
        ticks = [
            label
            for side in (axis.xaxis, axis.yaxis)
            for tick in side.get_major_ticks()
            if (label := tick.label1).get_text()
            and side.get_view_interval()[0] <= tick.get_loc() <= side.get_view_interval()[1]
        ]
        assert 1 <= len([label for label in ticks if label.get_text()]) <= 22
        boxes += [text.get_window_extent() for text in (*ticks, legend, axis.xaxis.label, axis.yaxis.label)]
    overlapping = [(i, j) for i, a in enumerate(boxes) for j, b in enumerate(boxes[:i]) if a.overlaps(b)]
    assert not overlapping
    width, height = figure.canvas.get_width_height()
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height for box in boxes)
    assert all(axis.get_window_extent().width > 0.3 * width for axis in figure.axes)


def test_accuracies_near_100_are_visible() -> None:
    perfect = [{"epoch": 1, "test": {"loss": 0.001, "accuracy": 1.0}}]
    low, high = curves_figure(rows(1, 30)[0], perfect, "x").axes[1].get_ylim()
    assert low < 100 < high < 100.5
