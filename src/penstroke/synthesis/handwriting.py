"""Digits that are written by a simulated pen: a path with sampled shape and speed, and a pen with sampled pressure.

Each digit has several forms, including those that are rare in MNIST: a 1 with a flag and a base, a looped 2, an open 4,
a 5 in two strokes, a 7 with a bar, an 8 of two rings, a 9 with a curved tail, a slashed 0. All arrays are NumPy arrays.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.random import Generator
from PIL import ImageDraw
from scipy.interpolate import CubicSpline

Path2d = Float[ndarray, "n 2"]
Region = tuple[float, float, float, float]

_RING: list[Region] = [
    (0.5, 0.0, 0.65, 0.05), (0.1, 0.1, 0.25, 0.25), (0.0, 0.45, 0.1, 0.6), (0.15, 0.85, 0.3, 0.95),
    (0.45, 0.95, 0.6, 1.0), (0.75, 0.8, 0.9, 0.9), (0.9, 0.4, 1.0, 0.55), (0.75, 0.08, 0.85, 0.18),
]  # fmt: skip

FORMS: dict[int, list[list[list[Region]]]] = {
    0: [
        [[*_RING, (0.4, 0.0, 0.6, 0.08)]],
        [[*_RING, (0.4, 0.0, 0.6, 0.08)], [(0.8, 0.05, 1.0, 0.2), (0.0, 0.8, 0.2, 0.95)]],
        [[(0.35, 0.0, 0.5, 0.1), *_RING[1:], (0.5, 0.0, 0.7, 0.1)]],
    ],
    1: [
        [[(0.45, 0.0, 0.6, 0.0), (0.4, 1.0, 0.6, 1.0)]],
        [[(0.0, 0.3, 0.3, 0.5), (0.55, 0.0, 0.65, 0.0), (0.5, 1.0, 0.7, 1.0)]],
        [[(0.0, 0.3, 0.35, 0.55), (0.5, 0.0, 0.6, 0.0), (0.5, 1.0, 0.6, 1.0)],
         [(0.1, 1.0, 0.3, 1.0), (0.75, 1.0, 1.0, 1.0)]],
        [[(0.45, 0.0, 0.55, 0.0), (0.45, 1.0, 0.55, 1.0)], [(0.1, 1.0, 0.3, 1.0), (0.75, 1.0, 1.0, 1.0)]],
    ],
    2: [
        [[(0.0, 0.15, 0.2, 0.3), (0.35, 0.0, 0.6, 0.04), (0.8, 0.15, 0.95, 0.3), (0.5, 0.5, 0.65, 0.65),
          (0.0, 0.95, 0.1, 1.0), (0.85, 0.9, 1.0, 1.0)]],
        [[(0.0, 0.15, 0.2, 0.3), (0.35, 0.0, 0.6, 0.04), (0.75, 0.15, 0.9, 0.3), (0.4, 0.65, 0.55, 0.75),
          (0.1, 0.95, 0.25, 1.0), (0.0, 0.8, 0.1, 0.9), (0.2, 0.72, 0.35, 0.8), (0.55, 0.92, 0.7, 1.0),
          (0.9, 0.85, 1.0, 0.95)]],
    ],
    3: [
        [[(0.0, 0.1, 0.2, 0.2), (0.4, 0.0, 0.6, 0.04), (0.8, 0.15, 0.9, 0.28), (0.35, 0.42, 0.5, 0.5),
          (0.8, 0.65, 1.0, 0.8), (0.4, 0.95, 0.6, 1.0), (0.0, 0.8, 0.15, 0.95)]],
        [[(0.0, 0.0, 0.2, 0.05), (0.75, 0.0, 0.95, 0.05), (0.35, 0.38, 0.5, 0.48), (0.8, 0.55, 0.95, 0.75),
          (0.4, 0.95, 0.6, 1.0), (0.0, 0.85, 0.15, 0.95)]],
    ],
    4: [
        [[(0.4, 0.0, 0.6, 0.0), (0.05, 0.55, 0.2, 0.7), (0.85, 0.55, 1.0, 0.7)],
         [(0.65, 0.25, 0.8, 0.45), (0.5, 1.0, 0.65, 1.0)]],
        [[(0.55, 0.0, 0.75, 0.0), (0.0, 0.6, 0.1, 0.75), (0.9, 0.6, 1.0, 0.75)],
         [(0.55, 0.4, 0.7, 0.5), (0.5, 1.0, 0.65, 1.0)]],
        [[(0.05, 0.0, 0.25, 0.05), (0.05, 0.45, 0.2, 0.6), (0.8, 0.4, 0.95, 0.55)],
         [(0.7, 0.0, 0.9, 0.1), (0.6, 1.0, 0.75, 1.0)]],
        [[(0.6, 0.9, 0.7, 1.0), (0.65, 0.0, 0.75, 0.0), (0.0, 0.6, 0.1, 0.75), (0.9, 0.58, 1.0, 0.72)]],
    ],
    5: [
        [[(0.1, 0.0, 0.25, 0.05), (0.05, 0.4, 0.2, 0.5), (0.5, 0.32, 0.65, 0.42), (0.85, 0.6, 1.0, 0.75),
          (0.45, 0.95, 0.6, 1.0), (0.0, 0.82, 0.15, 0.95)],
         [(0.1, 0.0, 0.35, 0.08), (0.8, -0.05, 1.0, 0.05)]],
        [[(0.8, 0.0, 1.0, 0.05), (0.15, 0.0, 0.3, 0.05), (0.1, 0.4, 0.2, 0.5), (0.5, 0.35, 0.65, 0.45),
          (0.85, 0.6, 1.0, 0.75), (0.45, 0.95, 0.6, 1.0), (0.0, 0.82, 0.15, 0.95)]],
    ],
    6: [
        [[(0.6, 0.0, 0.85, 0.05), (0.2, 0.25, 0.35, 0.4), (0.0, 0.6, 0.12, 0.75), (0.3, 0.95, 0.5, 1.0),
          (0.8, 0.7, 0.95, 0.85), (0.55, 0.45, 0.7, 0.55), (0.1, 0.65, 0.25, 0.8)]],
        [[(0.2, 0.0, 0.5, 0.0), (0.0, 0.5, 0.1, 0.7), (0.3, 0.95, 0.5, 1.0), (0.75, 0.7, 0.95, 0.85),
          (0.45, 0.5, 0.6, 0.6), (0.05, 0.7, 0.2, 0.85)]],
    ],
    7: [
        [[(0.0, 0.0, 0.15, 0.1), (0.85, 0.0, 1.0, 0.05), (0.3, 1.0, 0.5, 1.0)],
         [(0.2, 0.45, 0.35, 0.55), (0.75, 0.42, 0.95, 0.5)]],
        [[(0.0, 0.15, 0.1, 0.25), (0.0, 0.0, 0.12, 0.05), (0.85, 0.0, 1.0, 0.05), (0.35, 1.0, 0.55, 1.0)]],
        [[(0.0, 0.0, 0.15, 0.15), (0.4, 0.05, 0.6, 0.12), (0.85, 0.0, 1.0, 0.08), (0.55, 0.5, 0.7, 0.6),
          (0.35, 1.0, 0.55, 1.0)]],
    ],
    8: [
        [[(0.75, 0.05, 0.9, 0.15), (0.4, 0.0, 0.6, 0.02), (0.1, 0.15, 0.2, 0.3), (0.4, 0.42, 0.6, 0.52),
          (0.85, 0.7, 0.95, 0.85), (0.4, 0.97, 0.6, 1.0), (0.05, 0.7, 0.15, 0.85), (0.4, 0.45, 0.6, 0.55),
          (0.75, 0.15, 0.9, 0.25)]],
        [[(0.45, 0.0, 0.55, 0.0), (0.15, 0.2, 0.25, 0.3), (0.4, 0.42, 0.6, 0.48), (0.75, 0.2, 0.85, 0.3),
          (0.45, 0.0, 0.6, 0.05)],
         [(0.4, 0.45, 0.6, 0.52), (0.02, 0.7, 0.15, 0.8), (0.4, 0.98, 0.6, 1.0), (0.85, 0.7, 0.98, 0.8),
          (0.4, 0.45, 0.6, 0.52)]],
    ],
    9: [
        [[(0.78, 0.2, 0.85, 0.25), (0.65, 0.03, 0.7, 0.06), (0.4, 0.0, 0.45, 0.03), (0.15, 0.15, 0.22, 0.25),
          (0.25, 0.4, 0.35, 0.45), (0.55, 0.45, 0.62, 0.5), (0.78, 0.25, 0.85, 0.3), (0.8, 0.6, 0.9, 0.75),
          (0.65, 0.95, 0.75, 1.0), (0.35, 0.97, 0.45, 1.0), (0.05, 0.85, 0.2, 0.95)]],
        [[(0.7, 0.2, 0.8, 0.25), (0.6, 0.03, 0.65, 0.06), (0.35, 0.0, 0.4, 0.03), (0.15, 0.15, 0.22, 0.25),
          (0.25, 0.35, 0.35, 0.42), (0.5, 0.38, 0.6, 0.45), (0.75, 0.25, 0.8, 0.3), (0.8, 0.55, 0.9, 0.65),
          (0.8, 0.88, 0.9, 0.95), (0.45, 0.95, 0.55, 1.0), (0.05, 0.93, 0.2, 1.0)]],
        [[(0.75, 0.15, 0.85, 0.25), (0.45, 0.0, 0.6, 0.03), (0.1, 0.2, 0.2, 0.3), (0.4, 0.45, 0.55, 0.5),
          (0.75, 0.2, 0.85, 0.3), (0.7, 1.0, 0.85, 1.0)]],
    ],
}  # fmt: skip
"""Strokes of each form of each digit. A stroke is a list of corners, and each corner is drawn uniformly from a region
(left, top, right, bottom) of the unit square, in which ``y`` points down.
"""
STEPS = 60
"""Points of a stroke that is drawn."""
MAX_WOBBLE, WAVES = 0.02, 4
"""Standard deviation of the path's deviation, as a fraction of the digit's height, and its number of sine waves."""
MIN_PEN, MAX_PEN = 0.07, 0.21
"""Width of the pen as a fraction of the digit's height."""
MAX_PRESSURE = 0.25
"""Largest relative change of the pen's width by pressure."""


