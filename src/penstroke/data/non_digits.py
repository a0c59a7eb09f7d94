"""Pictures that show no digit, made by the program, so that a network learns not to be sure of everything.

A network that has seen nothing but digits calls everything a digit. After D. Hendrycks and others, "Deep anomaly
detection with outlier exposure", 2019, https://arxiv.org/abs/1812.04606: it is shown other things, too, and asked for
no class rather than another. Each picture here is prepared as a digit would be: in its box, centred by mass.
"""

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from numpy import ndarray
from numpy.random import Generator
from PIL import Image, ImageDraw
from scipy import ndimage
from torch import Tensor

from penstroke.data.augment import NO_CLASS
from penstroke.data.made_digits import LETTERS, MORE, SHEET, SIZE, draw_strokes, fitted, made_digits, new_sheet, printed
from penstroke.pictures.basics import EmptyPicture
from penstroke.pictures.prepare import prepare

ALIKE = "AaeEFPRYyUVdhθΘΔΠΛΨψλαδβγξπφÄ"
"""Those that look most like digits."""
SIGNS: tuple[tuple[tuple[tuple[float, float], ...], ...], ...] = (
    (((0.5, 0), (0.5, 1)), ((0, 0.5), (1, 0.5))),
    (((0, 0), (1, 1)), ((1, 0), (0, 1))),
    (((0, 0.5), (1, 0.5)), ((0.6, 0.1), (1, 0.5), (0.6, 0.9))),
    (((0, 0.2), (1, 0.2)), ((0, 0.8), (1, 0.8))),
    (((0, 0.1), (1, 0.1)), ((0, 0.5), (1, 0.5)), ((0, 0.9), (1, 0.9))),
    (((0, 0.8), (0.25, 0.2), (0.5, 0.8), (0.75, 0.2), (1, 0.8)),),
    (((0, 0.4), (0.4, 1), (1, 0)),),
    (((0, 1), (0, 0), (1, 0), (1, 1)),),
    (((0, 0), (1, 0)), ((0.5, 0), (0.5, 1))),
    (((0, 0), (0, 1)), ((1, 0), (1, 1)), ((0, 0.5), (1, 0.5))),
    (((0.6, 0), (0.1, 0.6), (0.9, 0.4), (0.4, 1)),),
)
"""Strokes of signs, as corners in a square of side 1: crosses, arrows, bars, waves, ticks, brackets, a flash."""


