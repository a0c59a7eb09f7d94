"""Corrupted images: 16 families of damage in 5 severities, drawn by the program from a seed.

The families are those of MNIST-C (N. Mu and J. Gilmer, "MNIST-C: a robustness benchmark for computer vision", 2019,
https://arxiv.org/abs/1906.02337), with zoom blur of ImageNet-C (D. Hendrycks and T. Dietterich, "Benchmarking neural
network robustness to common corruptions and perturbations", 2019, https://arxiv.org/abs/1903.12261). The images are not
those of the published MNIST-C, which has one severity per family; some parameters differ.

Lengths are in pixels of an image with sides of 28, and are scaled for other sizes. Images show bright strokes on black.
"""

import zlib
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from jaxtyping import Float32, Int64, UInt8
from numpy import ndarray
from numpy.random import Generator

from penstroke.errors import UsageError, nearest
from penstroke.evaluation import warps

Images = UInt8[ndarray, "n c h w"]
Pixels = Float32[ndarray, "n c h w"]
"""Pixel values, 0..1."""
Corruption = Callable[[Images, int, Generator], Images]
Level = TypeVar("Level")
"""The parameter of a family at one severity."""

SEVERITIES = (1, 2, 3, 4, 5)
CHUNK = 2048
"""Number of images that are corrupted at once, which bounds the memory. Each chunk has its own random state."""
SIDE = 28
"""The side of an image, in pixels, for which lengths are given."""
DIRECTIONS = 16
"""Number of different directions of motion blur."""
ZOOMS = 8
"""Number of images that a zoom blur averages."""

CORRUPTIONS: dict[str, Corruption] = {}
"""Each family by name: a function of raw images, a severity (1 to 5) and a random generator."""


def corrupt(images: Images, name: str, severity: int, seed: int = 0) -> Images:
    """Return corrupted copies of images. Equal arguments give equal images.

    Args:
        images: raw images, bright strokes on black.
        name: the family, a key of ``CORRUPTIONS``.
        severity: 1 (least) to 5.
        seed: seed of all random choices.

    Raises:
        UsageError: the family or the severity does not exist.
    """
    if name not in CORRUPTIONS:
        raise UsageError(f"The corruption {name!r} does not exist.", nearest(name, CORRUPTIONS))
    if severity not in SEVERITIES:
        raise UsageError(f"severity is {severity!r}; it must be a whole number from 1 to 5.", "Use 3, for example.")
    result = np.empty_like(images)
    for number, start in enumerate(range(0, len(images), CHUNK)):
        rng = np.random.default_rng([seed, zlib.crc32(name.encode()), severity, number])
        result[start : start + CHUNK] = CORRUPTIONS[name](images[start : start + CHUNK], severity, rng)
    return result


def _family(*levels: Level) -> Callable[[Callable[[Pixels, Level, Generator], Pixels]], Corruption]:
    """Register a function of pixels 0..1 as a family, with its parameter at each severity."""

    def register(function: Callable[[Pixels, Level, Generator], Pixels]) -> Corruption:
        def corruption(images: Images, severity: int, rng: Generator) -> Images:
            changed = function(images.astype(np.float32) / 255, levels[severity - 1], rng)
            return np.asarray(np.clip(changed * 255, 0, 255).round(), np.uint8)

        corruption.__doc__ = function.__doc__
        CORRUPTIONS[function.__name__] = corruption
        return corruption

    return register


def _unit(images: Pixels) -> float:
    """Return how many pixels of the image one pixel of a side of 28 is."""
    return min(images.shape[2:]) / SIDE


@_family(60, 25, 12, 5, 3)
def shot_noise(images: Pixels, photons: int, rng: Generator) -> Pixels:
    """Return images of a camera that counts few photons: Poisson noise."""
    return np.asarray(rng.poisson(images * photons) / photons, np.float32)


