"""Pictures of how pictures were read: a page with its boxes, and the stages of a preparation."""

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
from penstroke.insight.plots import QUIET, RIGHT, save_figure
from penstroke.pictures import Stage

LARGEST = 1600
"""Longer side of the drawn page, in pixels."""


def draw_page(picture: UInt8[ndarray, "h w *c"], page: Page, path: Path) -> Path:
    """Write the picture as PNG with a box around each mark, its reading above, and grey where it was left out."""
    image = Image.fromarray(picture).convert("RGB")
    factor = min(1.0, LARGEST / max(image.size))
    image = image.resize((max(1, round(image.width * factor)), max(1, round(image.height * factor))))
    heights = [mark.box[3] * factor for mark in page.marks]
    size = max(12, round(0.55 * float(np.median(heights)))) if heights else 12
    font, pen = ImageFont.load_default(size), max(1, size // 12)
    draw = ImageDraw.Draw(image)
    for mark in page.marks:
        x, y, width, height = (side * factor for side in mark.box)
        colour = QUIET if mark.reading.abstained else RIGHT
        draw.rectangle((x - pen, y - pen, x + width + pen, y + height + pen), outline=colour, width=pen)
        text = "-" if mark.reading.abstained else f"{mark.reading.label}"
        # Above the box, or within it where the picture ends.
        draw.text(
            (x, max(y - 2 * pen, size)), text, colour, font, "ls", stroke_width=max(2, size // 8), stroke_fill="white"
        )
    content = io.BytesIO()
    image.save(content, "PNG")
    storage.write_bytes(path, content.getvalue())
    return path


def draw_stages(stages: Sequence[Stage], title: str, path: Path) -> Path:
    """Write the stages of a preparation side by side as one PNG."""
    columns = min(len(stages), 5)
    rows = math.ceil(len(stages) / columns)
    figure = Figure(figsize=(2.3 * columns, 2.75 * rows), layout="constrained")
    figure.suptitle(title, fontsize=11)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for number, (axis, stage) in enumerate(zip(axes, stages, strict=False), start=1):
        axis.imshow(
            stage.image, cmap="gray", vmin=0, vmax=255, interpolation="nearest" if number == len(stages) else None
        )
        axis.set_title(f"{number}. {stage.name}\n{stage.note}", fontsize=8)
    return save_figure(figure, path)
