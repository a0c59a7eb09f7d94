"""Digits that the program makes, of fonts and of a pen's strokes, and the sheet that it makes them on.

They join a training because MNIST was written in one country: it has few 1s with a flag or a foot and few 9s that
curl, while many people write them so. This file does not know what a training is.
"""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from numpy import ndarray
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage
from torch import Tensor

LETTERS = "AEFGHJKMNPQRTUVWXYadefhkmnprtuwxy&%@#?!+=*"
"""Those that are as good a digit as any, such as O, l, S, Z and b, are not among them."""
MORE = "ÄÖßΔΘΛΞΠΣΦΨΩαβγδεθλμξπρστφψω§$€"
FONTS = {
    "cmr10": LETTERS, "cmss10": LETTERS, "cmtt10": LETTERS, "cmb10": LETTERS,
    "STIXGeneral": LETTERS + MORE, "STIXGeneralItalic": LETTERS + MORE, "STIXGeneralBol": LETTERS + MORE,
}  # fmt: skip
"""The fonts that come with matplotlib, and what they can draw."""
PRINTED = (0.06, 0.3, 0.07, 0.07, 0.1, 0.07, 0.07, 0.1, 0.06, 0.1)
"""How often each digit is taken from a font."""
STROKES: dict[int, list[list[list[tuple[float, float, float, float]]]]] = {
    1: [
        [[(0.0, 0.3, 0.3, 0.5), (0.55, 0.0, 0.65, 0.0), (0.5, 1.0, 0.7, 1.0)]],
        [[(0.0, 0.3, 0.35, 0.55), (0.5, 0.0, 0.6, 0.0), (0.5, 1.0, 0.6, 1.0)],
         [(0.1, 1.0, 0.3, 1.0), (0.75, 1.0, 1.0, 1.0)]],
        [[(0.45, 0.0, 0.55, 0.0), (0.45, 1.0, 0.55, 1.0)], [(0.1, 1.0, 0.3, 1.0), (0.75, 1.0, 1.0, 1.0)]],
    ],
    4: [
        [[(0.4, 0.0, 0.6, 0.0), (0.05, 0.55, 0.2, 0.7), (0.85, 0.55, 1.0, 0.7)],
         [(0.65, 0.25, 0.8, 0.45), (0.5, 1.0, 0.65, 1.0)]],
        [[(0.55, 0.0, 0.75, 0.0), (0.0, 0.6, 0.1, 0.75), (0.9, 0.6, 1.0, 0.75)],
         [(0.55, 0.4, 0.7, 0.5), (0.5, 1.0, 0.65, 1.0)]],
    ],
    7: [
        [[(0.0, 0.0, 0.15, 0.1), (0.85, 0.0, 1.0, 0.05), (0.3, 1.0, 0.5, 1.0)],
         [(0.2, 0.45, 0.35, 0.55), (0.75, 0.42, 0.95, 0.5)]],
    ],
    9: [
        [[(0.78, 0.2, 0.85, 0.25), (0.65, 0.03, 0.7, 0.06), (0.4, 0.0, 0.45, 0.03), (0.15, 0.15, 0.22, 0.25),
          (0.25, 0.4, 0.35, 0.45), (0.55, 0.45, 0.62, 0.5), (0.78, 0.25, 0.85, 0.3), (0.8, 0.6, 0.9, 0.75),
          (0.65, 0.95, 0.75, 1.0), (0.35, 0.97, 0.45, 1.0), (0.05, 0.85, 0.2, 0.95)]],
        [[(0.7, 0.2, 0.8, 0.25), (0.6, 0.03, 0.65, 0.06), (0.35, 0.0, 0.4, 0.03), (0.15, 0.15, 0.22, 0.25),
          (0.25, 0.35, 0.35, 0.42), (0.5, 0.38, 0.6, 0.45), (0.75, 0.25, 0.8, 0.3), (0.8, 0.55, 0.9, 0.65),
          (0.8, 0.88, 0.9, 0.95), (0.45, 0.95, 0.55, 1.0), (0.05, 0.93, 0.2, 1.0)]],
    ],
}  # fmt: skip
"""Strokes as people write who are not in MNIST: the first and last place (x, y, x, y) of each corner, in a square.

A 1 with a long flag or a foot, an open 4, a 7 with a bar, a 9 that curls.
"""
SIZE = 28
SHEET = 112
"""Side of the sheet that lines and letters are drawn on, in pixels."""

Sheet = Float[ndarray, "h w"]


