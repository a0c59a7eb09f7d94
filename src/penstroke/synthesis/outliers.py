"""Synthetic images that show no digit, so that a network learns not to assign any class a high probability for them.

A network trained on digits alone classifies every image as a digit. D. Hendrycks and others, "Deep anomaly detection
with outlier exposure", 2019, https://arxiv.org/abs/1812.04606, train on other images as well, with all classes equally
likely as the target. The images are scaled and centred like preprocessed digits. All arrays are NumPy arrays.
"""

import numpy as np
from jaxtyping import Int64, UInt8
from numpy import ndarray
from numpy.random import Generator
from PIL import Image, ImageDraw
from scipy import ndimage

from penstroke.errors import EmptyPicture
from penstroke.pictures.prepare import prepare
from penstroke.synthesis.augment import NO_CLASS
from penstroke.synthesis.digits import (
    CANVAS_SIZE,
    CHARACTERS,
    IMAGE_SIZE,
    MORE_CHARACTERS,
    draw_character,
    draw_strokes,
    fit_to_image,
    generate_digits,
    new_canvas,
)  # fmt: skip

DIGIT_LIKE = "AaeEFPRYyUVdhθΘΔΠΛΨψλαδβγξπφÄ"
"""The characters that resemble digits most."""
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
"""Strokes of crosses, an arrow, bars, a wave, a tick, a bracket and similar signs, as corners in the unit square."""