def others(
    count: int, seed: int, device: torch.device
) -> tuple[UInt8[Tensor, "count 1 28 28"], Int64[Tensor, "count"]]:
    """Return ``count`` pictures with labels, on ``device``: most of what is no digit, one of four a digit."""
    digits, labels = made_digits(count // 4, seed)
    strange = non_digits(count - len(digits), seed)
    named = torch.cat([torch.full((len(strange),), NO_CLASS), labels])
    return torch.cat([strange, digits]).to(device), named.to(device)


def non_digits(count: int, seed: int) -> UInt8[Tensor, "count 1 28 28"]:
    """Return ``count`` pictures that show no digit, of all kinds in turn, the same for the same seed."""
    rng = np.random.default_rng([seed, 0xD161])
    made = [KINDS[index % len(KINDS)](rng) for index in range(count)]
    return torch.from_numpy(np.stack(made)[:, None])


def _letter(rng: Generator) -> UInt8[ndarray, "28 28"]:
    """Return a letter or sign of a font, half of them of those that look most like digits."""
    signs = ALIKE if rng.random() < 0.5 else LETTERS + MORE
    return printed(rng, signs[rng.integers(len(signs))])


def _scribble(rng: Generator) -> UInt8[ndarray, "28 28"]:
    """Return a line that wanders, or several that cross."""
    sheet, draw = new_sheet()
    wide = int(rng.integers(4, 13))
    lines = int(rng.integers(1, 4))
    for _ in range(lines):  # one line alone with few turns would often be a digit
        knots = rng.uniform(8, SHEET - 8, (rng.integers(7, 12) if lines == 1 else rng.integers(4, 8), 2))
        times = np.linspace(0, len(knots) - 1, 90)
        smooth = [ndimage.map_coordinates(knots[:, axis], [times], order=3, mode="nearest") for axis in (0, 1)]
        draw.line(list(zip(*smooth, strict=True)), 255, wide, "curve")
    return fitted(np.asarray(sheet, np.float32), rng)


def _shapes(rng: Generator) -> UInt8[ndarray, "28 28"]:
    """Return filled or outlined polygons, crosses and bars, or a digit's box gone all ink."""
    sheet, draw = new_sheet()
    for _ in range(rng.integers(1, 4)):
        points = [tuple(point) for point in rng.uniform(6, SHEET - 6, (rng.integers(3, 7), 2))]
        if rng.random() < 0.5:
            draw.polygon(points, fill=255)
        else:
            draw.line([*points, points[0]], 255, int(rng.integers(4, 12)))
    if rng.random() < 0.3:
        left, top = rng.uniform(0, 40, 2)
        draw.rectangle((left, top, left + rng.uniform(30, 70), top + rng.uniform(30, 70)), fill=255)
    return fitted(np.asarray(sheet, np.float32), rng)


def _outline(rng: Generator) -> UInt8[ndarray, "28 28"]:
    """Return a regular polygon or a star, drawn along its sides; half of them stand on a side or corner."""
    sheet, draw = new_sheet()
    corners = int(rng.choice([3, 3, 4, 4, 4, 5, 6]))
    turn = rng.uniform(0, 2 * np.pi) if rng.random() < 0.5 else np.pi / corners * rng.integers(2) - np.pi / 2
    star = corners > 4 and rng.random() < 0.5
    angles = turn + 2 * np.pi * np.arange(corners * (2 if star else 1)) / (corners * (2 if star else 1))
    reach = 46 * np.where(star & (np.arange(len(angles)) % 2 == 1), 0.45, 1.0)
    across, along = np.exp(rng.uniform(-0.35, 0.35, 2))
    points = np.stack([reach * np.cos(angles) * across, reach * np.sin(angles) * along], 1)
    draw_strokes(draw, [np.array([*points, points[0]])], rng)
    return fitted(np.asarray(sheet, np.float32), rng)


def _sign(rng: Generator) -> UInt8[ndarray, "28 28"]:
    """Return one of ``SIGNS`` at any quarter of a turn, stretched."""
    sheet, draw = new_sheet()
    strokes = SIGNS[rng.integers(len(SIGNS))]
    turn = rng.integers(4) * np.pi / 2 + rng.normal(0, 0.15)
    spin = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    size = 70 * np.exp(rng.uniform(-0.4, 0.2, 2))
    draw_strokes(draw, [(np.array(stroke) - 0.5) @ spin * size for stroke in strokes], rng)
    return fitted(np.asarray(sheet, np.float32), rng)


def _scene(rng: Generator) -> UInt8[ndarray, "28 28"]:
    """Return what preparation takes for ink in a picture of things: leaves over leaves, as in nature's pictures.

    After A. Lee, D. Mumford and J. Huang, "Occlusion models for natural images", 2001.
    """
    sheet = Image.new("L", (SHEET, SHEET), int(rng.integers(256)))
    draw = ImageDraw.Draw(sheet)
    for _ in range(int(rng.integers(5, 60))):
        reach = 8 * rng.random() ** -0.6
        x, y = rng.uniform(-10, SHEET + 10, 2)
        box = (x - reach, y - reach * rng.uniform(0.3, 1), x + reach, y + reach * rng.uniform(0.3, 1))
        (draw.ellipse if rng.random() < 0.6 else draw.rectangle)(box, int(rng.integers(256)))
    blurred = ndimage.gaussian_filter(np.asarray(sheet, np.float32), rng.uniform(0.3, 4))
    try:
        return prepare(np.clip(blurred + rng.normal(0, 3, blurred.shape), 0, 255).astype(np.uint8))
    except EmptyPicture:
        return np.zeros((SIZE, SIZE), np.uint8)


def _cloud(rng: Generator) -> UInt8[ndarray, "28 28"]:
    """Return blots: smooth noise, soft or cut off at a level."""
    field = ndimage.gaussian_filter(rng.standard_normal((SHEET, SHEET)), rng.uniform(4, 22))
    field = (field - field.min()) / np.ptp(field)
    level = np.where(field > rng.uniform(0.4, 0.75), 1.0, 0.0) if rng.random() < 0.6 else field
    return fitted((255 * level).astype(np.float32), rng)


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
    return fitted((255 * level).astype(np.float32), rng)


def _grain(rng: Generator) -> UInt8[ndarray, "28 28"]:
    """Return noise: grey, or specks on black, fine or coarse."""
    cell = int(rng.integers(1, 5))
    noise = rng.random((SIZE // cell + 1,) * 2)
    if rng.random() < 0.5:
        noise = np.where(noise > rng.uniform(0.5, 0.98), 1.0, 0.0)
    return (255 * np.kron(noise, np.ones((cell, cell)))[:SIZE, :SIZE]).astype(np.uint8)


KINDS = (_letter, _scribble, _outline, _scene, _letter, _sign, _cloud, _pattern, _letter, _scribble, _shapes, _grain)