def write_digit(draw: ImageDraw.ImageDraw, digit: int, height: float, centre: float, rng: Generator) -> None:
    """Write one of the ``FORMS`` of a digit on a canvas, with random slant, proportions, speed and pressure.

    Args:
        draw: the drawing object of the canvas.
        digit: 0 to 9.
        height: height of the digit before it is slanted, in pixels.
        centre: row and column of its centre, in pixels.
        rng: source of the random numbers.
    """
    forms = FORMS[digit]
    proportions = np.array([[np.exp(rng.uniform(-0.5, 0.1)), 0], [-rng.normal(0, 0.18), 1]])
    speed = rng.uniform(0.2, 1)
    pen = height * np.exp(rng.uniform(np.log(MIN_PEN), np.log(MAX_PEN)))
    for regions in forms[rng.integers(len(forms))]:
        low, high = np.array(regions)[:, :2], np.array(regions)[:, 2:]
        path = pen_path((rng.uniform(low, high) - 0.5) @ proportions, speed, rng)
        widths = pen * _pressure(rng)
        for (x, y), width in zip(centre + height * path, widths, strict=True):
            draw.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), 255)


def pen_path(corners: Path2d, speed: float, rng: Generator) -> Path2d:
    """Return the path of a pen past corners: straight between them at speed 0, and a smooth curve at speed 1.

    Args:
        corners: float ``[n, 2]``, at least two points.
        speed: 0 to 1.
        rng: source of the deviations, which are smooth along the path.

    Returns:
        Points, float ``[STEPS, 2]``.
    """
    lengths = np.hypot(*np.diff(corners, axis=0).T)
    # Centripetal parametrisation: without loops and overshoot at corners.
    knots = np.concatenate([[0], np.cumsum(np.sqrt(np.maximum(lengths, 1e-6)))])
    times = np.linspace(0, knots[-1], STEPS)
    straight = np.stack([np.interp(times, knots, corners[:, axis]) for axis in (0, 1)], 1)
    curve = CubicSpline(knots, corners, bc_type="natural")(times)
    return straight + speed * (curve - straight) + MAX_WOBBLE * rng.random() * _waves(rng, 2)


def _pressure(rng: Generator) -> Float[ndarray, " n"]:
    """Return the width of the pen along a stroke, relative to its usual width; the ends may be thinner."""
    ends = np.minimum(np.arange(STEPS), np.arange(STEPS)[::-1]) / STEPS
    taper = 1 - rng.uniform(0, 0.4) * np.exp(-ends / 0.05)
    return np.clip(1 + MAX_PRESSURE * rng.random() * _waves(rng, 1)[:, 0], 0.5, 1.5) * taper


def _waves(rng: Generator, count: int) -> Float[ndarray, "n count"]:
    """Return smooth random functions along a stroke, with a standard deviation near 1."""
    t = np.linspace(0, np.pi, STEPS)[:, None, None]
    orders = np.arange(1, WAVES + 1)[:, None]
    phases, amplitudes = rng.uniform(0, 2 * np.pi, (WAVES, count)), rng.normal(size=(WAVES, count))
    return (np.sin(orders * t + phases) * amplitudes / orders).sum(1)
