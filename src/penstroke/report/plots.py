"""Plots of test images with their predictions, and of the stages in which a picture is prepared.

Figures are created without pyplot, so that no global state changes.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from matplotlib.figure import Figure

from penstroke import storage
from penstroke.inference import Prediction
from penstroke.pictures import Stage
from penstroke.report.fonts import Font, choose_font

CORRECT, WRONG, NEUTRAL = "#1b7f4b", "#c0392b", "#8a9097"
MAX_BARS = 12
"""Maximum number of classes whose probabilities are drawn."""
SHORT_CAPTION = 16
"""Number of characters that fit above an image of a grid."""


@dataclass(frozen=True)
class Sample:
    """One image of a split with its prediction."""

    index: int
    """Index of the image in the split."""
    image: UInt8[np.ndarray, "c h w"]
    prediction: Prediction
    truth: str | None
    """The true class, or None if it is unknown."""


def save_figure(figure: Figure, path: Path, dpi: int = 120) -> Path:
    """Write a figure as PNG, create the folder if it is missing, and return the path."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=dpi)
    storage.make_folder(path.parent)
    storage.write_bytes(path, content.getvalue())
    return path


def sample_figure(sample: Sample) -> Figure:
    """Draw one image with its prediction and true class, next to the probabilities of the classes."""
    prediction = sample.prediction
    font = choose_font(prediction.classes)
    names = font.names(prediction.classes)
    values = np.asarray(prediction.probabilities)
    shown = np.argsort(-values)[:MAX_BARS] if len(values) > MAX_BARS else np.arange(len(values))
    figure = Figure(figsize=(7.2, 3.6), layout="constrained")
    image_axis, bars = figure.subplots(1, 2, width_ratios=[1, 1.15])
    _draw_image(image_axis, sample.image)
    image_axis.set_title(_caption(sample, font), color=_colour(sample), fontsize=12, **font.style)
    colours = [_colour(sample) if prediction.classes[i] == prediction.most_probable else NEUTRAL for i in shown]
    rows = np.arange(len(shown))
    bars.barh(rows, values[shown], color=colours)
    for row, value in zip(rows, values[shown], strict=True):
        bars.text(value + 0.02, row, f"{value:.4f}", va="center", fontsize=8)
    bars.set_yticks(rows, [names[i] for i in shown], **font.style)
    bars.set(xlim=(0, 1.18), xlabel="probability", xticks=[0, 0.25, 0.5, 0.75, 1])
    bars.invert_yaxis()
    bars.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"test image {sample.index}", fontsize=10, color=NEUTRAL)
    return figure


def grid_figure(samples: Sequence[Sample]) -> Figure:
    """Draw many images, each with its prediction, and with its true class where they differ."""
    columns = min(len(samples), max(4, math.ceil(math.sqrt(len(samples) * 1.4))))
    rows = math.ceil(len(samples) / columns)
    font = choose_font(samples[0].prediction.classes)
    captions = [_short_caption(sample, font) for sample in samples]
    lines = 2 + any("\n" in caption for caption in captions)
    figure = Figure(figsize=(1.35 * columns, (1.4 + 0.15 * lines) * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, sample, caption in zip(axes, samples, captions, strict=False):
        _draw_image(axis, sample.image)
        axis.set_title(f"{caption}\n#{sample.index}", color=_colour(sample), fontsize=8, **font.style)
    for axis in axes[len(samples) :]:
        axis.set_axis_off()
    return figure


SINGLE_PIXELS = 64
"""Side up to which the pixels of a stage are drawn as squares."""


def draw_stages(stages: Sequence[Stage], title: str, path: Path) -> Path:
    """Write the stages of a preparation side by side as one PNG."""
    columns = min(len(stages), 5)
    rows = math.ceil(len(stages) / columns)
    font = choose_font([title])
    figure = Figure(figsize=(2.3 * columns, 2.75 * rows), layout="constrained")
    figure.suptitle(font.text(title), fontsize=11, **font.style)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for number, (axis, stage) in enumerate(zip(axes, stages, strict=False), start=1):
        small = max(stage.image.shape[:2]) <= SINGLE_PIXELS  # a small picture is not smoothed: its pixels are shown
        interpolation = "nearest" if small or number == len(stages) else None
        axis.imshow(stage.image, cmap="gray", vmin=0, vmax=255, interpolation=interpolation)
        axis.set_title(f"{number}. {stage.name}\n{stage.note}", fontsize=8)
    return save_figure(figure, path)


def _draw_image(axis: Any, image: UInt8[np.ndarray, "c h w"]) -> None:
    pixels = image[0] if image.shape[0] == 1 else image.transpose(1, 2, 0)
    axis.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axis.set_axis_off()


def _colour(sample: Sample) -> str:
    prediction = sample.prediction
    if prediction.abstained:
        return NEUTRAL
    return CORRECT if sample.truth in (None, prediction.label) else WRONG


def _name(label: str | None, sample: Sample, font: Font) -> str:
    classes = sample.prediction.classes
    return font.names(classes)[classes.index(label)] if label in classes else font.text(str(label))


def _caption(sample: Sample, font: Font) -> str:
    prediction = sample.prediction
    name = _name(prediction.most_probable, sample, font)
    caption = f"no prediction (perhaps {name})" if prediction.abstained else f"prediction {name}"
    return caption if sample.truth is None else f"{caption}  ·  truth {_name(sample.truth, sample, font)}"


def _short_caption(sample: Sample, font: Font) -> str:
    prediction = sample.prediction
    caption = "abstained" if prediction.abstained else _name(prediction.label, sample, font)
    if sample.truth in (None, prediction.label):
        return caption
    truth = f"is {_name(sample.truth, sample, font)}"
    return f"{caption}, {truth}" if len(caption) + len(truth) < SHORT_CAPTION else f"{caption},\n{truth}"
