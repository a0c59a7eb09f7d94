"""Generated pictures that show none of the digits, of eight kinds. A classifier of digits should reject them.

They are whole pictures that need the same preparation as a photograph of a digit, and no recipe trains on them.
Letters and symbols that look like a digit (O, l, S, a ring, a vertical stroke) are excluded. Equal seeds give equal
pictures.

    picture = outlier_picture(seed=7, kind="letter")
"""

from functools import cache
from pathlib import Path

import numpy as np
import skimage
from jaxtyping import Float, UInt8
from matplotlib import get_data_path
from numpy import ndarray
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from benchmarks.trial_paper import photograph

KINDS = ("blank", "letter", "face", "noise", "checkerboard", "scribble", "symbol", "texture")
LETTERS = "AEFHKMNPRTUVWXYadefhkmnprtuvwxyÄßäéëñΔΘΛΞΠΣΦΨΩδθλμπφψω"
FONTS = ("DejaVuSans", "DejaVuSerif", "DejaVuSansMono", "DejaVuSans-Bold", "DejaVuSerif-Italic", "DejaVuSans-Oblique")
SIDE = 480
"""Side of the square sheet that shapes are drawn on, in pixels."""

Picture = UInt8[ndarray, "h w *c"]
Path2d = Float[ndarray, "n 2"]


def outlier_picture(seed: int, kind: str) -> Picture:
    """Return a picture of one of ``KINDS``: uint8, grey ``[h, w]`` or colour ``[h, w, 3]``."""
    rng = np.random.default_rng([seed, KINDS.index(kind), 8])
    return {
        "blank": _blank,
        "letter": lambda rng: _on_paper(rng, _letter(rng)),
        "face": _face,
        "noise": _noise,
        "checkerboard": _checkerboard,
        "scribble": lambda rng: _on_paper(rng, _scribble(rng)),
        "symbol": lambda rng: _on_paper(rng, _symbol(rng)),
        "texture": _texture,
    }[kind](rng)


def _on_paper(rng: Generator, shape: Image.Image) -> Picture:
    """Rotate white strokes on black by a small angle, and return them as ink on a photographed sheet."""
    rotated = shape.rotate(rng.uniform(-12, 12), Image.Resampling.BICUBIC)
    ink = ndimage.gaussian_filter(np.asarray(rotated, np.float32) / 255, 0.7)
    return photograph(rng, "mixed", ink, 0.5 * SIDE, int(rng.integers(160, 1000)))


def _sheet() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("L", (SIDE, SIDE))
    return image, ImageDraw.Draw(image)


def _blank(rng: Generator) -> Picture:
    """Return an empty page, with its lighting and printed lines."""
    kind = str(rng.choice(["mixed", "squared", "ruled", "crumpled", "shadow", "plain", "noisy"]))
    side = int(rng.integers(160, 1000))
    return photograph(rng, kind, np.zeros((min(side, SIDE), min(side, SIDE)), np.float32), 0.5 * SIDE, side)


def _letter(rng: Generator) -> Image.Image:
    name = str(rng.choice(FONTS))
    font = ImageFont.truetype(str(Path(get_data_path()) / "fonts" / "ttf" / f"{name}.ttf"), int(SIDE * 0.5))
    image, draw = _sheet()
    draw.text((SIDE / 2, SIDE / 2), str(rng.choice(list(LETTERS))), 255, font, anchor="mm")
    return image


@cache
def _faces() -> list[Picture]:
    """Return 100 small grey faces, and a large one in colour."""
    people = np.load(Path(skimage.__file__).parent / "data" / "lfw_subset.npy")[:100]
    small = [(255 * face).round().astype(np.uint8) for face in people]
    return [*small, skimage.data.astronaut()[5:185, 140:300]]


def _face(rng: Generator) -> Picture:
    faces = _faces()
    face = Image.fromarray(faces[int(rng.integers(len(faces)))])
    side = int(rng.integers(50, 500))
    face = face.resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(face.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else face)


def _noise(rng: Generator) -> Picture:
    """Return uniform, normal or salt-and-pepper noise with grains of several pixels, in grey or colour."""
    side, grain = int(rng.integers(28, 300)), int(rng.integers(1, 12))
    shape = (side // grain + 2, side // grain + 2, 3)[: int(rng.integers(2, 4))]
    choice = int(rng.integers(3))
    if choice == 0:
        values = rng.integers(0, 256, shape)
    elif choice == 1:
        values = np.clip(rng.normal(rng.uniform(60, 200), rng.uniform(10, 80), shape), 0, 255)
    else:
        values = 255 * (rng.random(shape) < rng.uniform(0.05, 0.95))
    grains = values.astype(np.uint8).repeat(grain, 0).repeat(grain, 1)
    return np.asarray(Image.fromarray(grains).resize((side, side), int(rng.integers(0, 4))))


def _checkerboard(rng: Generator) -> Picture:
    side, cell = int(rng.integers(60, 600)), rng.uniform(0.04, 0.3)
    y, x = np.mgrid[:side, :side] / side
    angle = rng.uniform(-0.8, 0.8) if rng.random() < 0.5 else 0.0
    u, v = x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)
    low, high = sorted(rng.uniform(0, 255, 2))
    board = np.where((np.floor(u / cell) + np.floor(v / cell)) % 2, low, max(high, low + 40))
    return np.clip(board + rng.normal(0, rng.uniform(0, 6), board.shape), 0, 255).astype(np.uint8)


