"""Pictures that show no digit, made by the program, so that a network learns not to be sure of everything.

A network that has seen nothing but digits calls everything a digit. After D. Hendrycks and others, "Deep anomaly
detection with outlier exposure", 2019, https://arxiv.org/abs/1812.04606: it is shown other things, too, and asked for
no class rather than another. Each picture here is prepared as a digit would be: in its box, centred by mass.
"""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
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
SIZE = 28
SHEET = 112
"""Side of the sheet that lines and letters are drawn on, in pixels."""

Sheet = Float[ndarray, "h w"]


def non_digits(count: int, seed: int) -> UInt8[Tensor, "count 1 28 28"]:
    """Return ``count`` pictures that show no digit, of all kinds in turn, the same for the same seed."""
    rng = np.random.default_rng([seed, 0xD161])
    kinds = (_letter, _scribble, _letter, _shapes, _cloud, _pattern, _scribble, _grain)
    made = [kinds[index % len(kinds)](rng) for index in range(count)]
    return torch.from_numpy(np.stack(made)[:, None])


def _letter(rng: Generator) -> UInt8[ndarray, "28 28"]:
    """Return a letter or sign of a font."""
    sheet, draw = _sheet()
    name = list(FONTS)[rng.integers(len(FONTS))]
    sign = FONTS[name][rng.integers(len(FONTS[name]))]
    pen = int(rng.integers(0, 5))
    draw.text((SHEET / 2, SHEET / 2), sign, 255, _font(name), "mm", stroke_width=pen, stroke_fill=255)
    return _prepared(np.asarray(sheet.rotate(rng.uniform(-12, 12)), np.float32), rng)


@cache
def _font(name: str) -> ImageFont.FreeTypeFont:
    from matplotlib import get_data_path

    return ImageFont.truetype(Path(get_data_path()) / "fonts" / "ttf" / f"{name}.ttf", 80)


def _scribble(rng: Generator) -> UInt8[ndarray, "28 28"]:
    """Return a line that wanders, or several that cross."""
    sheet, draw = _sheet()
    wide = int(rng.integers(4, 13))
    lines = int(rng.integers(1, 4))
    for _ in range(lines):  # one line alone with few turns would often be a digit
        knots = rng.uniform(8, SHEET - 8, (rng.integers(7, 12) if lines == 1 else rng.integers(4, 8), 2))
        times = np.linspace(0, len(knots) - 1, 90)
        smooth = [ndimage.map_coordinates(knots[:, axis], [times], order=3, mode="nearest") for axis in (0, 1)]
        draw.line(list(zip(*smooth, strict=True)), 255, wide, "curve")
    return _prepared(np.asarray(sheet, np.float32), rng)


def _shapes(rng: Generator) -> UInt8[ndarray, "28 28"]:
    """Return filled or outlined polygons, crosses and bars, or a digit's box gone all ink."""
    sheet, draw = _sheet()
    for _ in range(rng.integers(1, 4)):
        points = [tuple(point) for point in rng.uniform(6, SHEET - 6, (rng.integers(3, 7), 2))]
        if rng.random() < 0.5:
            draw.polygon(points, fill=255)
        else:
            draw.line([*points, points[0]], 255, int(rng.integers(4, 12)))
    if rng.random() < 0.3:
        left, top = rng.uniform(0, 40, 2)
        draw.rectangle((left, top, left + rng.uniform(30, 70), top + rng.uniform(30, 70)), fill=255)
    return _prepared(np.asarray(sheet, np.float32), rng)


def _cloud(rng: Generator) -> UInt8[ndarray, "28 28"]:
    """Return blots: smooth noise, soft or cut off at a level."""
    field = ndimage.gaussian_filter(rng.standard_normal((SHEET, SHEET)), rng.uniform(4, 22))
    field = (field - field.min()) / np.ptp(field)
    level = np.where(field > rng.uniform(0.4, 0.75), 1.0, 0.0) if rng.random() < 0.6 else field
    return _prepared((255 * level).astype(np.float32), rng)


def _pattern(rng: Generator) -> UInt8[ndarray, "28 28"]:
    """Return a checkerboard, a grid, stripes, waves or rings."""
    y, x = np.mgrid[:SHEET, :SHEET] + rng.uniform(0, 40, 2)[:, None, None]
    turn, period = rng.uniform(0, np.pi), rng.uniform(12, 60)
    across, along = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    waves = np.sin(2 * np.pi * across / period), np.sin(2 * np.pi * along / period)
    rings = np.sin(2 * np.pi * np.hypot(x - SHEET / 2 - 20, y - SHEET / 2 - 20) / period)
    kinds = (waves[0] * waves[1], np.maximum(*waves) - 0.7, waves[0], rings)
    field = kinds[rng.integers(len(kinds))]
    level = np.where(field > 0, 1.0, 0.0) if rng.random() < 0.7 else np.clip(field, 0, 1)
    return _prepared((255 * level).astype(np.float32), rng)


def _grain(rng: Generator) -> UInt8[ndarray, "28 28"]:
    """Return noise: grey, or specks on black, fine or coarse."""
    cell = int(rng.integers(1, 5))
    noise = rng.random((SIZE // cell + 1,) * 2)
    if rng.random() < 0.5:
        noise = np.where(noise > rng.uniform(0.5, 0.98), 1.0, 0.0)
    return (255 * np.kron(noise, np.ones((cell, cell)))[:SIZE, :SIZE]).astype(np.uint8)


def _sheet() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    sheet = Image.new("L", (SHEET, SHEET))
    return sheet, ImageDraw.Draw(sheet)


def _prepared(sheet: Sheet, rng: Generator) -> UInt8[ndarray, "28 28"]:
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