@_family(0.03, 0.06, 0.09, 0.17, 0.27)
def impulse_noise(images: Pixels, share: float, rng: Generator) -> Pixels:
    """Return images of which a share of the pixels is black or white."""
    draw = rng.random(images.shape, np.float32)
    return np.where(draw < share / 2, np.float32(0), np.where(draw < share, np.float32(1), images))


@_family((0.7, 1, 1), (0.8, 1, 2), (0.9, 2, 1), (1.0, 2, 2), (1.2, 3, 2))
def glass_blur(images: Pixels, level: tuple[float, int, int], rng: Generator) -> Pixels:
    """Return images seen through frosted glass: each pixel comes from a random place nearby, with a blur around."""
    sigma, reach, repeats = level
    reach = max(1, round(reach * _unit(images)))
    images = warps.blur(images, sigma * _unit(images))
    for _ in range(repeats):
        images = warps.scatter(images, reach, rng)
    return warps.blur(images, sigma * _unit(images))


@_family(3, 5, 7, 10, 13)
def motion_blur(images: Pixels, length: float, rng: Generator) -> Pixels:
    """Return images of a moving camera: the mean along a line whose direction is random."""
    size = images.shape[2:]
    angles = np.pi / DIRECTIONS * np.arange(DIRECTIONS)
    matrices = [warps.line_matrix(size, length * _unit(images), float(angle)) for angle in angles]
    return warps.apply(images, matrices, rng.integers(DIRECTIONS, size=len(images)))


@_family(0.15, 0.3, 0.45, 0.6, 0.8)
def zoom_blur(images: Pixels, zoom: float, rng: Generator) -> Pixels:  # noqa: ARG001 - not random
    """Return images of a camera that zooms in: the mean of enlarged copies."""
    factors = np.linspace(1, 1 + zoom, ZOOMS).tolist()
    matrix = warps.mean_matrix(images.shape[2:], [(1 / factor, 0, 0, 1 / factor, 0, 0) for factor in factors])
    return warps.apply(images, [matrix], np.zeros(len(images), np.int64))


@_family(0.2, 0.4, 0.6, 0.8, 1.0)
def shear(images: Pixels, slant: float, rng: Generator) -> Pixels:
    """Return images slanted to the left or right; 1 is 45 degrees."""
    return _signed(images, rng, *[(1, 0, sign * slant, 1, 0, 0) for sign in (-1, 1)])


@_family(0.9, 0.8, 0.7, 0.6, 0.5)
def scale(images: Pixels, factor: float, rng: Generator) -> Pixels:
    """Return images reduced by a factor, with a black margin."""
    return _signed(images, rng, (1 / factor, 0, 0, 1 / factor, 0, 0))


@_family(0.2, 0.4, 0.6, 0.8, 1.0)
def rotate(images: Pixels, angle: float, rng: Generator) -> Pixels:
    """Return images rotated by an angle in radians, to the left or right."""
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    return _signed(images, rng, *[(cos, sign * sin, -sign * sin, cos, 0, 0) for sign in (-1, 1)])


@_family(1, 2, 3, 4, 5)
def translate(images: Pixels, pixels: int, rng: Generator) -> Pixels:
    """Return images moved by a number of pixels in both directions, each to a random side."""
    step = round(pixels * _unit(images))
    return _signed(images, rng, *[(1, 0, 0, 1, down * step, right * step) for down in (-1, 1) for right in (-1, 1)])


@_family(0.1, 0.2, 0.3, 0.4, 0.5)
def brightness(images: Pixels, light: float, rng: Generator) -> Pixels:  # noqa: ARG001 - not random
    """Return brighter images: black becomes grey."""
    return np.minimum(images + np.float32(light), 1)


@_family(2, 4, 7, 10, 14)
def stripe(images: Pixels, width: int, rng: Generator) -> Pixels:
    """Return images with a vertical stripe, at a random place, in which black and white are exchanged."""
    columns, wide = np.arange(images.shape[3]), round(width * _unit(images))
    start = rng.integers(images.shape[3] - wide + 1, size=(len(images), 1, 1, 1))
    return np.where((columns >= start) & (columns < start + wide), 1 - images, images)