def outlier_pool(count: int, seed: int) -> tuple[UInt8[ndarray, "count 1 28 28"], Int64[ndarray, "count"]]:
    """Return ``count`` images and their labels: three quarters outliers labelled ``NO_CLASS``, one quarter digits."""
    digits, digit_labels = generate_digits(count // 4, seed)
    outliers = generate_outliers(count - len(digits), seed)
    outlier_labels = np.full(len(outliers), NO_CLASS, np.int64)
    return np.concatenate([outliers, digits]), np.concatenate([outlier_labels, digit_labels])


def generate_outliers(count: int, seed: int) -> UInt8[ndarray, "count 1 28 28"]:
    """Return ``count`` images that show no digit, of all kinds in turn, the same for the same seed."""
    rng = np.random.default_rng([seed, 0xD161])
    return np.stack([KINDS[index % len(KINDS)](rng) for index in range(count)])[:, None]


def _character(rng: Generator) -> UInt8[ndarray, "28 28"]:
    """Return a letter or sign of a font; half of them are among those that resemble digits most."""
    characters = DIGIT_LIKE if rng.random() < 0.5 else CHARACTERS + MORE_CHARACTERS
    return draw_character(rng, characters[rng.integers(len(characters))])


def _scribble(rng: Generator) -> UInt8[ndarray, "28 28"]:
    """Return one curved line with many turns, or two or three with fewer turns."""
    canvas, draw = new_canvas()
    width = int(rng.integers(4, 13))
    lines = int(rng.integers(1, 4))
    for _ in range(lines):
        # A single line with few turns would often show a digit.
        points = rng.uniform(8, CANVAS_SIZE - 8, (rng.integers(7, 12) if lines == 1 else rng.integers(4, 8), 2))
        times = np.linspace(0, len(points) - 1, 90)
        curve = [ndimage.map_coordinates(points[:, axis], [times], order=3, mode="nearest") for axis in (0, 1)]
        draw.line(list(zip(*curve, strict=True)), 255, width, "curve")
    return fit_to_image(np.asarray(canvas, np.float32), rng)


def _polygons(rng: Generator) -> UInt8[ndarray, "28 28"]:
    """Return up to three filled or outlined polygons, in some images with a filled rectangle."""
    canvas, draw = new_canvas()
    for _ in range(rng.integers(1, 4)):
        points = [tuple(point) for point in rng.uniform(6, CANVAS_SIZE - 6, (rng.integers(3, 7), 2))]
        if rng.random() < 0.5:
            draw.polygon(points, fill=255)
        else:
            draw.line([*points, points[0]], 255, int(rng.integers(4, 12)))
    if rng.random() < 0.3:
        left, top = rng.uniform(0, 40, 2)
        draw.rectangle((left, top, left + rng.uniform(30, 70), top + rng.uniform(30, 70)), fill=255)
    return fit_to_image(np.asarray(canvas, np.float32), rng)


def _regular_polygon(rng: Generator) -> UInt8[ndarray, "28 28"]:
    """Return the outline of a regular polygon or star; half of them are upright."""
    canvas, draw = new_canvas()
    corners = int(rng.choice([3, 3, 4, 4, 4, 5, 6]))
    rotation = rng.uniform(0, 2 * np.pi) if rng.random() < 0.5 else np.pi / corners * rng.integers(2) - np.pi / 2
    star = corners > 4 and rng.random() < 0.5
    angles = rotation + 2 * np.pi * np.arange(corners * (2 if star else 1)) / (corners * (2 if star else 1))
    radii = 46 * np.where(star & (np.arange(len(angles)) % 2 == 1), 0.45, 1.0)
    across, along = np.exp(rng.uniform(-0.35, 0.35, 2))
    points = np.stack([radii * np.cos(angles) * across, radii * np.sin(angles) * along], 1)
    draw_strokes(draw, [np.array([*points, points[0]])], rng)
    return fit_to_image(np.asarray(canvas, np.float32), rng)


def _sign(rng: Generator) -> UInt8[ndarray, "28 28"]:
    """Return one of ``SIGNS`` near a multiple of 90 degrees, with random width and height."""
    canvas, draw = new_canvas()
    strokes = SIGNS[rng.integers(len(SIGNS))]
    angle = rng.integers(4) * np.pi / 2 + rng.normal(0, 0.15)
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    size = 70 * np.exp(rng.uniform(-0.4, 0.2, 2))
    draw_strokes(draw, [(np.array(stroke) - 0.5) @ rotation * size for stroke in strokes], rng)
    return fit_to_image(np.asarray(canvas, np.float32), rng)


def _scene(rng: Generator) -> UInt8[ndarray, "28 28"]:
    """Return what the preprocessing of digits makes of a photo of objects, simulated by overlapping shapes.

    The sizes follow the dead leaves model of A. Lee, D. Mumford and J. Huang, "Occlusion models for natural images",
    2001.
    """
    canvas = Image.new("L", (CANVAS_SIZE, CANVAS_SIZE), int(rng.integers(256)))
    draw = ImageDraw.Draw(canvas)
    for _ in range(int(rng.integers(5, 60))):
        radius = 8 * rng.random() ** -0.6
        x, y = rng.uniform(-10, CANVAS_SIZE + 10, 2)
        box = (x - radius, y - radius * rng.uniform(0.3, 1), x + radius, y + radius * rng.uniform(0.3, 1))
        (draw.ellipse if rng.random() < 0.6 else draw.rectangle)(box, int(rng.integers(256)))
    blurred = ndimage.gaussian_filter(np.asarray(canvas, np.float32), rng.uniform(0.3, 4))
    try:
        return prepare(np.clip(blurred + rng.normal(0, 3, blurred.shape), 0, 255).astype(np.uint8))
    except EmptyPicture:
        return np.zeros((IMAGE_SIZE, IMAGE_SIZE), np.uint8)


def _cloud(rng: Generator) -> UInt8[ndarray, "28 28"]:
    """Return smooth noise, as grey levels or above a threshold."""
    field = ndimage.gaussian_filter(rng.standard_normal((CANVAS_SIZE, CANVAS_SIZE)), rng.uniform(4, 22))
    field = (field - field.min()) / np.ptp(field)
    level = np.where(field > rng.uniform(0.4, 0.75), 1.0, 0.0) if rng.random() < 0.6 else field
    return fit_to_image((255 * level).astype(np.float32), rng)


def _pattern(rng: Generator) -> UInt8[ndarray, "28 28"]:
    """Return a checkerboard, a grid, stripes or rings, as grey levels or above a threshold."""
    y, x = np.mgrid[:CANVAS_SIZE, :CANVAS_SIZE] + rng.uniform(0, 40, 2)[:, None, None]
    angle, period = rng.uniform(0, np.pi), rng.uniform(12, 60)
    across, along = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    waves = np.sin(2 * np.pi * across / period), np.sin(2 * np.pi * along / period)
    rings = np.sin(2 * np.pi * np.hypot(x - CANVAS_SIZE / 2 - 20, y - CANVAS_SIZE / 2 - 20) / period)
    kinds = (waves[0] * waves[1], np.maximum(*waves) - 0.7, waves[0], rings)
    field = kinds[rng.integers(len(kinds))]
    level = np.where(field > 0, 1.0, 0.0) if rng.random() < 0.7 else np.clip(field, 0, 1)
    return fit_to_image((255 * level).astype(np.float32), rng)


def _noise(rng: Generator) -> UInt8[ndarray, "28 28"]:
    """Return noise, as grey levels or specks on black, in cells of 1 to 4 pixels."""
    cell = int(rng.integers(1, 5))
    noise = rng.random((IMAGE_SIZE // cell + 1,) * 2)
    if rng.random() < 0.5:
        noise = np.where(noise > rng.uniform(0.5, 0.98), 1.0, 0.0)
    return (255 * np.kron(noise, np.ones((cell, cell)))[:IMAGE_SIZE, :IMAGE_SIZE]).astype(np.uint8)


KINDS = (
    _character, _scribble, _regular_polygon, _scene, _character, _sign, _cloud, _pattern, _character, _scribble,
    _polygons, _noise,
)  # fmt: skip
"""The generators of outliers; characters and scribbles occur more often than the others."""
