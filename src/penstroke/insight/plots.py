"""Plots: the curves of a training, and pictures with their predictions and truths.

Figures are made without pyplot, so that nothing global is touched and no window system is asked for.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.figure import Figure

from penstroke import storage

RIGHT, WRONG, QUIET = "#1b7f4b", "#c0392b", "#8a9097"


@dataclass(frozen=True)
class Sample:
    """One picture with its answer."""

    index: int
    """Its place in the set."""
    image: UInt8[np.ndarray, "c h w"]
    probabilities: Float[np.ndarray, "classes"]
    classes: tuple[str, ...]
    truth: str | None
    """Its true class, if that is known."""

    @property
    def predicted(self) -> str:
        """Name of the likeliest class."""
        return self.classes[int(self.probabilities.argmax())]

    @property
    def probability(self) -> float:
        """Probability of the likeliest class, 0..1."""
        return float(self.probabilities.max())


def save_figure(figure: Figure, path: Path, dpi: int = 120) -> Path:
    """Write a figure as PNG, whole or not at all, and return its path."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=dpi)
    storage.write_bytes(path, content.getvalue())
    return path


def sample_figure(sample: Sample) -> Figure:
    """Draw one picture, with its prediction and truth above and the probabilities of the classes beside it."""
    shown = np.argsort(-sample.probabilities)[:12] if len(sample.classes) > 12 else np.arange(len(sample.classes))
    figure = Figure(figsize=(7.2, 3.6), layout="constrained")
    picture, bars = figure.subplots(1, 2, width_ratios=[1, 1.15])
    _draw_image(picture, sample.image)
    picture.set_title(_caption(sample), color=_colour(sample), fontsize=12)
    colours = [_colour(sample) if sample.classes[i] == sample.predicted else QUIET for i in shown]
    rows = np.arange(len(shown))
    bars.barh(rows, sample.probabilities[shown], color=colours)
    for row, i in zip(rows, shown, strict=True):
        bars.text(sample.probabilities[i] + 0.02, row, f"{sample.probabilities[i]:.4f}", va="center", fontsize=8)
    bars.set_yticks(rows, [sample.classes[i] for i in shown])
    bars.set(xlim=(0, 1.18), xlabel="probability", xticks=[0, 0.25, 0.5, 0.75, 1])
    bars.invert_yaxis()
    bars.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"test image {sample.index}", fontsize=10, color=QUIET)
    return figure


def grid_figure(samples: Sequence[Sample]) -> Figure:
    """Draw many pictures, each with its prediction, and its truth where they differ."""
    columns = min(len(samples), max(4, math.ceil(math.sqrt(len(samples) * 1.4))))
    rows = math.ceil(len(samples) / columns)
    figure = Figure(figsize=(1.35 * columns, 1.7 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, sample in zip(axes, samples, strict=False):
        _draw_image(axis, sample.image)
        axis.set_title(f"{_caption(sample, short=True)}\n#{sample.index}", color=_colour(sample), fontsize=8)
    for axis in axes[len(samples) :]:
        axis.set_axis_off()
    return figure


def curves_figure(steps: Sequence[dict[str, Any]], epochs: Sequence[dict[str, Any]], title: str) -> Figure:
    """Draw loss and accuracy of a training from the lines of its metrics.

    Args:
        steps: rows of kind `step`: epoch, step, loss.
        epochs: rows of kind `epoch`: epoch, train_loss, test, validation.
        title: what stands above.
    """
    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    loss_axis, accuracy_axis = figure.subplots(1, 2)
    figure.suptitle(title, fontsize=10)
    per_epoch = max((row["step"] for row in steps), default=1)
    at = np.array([row["epoch"] - 1 + row["step"] / per_epoch for row in steps])
    losses = np.array([row["loss"] for row in steps])
    loss_axis.plot(at, losses, color="#c9d6df", linewidth=0.6, label="each step")
    window = max(1, len(losses) // 60)
    if len(losses) > 2 * window:
        smooth = np.convolve(losses, np.ones(window) / window, mode="valid")
        loss_axis.plot(at[window - 1 :], smooth, color="#2c5d88", label=f"mean of {window} steps")
    for name, colour in (("test", "#d35400"), ("validation", "#7d3c98")):
        measured = [(row["epoch"], row[name]) for row in epochs if row.get(name)]
        if measured:
            x = [epoch for epoch, _ in measured]
            loss_axis.plot(x, [found["loss"] for _, found in measured], "o", color=colour, label=name)
            accuracies = [100 * found["accuracy"] for _, found in measured]
            accuracy_axis.plot(x, accuracies, "o-", color=colour, label=name)
            for epoch, value in zip(x, accuracies, strict=True):
                accuracy_axis.annotate(f"{value:.2f}", (epoch, value), (0, 6), textcoords="offset points", ha="center")
    loss_axis.set(xlabel="epoch", ylabel="negative log-likelihood", yscale="log")
    loss_axis.legend(frameon=False, fontsize=8)
    accuracy_axis.set(xlabel="epoch", ylabel="accuracy, %")
    if accuracy_axis.lines:
        accuracy_axis.legend(frameon=False, fontsize=8, loc="lower right")
        accuracy_axis.set_xticks(sorted({row["epoch"] for row in epochs}))
        accuracy_axis.margins(0.2)
        accuracy_axis.set_ylim(top=min(100.5, accuracy_axis.get_ylim()[1]))
    else:
        accuracy_axis.text(0.5, 0.5, "not measured in this training", ha="center", transform=accuracy_axis.transAxes)
    for axis in (loss_axis, accuracy_axis):
        axis.spines[["top", "right"]].set_visible(False)
    return figure


def _draw_image(axis: Any, image: UInt8[np.ndarray, "c h w"]) -> None:
    pixels = image[0] if image.shape[0] == 1 else image.transpose(1, 2, 0)
    axis.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axis.set_axis_off()


def _colour(sample: Sample) -> str:
    return RIGHT if sample.truth in (None, sample.predicted) else WRONG


def _caption(sample: Sample, short: bool = False) -> str:
    if short:
        said = sample.predicted
        return said if sample.truth in (None, said) else f"{said}, is {sample.truth}"
    return f"prediction {sample.predicted}" + (f"  ·  truth {sample.truth}" if sample.truth is not None else "")