@_family((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4))
def fog(images: Pixels, level: tuple[float, float], rng: Generator) -> Pixels:
    """Return images behind fog: clouds of all sizes are added, and the contrast falls."""
    density, decay = level
    clouds = warps.clouds(len(images), images.shape[2:], decay, rng)
    highest = images.max((1, 2, 3), keepdims=True)
    return (images + np.float32(density) * clouds) * highest / (highest + np.float32(density))


@_family(0.03, 0.06, 0.1, 0.15, 0.2)
def spatter(images: Pixels, share: float, rng: Generator) -> Pixels:
    """Return images with bright drops on a share of the area."""
    noise = rng.standard_normal((len(images), 1, *images.shape[2:]), np.float32)
    field = warps.blur(noise, 1.2 * _unit(images))
    level = np.quantile(field, 1 - share, axis=(1, 2, 3), keepdims=True)
    drops = np.clip((field - level) / field.std() * 2, 0, 1).astype(np.float32)
    return np.maximum(images, drops)


@_family(1, 2, 3, 4, 5)
def dotted_line(images: Pixels, lines: int, rng: Generator) -> Pixels:
    """Return images with straight dotted lines across them, from a random place of one side to the opposite side."""
    return _with_lines(images, lines, rng, period=4.0, height=0.0)


@_family(1, 2, 3, 4, 5)
def zigzag(images: Pixels, lines: int, rng: Generator) -> Pixels:
    """Return images with zigzag lines across them."""
    return _with_lines(images, lines, rng, period=6.0, height=2.0)


@_family(0.5, 0.9, 1.3, 1.8, 2.4)
def canny_edges(images: Pixels, sigma: float, rng: Generator) -> Pixels:  # noqa: ARG001 - not random
    """Return the edges of the images, found after a blur."""
    edges = warps.edges(images.mean(1), sigma * _unit(images))
    return np.broadcast_to(edges[:, None].astype(np.float32), images.shape)


def _signed(images: Pixels, rng: Generator, *affine: warps.Affine) -> Pixels:
    """Return each image after one of the affine maps, chosen at random."""
    matrices = [warps.mean_matrix(images.shape[2:], [each]) for each in affine]
    return warps.apply(images, matrices, rng.integers(len(affine), size=len(images)))


def _with_lines(images: Pixels, lines: int, rng: Generator, period: float, height: float) -> Pixels:
    """Return images with bright lines from one side to the opposite one: dotted, or zigzag if ``height`` is not 0.

    Args:
        images: the images.
        lines: lines per image.
        rng: draws the sides and the places.
        period: length of a dot with its gap, or of one zigzag.
        height: how far a zigzag leaves the straight line, to both sides.
    """
    count, unit, side = len(images), _unit(images), max(images.shape[2:])
    along = np.arange(0, side, 0.25)  # in quarters of a pixel: a steep part of a zigzag has no gaps
    phase = along / (period * unit) % 1
    if not height:
        along, phase = along[phase < 0.5], phase[phase < 0.5]
    offset = height * unit * (4 * np.abs(phase - 0.5) - 1)
    ends = rng.uniform(0.1, 0.9, (2, count, lines, 1))
    across = (ends[0] + (ends[1] - ends[0]) * along / side) * side + offset
    upright = rng.random((count, lines, 1)) < 0.5
    ink = np.zeros((count, side, side), np.float32)
    rows, columns = np.where(upright, along, across), np.where(upright, across, along)
    place = np.broadcast_to(np.arange(count)[:, None, None], rows.shape)
    for step in range(max(1, round(unit))):  # the pen is one pixel wide, across the line
        y, x = _inside(rows + step * ~upright, side), _inside(columns + step * upright, side)
        ink[place, y, x] = 1
    return np.maximum(images, ink[:, None, : images.shape[2], : images.shape[3]])


def _inside(values: ndarray, side: int) -> Int64[ndarray, "n lines m"]:
    return np.clip(values, 0, side - 1).astype(np.int64)