def made_digits(count: int, seed: int) -> tuple[UInt8[Tensor, "count 1 28 28"], Int64[Tensor, "count"]]:
    """Return digits of fonts and, every other one, of a pen's strokes, and what each is: the same for the same seed."""
    rng = np.random.default_rng([seed, 0xF047])
    of_fonts = rng.choice(10, count, p=PRINTED)
    of_strokes = rng.choice(list(STROKES), count)
    labels = np.where(np.arange(count) % 2, of_strokes, of_fonts)
    made = [_drawn(rng, digit) if k % 2 else printed(rng, str(digit)) for k, digit in enumerate(labels.tolist())]
    return torch.from_numpy(np.stack(made)[:, None]), torch.from_numpy(labels.astype(np.int64))


def _drawn(rng: Generator, digit: int) -> UInt8[ndarray, "28 28"]:
    """Return one of the ``STROKES`` of a digit, slanted, stretched and unsteady."""
    sheet, draw = new_sheet()
    ways = STROKES[digit]
    slant = np.array([[np.exp(rng.uniform(-0.35, 0.15)), 0], [-rng.normal(0, 0.15), 1]])
    strokes = []
    for corners in ways[rng.integers(len(ways))]:
        low, high = np.array(corners)[:, :2], np.array(corners)[:, 2:]
        strokes.append((rng.uniform(np.minimum(low, high), np.maximum(low, high)) - 0.5) @ slant * 76)
    draw_strokes(draw, strokes, rng)
    return fitted(np.asarray(sheet, np.float32), rng)


def draw_strokes(draw: ImageDraw.ImageDraw, strokes: list[ndarray], rng: Generator) -> None:
    """Draw strokes, in pixels from the sheet's middle, with one pen, their corners a little off and round."""
    wide = int(rng.integers(5, 16))
    for stroke in strokes:
        points = stroke + rng.normal(0, 2.0, stroke.shape) + SHEET / 2
        draw.line([tuple(point) for point in points], 255, wide, "curve")
        for x, y in points:
            draw.ellipse((x - wide / 2, y - wide / 2, x + wide / 2, y + wide / 2), 255)


def printed(rng: Generator, sign: str) -> UInt8[ndarray, "28 28"]:
    """Return a sign of a font, its pen thin or thick, stretched and turned a little."""
    names = [name for name, signs in FONTS.items() if sign in signs or sign.isdigit()]
    sheet, draw = new_sheet()
    pen = int(rng.integers(0, 5))
    font = _font(names[rng.integers(len(names))])
    draw.text((SHEET / 2, SHEET / 2), sign, 255, font, "mm", stroke_width=pen, stroke_fill=255)
    side = (SHEET, SHEET) if rng.random() < 0.5 else (int(SHEET * rng.uniform(0.75, 1.3)), SHEET)
    return fitted(np.asarray(sheet.rotate(rng.uniform(-12, 12)).resize(side), np.float32), rng)


@cache
def _font(name: str) -> ImageFont.FreeTypeFont:
    from matplotlib import get_data_path

    return ImageFont.truetype(Path(get_data_path()) / "fonts" / "ttf" / f"{name}.ttf", 80)


def new_sheet() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """Return a black sheet, and what draws on it."""
    sheet = Image.new("L", (SHEET, SHEET))
    return sheet, ImageDraw.Draw(sheet)


def fitted(sheet: Sheet, rng: Generator) -> UInt8[ndarray, "28 28"]:
    """Return a sheet as preparation would: its longer side 20 of 28 pixels, centred by mass; a few fill all."""
    rows, columns = np.flatnonzero(sheet.max(1) > 30), np.flatnonzero(sheet.max(0) > 30)
    if len(rows) < 2 or len(columns) < 2:
        return np.zeros((SIZE, SIZE), np.uint8)
    cut = Image.fromarray(sheet[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    box = SIZE if rng.random() < 0.1 else 20
    factor = box / max(cut.size)
    size = (max(1, round(cut.width * factor)), max(1, round(cut.height * factor)))
    small = np.asarray(cut.resize(size, Image.Resampling.BOX))
    placed = np.zeros((SIZE, SIZE), np.float32)
    corner = [(SIZE - side) // 2 for side in small.shape]
    placed[corner[0] : corner[0] + small.shape[0], corner[1] : corner[1] + small.shape[1]] = small
    middle = ndimage.center_of_mass(placed + 1e-6)
    moved = ndimage.shift(placed, [SIZE / 2 - at for at in middle], order=0)
    return np.clip(moved, 0, 255).astype(np.uint8)
