"""Strips of touching digits, for the training of a network that reads sequences of digits.

The digits are training images, distorted one by one, and moved together until they touch. Labels are known, and the
places where the digits touch do not matter. See ``penstroke.pictures.strips`` for the form of a strip.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float32, Int64, UInt8
from numpy import ndarray
from numpy.random import Generator
from torch.nn import functional as F

from penstroke.pictures.strips import to_strip
from penstroke.synthesis.augment import change_strokes, warp
from penstroke.synthesis.draws import Draws

LENGTH_SHARES = (0.2, 0.47, 0.23, 0.1)
"""Fractions of the strips with 1, 2, 3 and 4 digits."""
PADDING = 6
"""Pixels that are added on each side of an image, so that distorted digits remain whole."""
UNCHANGED_SHARE = 0.2
"""Fraction of the digits that are not distorted."""
DROP, MAX_DROP = 1.8, 5
"""Standard deviation and maximum of the vertical displacement of a digit, in pixels of MNIST."""
OVERLAP = 2.6
"""Maximum overlap of touching strokes, in pixels of MNIST."""
APART_SHARE, MAX_APART, MAX_CLOSE = 0.1, 2, 6
"""Fraction of the pairs whose boxes overlap more or less, and limits of their distance and their overlap in pixels."""
INK = 0.3
"""Lowest level of a stroke, 0..1."""

Digits = Float32[ndarray, "n h w"]
Labels = tuple[int, ...]


def touching_digits(
    images: UInt8[ndarray, "n h w"], labels: Int64[ndarray, "n"], count: int, rng: Generator
) -> tuple[list[UInt8[ndarray, "28 w"]], list[Labels]]:
    """Return ``count`` strips of digits and their labels from left to right.

    Args:
        images: digits in the style of MNIST.
        labels: their classes.
        count: number of strips.
        rng: draws the digits and their places. Their distortions draw from PyTorch's random state.
    """
    lengths = rng.choice(len(LENGTH_SHARES), count, p=LENGTH_SHARES) + 1
    chosen = rng.integers(0, len(images), int(lengths.sum()))
    digits = np.split(_distorted(images[chosen]), np.cumsum(lengths)[:-1])
    texts = np.split(labels[chosen], np.cumsum(lengths)[:-1])
    return [to_strip(_beside(each, rng)) for each in digits], [tuple(text.tolist()) for text in texts]


def _distorted(images: UInt8[ndarray, "n h w"]) -> Digits:
    """Return distorted digits, with levels 0..1 and space around them."""
    originals = F.pad(torch.from_numpy(images)[:, None].float(), (PADDING,) * 4)
    draws = Draws.of(originals)
    changed = change_strokes(warp(originals, 0.8, draws), 1.0, draws)
    digits = torch.where(draws.uniform(0, 1) < UNCHANGED_SHARE, originals, changed)
    return (digits[:, 0] / 255).clamp(0, 1).numpy()


def _beside(digits: Digits, rng: Generator) -> Float32[ndarray, "h w"]:
    """Return the digits side by side, so that each touches the one before it."""
    height, width = digits.shape[1:]
    canvas = np.zeros((height + 2 * MAX_DROP, len(digits) * width + PADDING), np.float32)
    end = 0
    for digit in digits:
        columns = np.flatnonzero((digit > INK / 3).any(0))
        if not len(columns):
            continue
        part = digit[:, columns[0] : columns[-1] + 1]
        top = MAX_DROP + round(float(np.clip(rng.normal(0, DROP), -MAX_DROP, MAX_DROP)))
        start = _start(canvas[top : top + height, :end], part, rng) if end else 0
        start = min(max(0, start), canvas.shape[1] - part.shape[1])
        place = canvas[top : top + height, start : start + part.shape[1]]
        np.maximum(place, part, out=place)
        end = max(end, start + part.shape[1])
    return canvas


def _start(line: Float32[ndarray, "h w"], digit: Float32[ndarray, "h v"], rng: Generator) -> int:
    """Return the column at which a digit begins that is added to a line."""
    if rng.random() < APART_SHARE:
        return line.shape[1] + int(rng.integers(-MAX_CLOSE, MAX_APART + 1))
    written, begun = line > INK, digit > INK
    last = np.where(written.any(1), line.shape[1] - 1 - written[:, ::-1].argmax(1), -np.inf)
    first = np.where(begun.any(1), begun.argmax(1), np.inf)
    nearest = float(np.max(last - first))  # where both have ink in the same row
    return round((nearest if np.isfinite(nearest) else line.shape[1]) + 1 - rng.uniform(0, OVERLAP))


def batch_of(strips: Sequence[UInt8[ndarray, "28 w"]]) -> UInt8[ndarray, "n 1 28 w"]:
    """Return strips as one array, padded with black on the right to the width of the widest."""
    batch = np.zeros((len(strips), 1, len(strips[0]), max(strip.shape[1] for strip in strips)), np.uint8)
    for row, strip in zip(batch, strips, strict=True):
        row[0, :, : strip.shape[1]] = strip
    return batch
