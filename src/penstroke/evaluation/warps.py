"""Geometry, blur and textures of whole batches of images, which the corruptions are made of.

A warp is a sparse matrix that multiplies the pixels of an image: the same matrix serves all images of a batch.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int64
from numpy import ndarray
from numpy.random import Generator

Pixels = Float32[ndarray, "n c h w"]
Affine = tuple[float, float, float, float, float, float]
"""Row from row, row from column, column from row, column from column, rows and columns: the place in the original,
relative to its centre, of a place in the result."""
Matrix = Any
"""A sparse matrix of SciPy, pixels of the result by pixels of the original."""
LOW, HIGH = 0.2, 0.4
"""Thresholds of edges: length of the gradient, relative to the largest one of the image."""


@lru_cache(maxsize=128)
def _affine_matrix(size: tuple[int, int], affine: Affine) -> Matrix:
    """Return the matrix of an affine map with bilinear interpolation; outside of the image is black."""
    from scipy.sparse import csr_matrix

    height, width = size
    rows, columns = (axis.ravel() for axis in np.mgrid[:height, :width])
    down, right = rows - (height - 1) / 2, columns - (width - 1) / 2
    y = affine[0] * down + affine[1] * right + affine[4] + (height - 1) / 2
    x = affine[2] * down + affine[3] * right + affine[5] + (width - 1) / 2
    top, left = np.floor(y).astype(np.int64), np.floor(x).astype(np.int64)
    parts = []
    for dy in (0, 1):
        for dx in (0, 1):
            share = (1 - np.abs(y - top - dy)) * (1 - np.abs(x - left - dx))
            inside = (top + dy >= 0) & (top + dy < height) & (left + dx >= 0) & (left + dx < width) & (share > 0)
            pixel = np.flatnonzero(inside)
            parts.append((share[pixel], pixel, ((top + dy) * width + left + dx)[pixel]))
    shares, pixels, origins = (np.concatenate(part) for part in zip(*parts, strict=True))
    return csr_matrix((shares.astype(np.float32), (pixels, origins)), shape=(height * width,) * 2)


def mean_matrix(size: Sequence[int], maps: Sequence[Affine]) -> Matrix:
    """Return the matrix of the mean of several affine maps.

    Args:
        size: height and width of the images.
        maps: the maps.
    """
    height, width = size
    return sum(_affine_matrix((height, width), each) for each in maps) * np.float32(1 / len(maps))


@lru_cache(maxsize=128)
def _line_matrix(size: tuple[int, int], length: float, angle: float) -> Matrix:
    steps = np.linspace(-length / 2, length / 2, math.ceil(length) + 1).tolist()
    return mean_matrix(size, [(1, 0, 0, 1, step * math.sin(angle), step * math.cos(angle)) for step in steps])


def line_matrix(size: Sequence[int], length: float, angle: float) -> Matrix:
    """Return the matrix of the mean along a line through each pixel.

    Args:
        size: height and width of the images.
        length: length of the line, in pixels.
        angle: its direction in radians; 0 is horizontal.
    """
    height, width = size
    return _line_matrix((height, width), length, angle)


def apply(images: Pixels, matrices: Sequence[Matrix], choice: Int64[ndarray, " n"]) -> Pixels:
    """Return each image multiplied by one of the matrices.

    Args:
        images: the images.
        matrices: the matrices.
        choice: for each image the position of its matrix.
    """
    result = np.empty_like(images)
    for number, matrix in enumerate(matrices):
        chosen = choice == number
        part = images[chosen]
        result[chosen] = (matrix @ part.reshape(-1, matrix.shape[1]).T).T.reshape(part.shape)
    return result


def blur(images: Float32[ndarray, "*batch h w"], sigma: float) -> Float32[ndarray, "*batch h w"]:
    """Return the images after a Gaussian blur with standard deviation ``sigma``, in pixels."""
    from scipy.ndimage import gaussian_filter1d

    for axis in (-2, -1):
        images = gaussian_filter1d(images, sigma, axis=axis, mode="nearest", truncate=3)
    return images


def scatter(images: Pixels, reach: int, rng: Generator) -> Pixels:
    """Return images whose pixels come from random places at most ``reach`` rows and columns away."""
    count, _, height, width = images.shape
    moves = rng.integers(-reach, reach, size=(2, count, height, width), dtype=np.int16, endpoint=True)
    rows = np.clip(np.arange(height, dtype=np.int16)[:, None] + moves[0], 0, height - 1)
    columns = np.clip(np.arange(width, dtype=np.int16) + moves[1], 0, width - 1)
    origins = (rows.astype(np.int64) * width + columns).reshape(count, 1, -1)
    pixels = images.reshape(count, -1, height * width)
    return np.take_along_axis(pixels, origins, axis=2).reshape(images.shape)


def clouds(count: int, size: Sequence[int], decay: float, rng: Generator) -> Float32[ndarray, "count 1 h w"]:
    """Return random clouds, 0..1: noise of all scales.

    Args:
        count: number of images.
        size: height and width.
        decay: each scale has half the size of the one before, and is weaker by this factor.
        rng: draws the noise.
    """
    height, width = size
    total = np.zeros((count, height, width), np.float32)
    points, weight = 2, 1.0
    while points <= max(size):
        noise = rng.random((count, points, points), np.float32)
        total += np.float32(weight) * (_stretch(height, points) @ noise @ _stretch(width, points).T)
        points, weight = 2 * points - 1, weight / decay
    low, high = total.min((1, 2), keepdims=True), total.max((1, 2), keepdims=True)
    return ((total - low) / np.maximum(high - low, np.float32(1e-6)))[:, None]


def _stretch(length: int, points: int) -> Float32[ndarray, "length points"]:
    """Return the matrix that interpolates linearly between equally spaced points."""
    place = np.linspace(0, points - 1, length)
    return np.maximum(0, 1 - np.abs(place[:, None] - np.arange(points))).astype(np.float32)


def edges(images: Float32[ndarray, "n h w"], sigma: float) -> Bool[ndarray, "n h w"]:
    """Return the edges of grey images, 0..1, after a blur.

    The method is that of J. Canny, "A computational approach to edge detection", 1986.
    """
    from scipy.ndimage import binary_propagation

    smooth = np.pad(blur(images, sigma), ((0, 0), (1, 1), (1, 1)), "edge")
    down = (smooth[:, 2:, 1:-1] - smooth[:, :-2, 1:-1]) / 2
    right = (smooth[:, 1:-1, 2:] - smooth[:, 1:-1, :-2]) / 2
    length = np.hypot(down, right)
    # An edge is where the gradient is longest, compared with the two neighbours in its own direction: 4 are known.
    sector = np.round(np.arctan2(down, right) / (np.pi / 4)).astype(np.int64) % 4
    around = np.pad(length, ((0, 0), (1, 1), (1, 1)))
    height, width = images.shape[1:]
    ridge = np.zeros(images.shape, bool)
    for number, (dy, dx) in enumerate(((0, 1), (1, 1), (1, 0), (1, -1))):
        ahead = around[:, 1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
        behind = around[:, 1 - dy : 1 - dy + height, 1 - dx : 1 - dx + width]
        ridge |= (sector == number) & (length >= ahead) & (length > behind)
    neighbours = np.zeros((3, 3, 3), bool)
    neighbours[1] = True  # within one image
    largest = length.max((1, 2), keepdims=True)
    strong, weak = ridge & (length > HIGH * largest), ridge & (length > LOW * largest)
    return np.asarray(binary_propagation(strong, neighbours, mask=weak))
