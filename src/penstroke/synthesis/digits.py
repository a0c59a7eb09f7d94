"""Synthetic digits, set in fonts or written with a pen, and the canvas that they are drawn on.

They are added to the training images because MNIST was collected in one country: it contains few 1s with a flag or a
base and few 9s with a curved tail, which are common elsewhere. All arrays are NumPy arrays.
"""

from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int64, UInt8
from numpy import ndarray
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from penstroke.synthesis.handwriting import write_digit

CHARACTERS = "AEFGHJKMNPQRTUVWXYadefhkmnprtuwxy&%@#?!+=*"
"""Characters of all fonts, without those that can be read as digits, such as O, l, S, Z and b."""
MORE_CHARACTERS = "ÄÖßΔΘΛΞΠΣΦΨΩαβγδεθλμξπρστφψω§$€"
FONTS = {
    "cmr10": CHARACTERS, "cmss10": CHARACTERS, "cmtt10": CHARACTERS, "cmb10": CHARACTERS,
    "STIXGeneral": CHARACTERS + MORE_CHARACTERS, "STIXGeneralItalic": CHARACTERS + MORE_CHARACTERS,
    "STIXGeneralBol": CHARACTERS + MORE_CHARACTERS,
}  # fmt: skip
"""Fonts included in matplotlib, and the characters that each contains besides the digits."""
FONT_DIGIT_SHARES = (0.06, 0.3, 0.07, 0.07, 0.1, 0.07, 0.07, 0.1, 0.06, 0.1)
"""Fraction of each digit, 0 to 9, among the digits set in fonts."""
WRITTEN_DIGIT_SHARES = (0.06, 0.18, 0.08, 0.06, 0.16, 0.08, 0.06, 0.14, 0.06, 0.12)
"""Fraction of each digit, 0 to 9, among the written digits. 1, 4, 7 and 9 have more forms that are rare in MNIST."""
IMAGE_SIZE = 28
CANVAS_SIZE = 112
"""Side of the canvas that strokes and characters are drawn on, in pixels."""
WRITTEN_HEIGHT = 76
"""Height of a written digit on it."""

Canvas = Float[ndarray, "h w"]


def generate_digits(count: int, seed: int) -> tuple[UInt8[ndarray, "count 1 28 28"], Int64[ndarray, "count"]]:
    """Return ``count`` images of digits and their labels, the same for the same seed.

    Fonts and handwriting alternate.
    """
    rng = np.random.default_rng([seed, 0xF047])
    font_digits = rng.choice(10, count, p=FONT_DIGIT_SHARES)
    written_digits = rng.choice(10, count, p=WRITTEN_DIGIT_SHARES)
    labels = np.where(np.arange(count) % 2, written_digits, font_digits)
    images = [
        _draw_digit(rng, digit) if index % 2 else draw_character(rng, str(digit))
        for index, digit in enumerate(labels.tolist())
    ]
    return np.stack(images)[:, None], labels.astype(np.int64)


def _draw_digit(rng: Generator, digit: int) -> UInt8[ndarray, "28 28"]:
    """Return a digit that is written with a pen."""
    canvas, draw = new_canvas()
    write_digit(draw, digit, WRITTEN_HEIGHT, CANVAS_SIZE / 2, rng)
    return fit_to_image(np.asarray(canvas, np.float32), rng)


def draw_strokes(draw: ImageDraw.ImageDraw, strokes: list[ndarray], rng: Generator) -> None:
    """Draw strokes with round corners and a pen of random width; the corners have a random jitter.

    Args:
        draw: the drawing object of a canvas.
        strokes: corners (x, y) in pixels, relative to the centre of the canvas.
        rng: source of the random numbers.
    """
    width = int(rng.integers(5, 16))
    for stroke in strokes:
        points = stroke + rng.normal(0, 2.0, stroke.shape) + CANVAS_SIZE / 2
        draw.line([tuple(point) for point in points], 255, width, "curve")
        for x, y in points:
            draw.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), 255)


def draw_character(rng: Generator, character: str) -> UInt8[ndarray, "28 28"]:
    """Return a character set in a random font, with random stroke width, aspect and rotation."""
    names = [name for name, characters in FONTS.items() if character in characters or character.isdigit()]
    canvas, draw = new_canvas()
    pen = int(rng.integers(0, 5))
    font = _font(names[rng.integers(len(names))])
    draw.text((CANVAS_SIZE / 2, CANVAS_SIZE / 2), character, 255, font, "mm", stroke_width=pen, stroke_fill=255)
    stretched = rng.random() >= 0.5
    size = (int(CANVAS_SIZE * rng.uniform(0.75, 1.3)) if stretched else CANVAS_SIZE, CANVAS_SIZE)
    return fit_to_image(np.asarray(canvas.rotate(rng.uniform(-12, 12)).resize(size), np.float32), rng)


@cache
def _font(name: str) -> ImageFont.FreeTypeFont:
    from matplotlib import get_data_path

    return ImageFont.truetype(Path(get_data_path()) / "fonts" / "ttf" / f"{name}.ttf", 80)


def new_canvas() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """Return a black canvas and its drawing object."""
    canvas = Image.new("L", (CANVAS_SIZE, CANVAS_SIZE))
    return canvas, ImageDraw.Draw(canvas)


def fit_to_image(canvas: Canvas, rng: Generator) -> UInt8[ndarray, "28 28"]:
    """Return a drawing scaled and centred as the preprocessing of digits does.

    The longer side becomes 20 of 28 pixels, in one of ten images all 28, and the centre of mass moves to the centre.
    """
    rows, columns = np.flatnonzero(canvas.max(1) > 30), np.flatnonzero(canvas.max(0) > 30)
    if len(rows) < 2 or len(columns) < 2:
        return np.zeros((IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    cropped = Image.fromarray(canvas[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    box = IMAGE_SIZE if rng.random() < 0.1 else 20
    factor = box / max(cropped.size)
    size = (max(1, round(cropped.width * factor)), max(1, round(cropped.height * factor)))
    small = np.asarray(cropped.resize(size, Image.Resampling.BOX))
    image = np.zeros((IMAGE_SIZE, IMAGE_SIZE), np.float32)
    top, left = ((IMAGE_SIZE - side) // 2 for side in small.shape)
    image[top : top + small.shape[0], left : left + small.shape[1]] = small
    centre = ndimage.center_of_mass(image + 1e-6)
    centred = ndimage.shift(image, [IMAGE_SIZE / 2 - position for position in centre], order=0)
    return np.clip(centred, 0, 255).astype(np.uint8)