def _scribble(rng: Generator) -> Image.Image:
    """Return a smooth random curve with several turns, drawn with a pen."""
    image, draw = _sheet()
    t = np.linspace(0, 1, 400)
    waves = rng.integers(2, 7)
    path = np.zeros((len(t), 2))
    for k in range(1, 3 + int(waves)):
        phase = rng.uniform(0, 2 * np.pi, 2)
        path += np.sin(2 * np.pi * k * t[:, None] + phase) * rng.normal(0, 1, 2) / k**0.5
    path += t[:, None] * rng.normal(0, 2, 2)
    path = (path - path.min(0)) / np.ptp(path, 0).max() * SIDE * rng.uniform(0.4, 0.7) + SIDE * 0.15
    _stroke(draw, path, int(rng.integers(4, 22)))
    return image


def _stroke(draw: ImageDraw.ImageDraw, path: Path2d, width: int) -> None:
    """Draw a line with rounded joints and ends."""
    points = [(float(x), float(y)) for x, y in path]
    draw.line(points, 255, width, joint="curve")
    for x, y in (points[0], points[-1]):
        draw.ellipse([x - width / 2, y - width / 2, x + width / 2, y + width / 2], 255)


SYMBOLS: dict[str, list[list[tuple[float, float]]]] = {
    "triangle": [[(0.5, 0), (1, 1), (0, 1), (0.5, 0)]],
    "square": [[(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)]],
    "diamond": [[(0.5, 0), (1, 0.5), (0.5, 1), (0, 0.5), (0.5, 0)]],
    "star": [[(0.5, 0), (0.8, 1), (0, 0.38), (1, 0.38), (0.2, 1), (0.5, 0)]],
    "plus": [[(0.5, 0), (0.5, 1)], [(0, 0.5), (1, 0.5)]],
    "cross": [[(0, 0), (1, 1)], [(1, 0), (0, 1)]],
    "hash": [[(0.3, 0), (0.25, 1)], [(0.75, 0), (0.7, 1)], [(0, 0.3), (1, 0.3)], [(0, 0.7), (1, 0.7)]],
    "arrow": [[(0, 0.5), (1, 0.5)], [(0.65, 0.2), (1, 0.5), (0.65, 0.8)]],
    "house": [[(0, 1), (0, 0.4), (0.5, 0), (1, 0.4), (1, 1), (0, 1)], [(0.4, 1), (0.4, 0.6), (0.6, 0.6), (0.6, 1)]],
    "asterisk": [[(0.5, 0), (0.5, 1)], [(0.05, 0.25), (0.95, 0.75)], [(0.95, 0.25), (0.05, 0.75)]],
    "zigzag": [[(0, 0.7), (0.2, 0.3), (0.4, 0.7), (0.6, 0.3), (0.8, 0.7), (1, 0.3)]],
    "bars": [[(0, 0.2), (1, 0.2)], [(0, 0.5), (1, 0.5)], [(0, 0.8), (1, 0.8)]],
    "envelope": [[(0, 0.15), (1, 0.15), (1, 0.85), (0, 0.85), (0, 0.15), (0.5, 0.55), (1, 0.15)]],
    "percent": [[(0.9, 0), (0.1, 1)], [(0.1, 0.1), (0.3, 0.1), (0.3, 0.3), (0.1, 0.3), (0.1, 0.1)],
                [(0.7, 0.7), (0.9, 0.7), (0.9, 0.9), (0.7, 0.9), (0.7, 0.7)]],
}  # fmt: skip
"""Strokes of each symbol, given by their corners in a square of side 1."""


def _symbol(rng: Generator) -> Image.Image:
    """Return a symbol drawn with a pen, with noise added to its corners."""
    image, draw = _sheet()
    strokes = SYMBOLS[str(rng.choice(list(SYMBOLS)))]
    size = SIDE * rng.uniform(0.3, 0.6) * np.array([rng.uniform(0.8, 1.2), 1])
    width = int(rng.integers(5, 26))
    for stroke in strokes:
        _stroke(draw, (np.array(stroke) + rng.normal(0, 0.02, (len(stroke), 2))) * size + 0.2 * SIDE, width)
    return image


@cache
def _photographs() -> list[Picture]:
    names = ("astronaut", "brick", "camera", "cat", "coffee", "coins", "grass", "gravel", "hubble_deep_field", "moon",
             "page", "retina", "rocket", "text")  # fmt: skip
    return [np.asarray(getattr(skimage.data, name)()) for name in names]


def _texture(rng: Generator) -> Picture:
    """Return a square crop of a photograph, such as gravel, grass, a cat, the sky or printed text."""
    pictures = _photographs()
    picture = pictures[int(rng.integers(len(pictures)))]
    side = int(rng.uniform(0.25, 0.9) * min(picture.shape[:2]))
    y, x = (int(rng.integers(0, length - side)) for length in picture.shape[:2])
    return np.ascontiguousarray(picture[y : y + side, x : x + side])
