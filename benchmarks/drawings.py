"""Drawn digits: pen strokes and enlarged test digits on the flat paper of canvases of any size.

Equal seeds give equal drawings. The first drawings of a longer list are those of a shorter one.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from numpy.random import Generator
from PIL import Image, ImageDraw

from benchmarks.pen_paths import drawn_digit
from penstroke.data import Split

Picture = UInt8[ndarray, "h w"]
MIN_SIDE, MAX_SIDE = 60, 700
"""Sides of a canvas in pixels."""
MIN_CONTRAST = 80
"""Smallest difference between ink and paper in grey levels."""
SUPERSAMPLING = 4
"""Resolution at which smooth strokes are drawn, relative to the drawing."""
PAPERS = ((255, 255), (0, 0), (190, 254), (1, 80))
"""Ranges of the paper's grey level: white, black, light grey, dark grey."""
METHODS = (
    Image.Resampling.NEAREST,
    Image.Resampling.BOX,
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
)
"""How digits of MNIST are enlarged."""


@dataclass(frozen=True)
class Canvas:
    """The canvas and the pen of one drawing.

    Args:
        width: width of the canvas in pixels.
        height: height of the canvas in pixels.
        paper: grey level of the paper.
        ink: grey level of the pen.
        size: height of the digit in pixels.
        pen: width of the pen relative to ``size``, from a fine line to a felt pen.
        smooth: whether edges are anti-aliased.
    """

    width: int
    height: int
    paper: int
    ink: int
    size: float
    pen: float
    smooth: bool

    @classmethod
    def random(cls, rng: Generator) -> Self:
        """Return a canvas of random size, colours and pen."""
        side = np.exp(rng.uniform(np.log(MIN_SIDE), np.log(MAX_SIDE)))
        # Half of the canvases are square.
        stretch = np.exp(rng.uniform(-0.5, 0.5)) if rng.random() < 0.5 else 1.0
        width, height = (int(np.clip(value, MIN_SIDE, MAX_SIDE)) for value in (side * stretch, side / stretch))
        paper = int(rng.integers(*PAPERS[rng.integers(len(PAPERS))], endpoint=True))
        dark = paper > 127
        ink = int(rng.integers(0, paper - MIN_CONTRAST) if dark else rng.integers(paper + MIN_CONTRAST, 256))
        ink = ink if rng.random() < 0.5 else 0 if dark else 255
        size = min(width, height) * rng.uniform(0.25, 0.85)
        pen = np.exp(rng.uniform(np.log(0.015), np.log(0.35)))
        return cls(width, height, paper, ink, float(size), float(pen), bool(rng.random() < 0.7))

    def place(self, rng: Generator, width: float, height: float) -> tuple[float, float]:
        """Return a random position (x, y) of the top left corner of a box that the canvas contains."""
        return (self.width - width) * rng.random(), (self.height - height) * rng.random()

    def coloured(self, ink: Image.Image) -> Picture:
        """Return a drawing in the colours of paper and pen; ``ink`` is 255 where the pen draws and 0 on paper."""
        share = np.asarray(ink, np.float32) / 255
        return np.round(self.paper + (self.ink - self.paper) * share).astype(np.uint8)


def canvases(count: int, seed: int) -> list[Canvas]:
    """Return the canvases of :func:`drawings` and :func:`mnist_drawings`."""
    return [Canvas.random(_generator(seed, i)) for i in range(count)]


def drawings(count: int, seed: int) -> list[tuple[Picture, int]]:
    """Return drawings of the digits 0 to 9 in turn, with their labels, as a person draws them with a pen.

    Args:
        count: number of drawings.
        seed: seed of canvas, pen, shape, slant and position.
    """
    return [(_draw(_generator(seed, i), i % 10), i % 10) for i in range(count)]


def mnist_drawings(split: Split, count: int, seed: int) -> list[tuple[Picture, int]]:
    """Return randomly chosen images of a split, enlarged and placed on canvases, with their labels.

    Args:
        split: images of shape ``[n, 1, 28, 28]``.
        count: number of drawings, at most ``n``. Each shows another image.
        seed: seed of the choice, the canvases and the positions.
    """
    chosen = np.random.default_rng(seed).permutation(len(split))[:count]
    return [
        (_enlarge(_generator(seed, i), split.images[index, 0]), int(split.labels[index]))
        for i, index in enumerate(chosen)
    ]


def _generator(seed: int, index: int) -> Generator:
    return np.random.default_rng([seed, index])


def _draw(rng: Generator, digit: int) -> Picture:
    """Return a digit drawn with round strokes."""
    canvas = Canvas.random(rng)
    scale = SUPERSAMPLING if canvas.smooth else 1
    sheet = Image.new("L", (canvas.width * scale, canvas.height * scale))
    pen = ImageDraw.Draw(sheet)
    width = max(1, round(canvas.pen * canvas.size * scale))
    strokes = [
        (stroke + rng.normal(0, 0.004, stroke.shape)) * canvas.size * scale for stroke in drawn_digit(rng, digit)
    ]
    low = np.vstack(strokes).min(0) - width / 2
    extent = np.vstack(strokes).max(0) + width / 2 - low
    offset = np.array(canvas.place(rng, *(extent / scale))) * scale - low
    for stroke in strokes:
        points = stroke + offset
        pen.line([tuple(point) for point in points], 255, width, "curve")
        for x, y in points:
            pen.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), 255)
    return canvas.coloured(sheet.reduce(scale))


def _enlarge(rng: Generator, image: UInt8[ndarray, "28 28"]) -> Picture:
    """Return an image enlarged and placed on a canvas; its 20 rows of ink get the height ``size``."""
    canvas = Canvas.random(rng)
    side = min(round(canvas.size * len(image) / 20), canvas.width, canvas.height)
    enlarged = Image.fromarray(image).resize((side, side), METHODS[rng.integers(len(METHODS))])
    sheet = Image.new("L", (canvas.width, canvas.height))
    x, y = canvas.place(rng, side, side)
    sheet.paste(enlarged, (int(x), int(y)))
    return canvas.coloured(sheet)
