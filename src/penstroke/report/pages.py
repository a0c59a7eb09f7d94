"""Drawings of pages with boxes around their symbols. matplotlib is imported only for labels beyond ASCII."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image, ImageDraw, ImageFont

from penstroke import storage
from penstroke.inference import Page

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


def _texts(page: Page) -> list[str]:
    """Return the label of each symbol; one that no font supports is replaced by the index of its class."""
    predictions = [detection.prediction for detection in page.detections]
    labels = [prediction.label or "-" for prediction in predictions]
    if all(label.isascii() for label in labels):
        return labels

    from penstroke.report.fonts import choose_font

    font = choose_font(labels)
    return [
        label if font.supports(label) else str(prediction.classes.index(label))
        for label, prediction in zip(labels, predictions, strict=True)
    ]


def _font(texts: Sequence[str], size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's default font for ASCII characters, otherwise the chosen one."""
    if all(text.isascii() for text in texts):
        return ImageFont.load_default(size)

    from penstroke.report.fonts import choose_font

    return ImageFont.truetype(choose_font(texts).files[-1], size)
