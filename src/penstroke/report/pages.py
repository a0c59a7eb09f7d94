"""Drawings of predictions for pictures: a page with boxes around its symbols, and the stages of a preparation."""

import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from matplotlib.figure import Figure
from numpy import ndarray
from PIL import Image, ImageDraw, ImageFont

from penstroke import storage
from penstroke.inference import Page
from penstroke.pictures import Stage
from penstroke.report.fonts import choose_font
from penstroke.report.plots import save_figure

MAX_SIDE = 1600
"""Longer side of the drawn page, in pixels."""
DIGIT_COLOUR, REJECTED_COLOUR = "#1b7f4b", "#8a9097"
"""Colours of the boxes around digits and rejected symbols."""


def draw_page(picture: UInt8[ndarray, "h w *c"], page: Page, path: Path) -> Path:
    """Write the picture as PNG with a box around each symbol and its label above; rejected symbols are grey."""
    image = Image.fromarray(picture).convert("RGB")
    factor = min(1.0, MAX_SIDE / max(image.size))
    image = image.resize((max(1, round(image.width * factor)), max(1, round(image.height * factor))))
    heights = [detection.box[3] * factor for detection in page.detections]
    size = max(12, round(0.55 * float(np.median(heights)))) if heights else 12
    texts = _texts(page)
    font, line = _font(texts, size), max(1, size // 12)
    draw = ImageDraw.Draw(image)
    for detection, text in zip(page.detections, texts, strict=True):
        x, y, width, height = (side * factor for side in detection.box)
        colour = REJECTED_COLOUR if detection.prediction.abstained else DIGIT_COLOUR
        draw.rectangle((x - line, y - line, x + width + line, y + height + line), outline=colour, width=line)
        # Above the box, or inside it at the upper edge of the picture.
        place = (x, max(y - 2 * line, size))
        draw.text(place, text, colour, font, "ls", stroke_width=max(2, size // 8), stroke_fill="white")
    content = io.BytesIO()
    image.save(content, "PNG")
    storage.write_bytes(path, content.getvalue())
    return path


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
        interpolation = "nearest" if number == len(stages) else None
        axis.imshow(stage.image, cmap="gray", vmin=0, vmax=255, interpolation=interpolation)
        axis.set_title(f"{number}. {stage.name}\n{stage.note}", fontsize=8)
    return save_figure(figure, path)


def _texts(page: Page) -> list[str]:
    """Return the label of each symbol; one that no font supports is replaced by the index of its class."""
    predictions = [detection.prediction for detection in page.detections]
    font = choose_font(label for prediction in predictions if (label := prediction.label))
    return [
        "-"
        if prediction.label is None
        else prediction.label
        if font.supports(prediction.label)
        else str(prediction.classes.index(prediction.label))
        for prediction in predictions
    ]


def _font(texts: Sequence[str], size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's default font for ASCII characters, otherwise the chosen one."""
    if all(text.isascii() for text in texts):
        return ImageFont.load_default(size)
    return ImageFont.truetype(choose_font(texts).files[-1], size)
