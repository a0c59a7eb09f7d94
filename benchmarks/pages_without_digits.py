"""Generated pages that show no digits, of six kinds. ``read`` should find none on them.

Words, fonts, shapes and photographs differ between the parts ``development``, with which the rules of ``read`` were
chosen, and ``test``, which is reported. Equal arguments give equal pages.

    picture = page_without_digits(seed=7, kind="words", part="development")
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

from benchmarks.outlier_pictures import SYMBOLS
from benchmarks.trial_paper import photograph

KINDS = ("words", "print", "faces", "patterns", "blank", "drawings")
PARTS = ("development", "test")
FONTS = {
    "development": ("DejaVuSans", "DejaVuSerif-Italic", "STIXGeneral", "cmr10"),
    "test": ("DejaVuSans-Oblique", "DejaVuSerif", "STIXGeneralItalic", "DejaVuSansMono-Oblique", "cmb10"),
}
TEXTS = {
    "development": "please call me back when the train arrives at home we need bread milk and paper for school "
    "garden work starts early in spring because frost damages young plants Dear friend thank you very much",
    "test": "meeting moved to monday afternoon bring your notes about the harbour project and coffee from downstairs "
    "mountain weather changes quickly hikers should pack warm clothes Kind regards remember the keys",
}
PHOTOGRAPHS = {
    "development": ("camera", "grass", "coins", "moon", "chelsea"),
    "test": ("brick", "gravel", "coffee", "rocket", "hubble_deep_field", "retina"),
}
Picture = UInt8[ndarray, "h w *c"]
Ink = Float[ndarray, "h w"]


def page_without_digits(seed: int, kind: str, part: str = "test") -> Picture:
    """Return a page: uint8, grey ``[h, w]`` or colour ``[h, w, 3]``.

    Args:
        seed: seed of the random generator, combined with the other arguments.
        kind: one of ``KINDS``.
        part: one of ``PARTS``.
    """
    rng = np.random.default_rng([seed, KINDS.index(kind), PARTS.index(part), 15])
    make = {
        "words": _words,
        "print": _print,
        "faces": _faces,
        "patterns": _patterns,
        "blank": _blank,
        "drawings": _drawings,
    }
    return make[kind](rng, part)


def _text(rng: Generator, part: str, words: int) -> str:
    known = TEXTS[part].split()
    return " ".join(rng.choice(known, words))


def _font(rng: Generator, part: str, size: int) -> ImageFont.FreeTypeFont:
    name = str(rng.choice(FONTS[part]))
    return ImageFont.truetype(str(Path(get_data_path()) / "fonts" / "ttf" / f"{name}.ttf"), size)


def _words(rng: Generator, part: str) -> Picture:
    """Return one to three lines of words, bent as by a hand, on photographed paper."""
    size = int(rng.integers(60, 110))
    lines = [_text(rng, part, int(rng.integers(1, 4))) for _ in range(rng.integers(1, 4))]
    sheet = Image.new("L", (900, 200 + round(1.7 * size * len(lines))))
    draw = ImageDraw.Draw(sheet)
    font = _font(rng, part, size)
    for row, line in enumerate(lines):
        draw.text((60, 60 + 1.7 * size * row), line, 255, font, stroke_width=int(rng.integers(0, 3)))
    ink = _bent(rng, np.asarray(sheet.rotate(rng.uniform(-6, 6)), np.float32) / 255, 0.05 * size)
    return photograph(rng, "mixed", ink, size, int(rng.integers(500, 1400)))


def _bent(rng: Generator, ink: Ink, strength: float) -> Ink:
    """Return ink displaced by a smooth random field, of ``strength`` pixels in the mean."""
    y, x = np.mgrid[: ink.shape[0], : ink.shape[1]].astype(np.float32)
    fields = ndimage.gaussian_filter(rng.normal(0, 1, (2, *ink.shape)).astype(np.float32), (0, 12, 12))
    fields *= strength / (np.abs(fields).mean() + 1e-6)
    return ndimage.map_coordinates(ink, [y + fields[0], x + fields[1]], order=1)


def _print(rng: Generator, part: str) -> Picture:
    """Return a printed page of many lines, as a photograph or a scan."""
    size = int(rng.integers(22, 44))
    sheet = Image.new("L", (int(rng.integers(600, 1000)), int(rng.integers(500, 1100))))
    draw, font = ImageDraw.Draw(sheet), _font(rng, part, size)
    for y in np.arange(40, sheet.height - 40, 1.4 * size):
        text = _text(rng, part, 12)
        while draw.textlength(text, font) > sheet.width - 80:
            text = text.rsplit(" ", 1)[0]
        draw.text((40, float(y)), text, 255, font)
    if rng.random() < 0.3:
        return 255 - np.asarray(sheet)
    return photograph(rng, "mixed", np.asarray(sheet, np.float32) / 255, size, int(rng.integers(900, 1600)))


@cache
def _people() -> Float[ndarray, "n h w"]:
    """Return small grey pictures of faces, 0..1."""
    return np.load(Path(skimage.__file__).parent / "data" / "lfw_subset.npy")[:100]


def _faces(rng: Generator, part: str) -> Picture:
    """Return one face, or several side by side."""
    faces = _people()[:50] if part == "development" else _people()[50:]
    count = int(rng.choice([1, 1, 4, 6]))
    chosen = [Image.fromarray((255 * faces[i]).astype(np.uint8)) for i in rng.integers(0, 50, count)]
    side = int(rng.integers(60, 400))
    large = [np.asarray(face.resize((side, side), Image.Resampling.BICUBIC)) for face in chosen]
    columns = 1 if count == 1 else count // 2
    return np.vstack([np.hstack(large[row : row + columns]) for row in range(0, count, columns)])


def _patterns(rng: Generator, part: str) -> Picture:
    """Return a part of a photograph, grain, a grid of lines or tiles, or waves."""
    choice = int(rng.integers(4))
    side = int(rng.integers(150, 700))
    if choice == 0:
        picture = np.asarray(getattr(skimage.data, str(rng.choice(PHOTOGRAPHS[part])))())
        side = min(side, *picture.shape[:2])
        top, left = (int(rng.integers(0, length - side + 1)) for length in picture.shape[:2])
        return np.ascontiguousarray(picture[top : top + side, left : left + side, ...])
    y, x = np.mgrid[:side, :side]
    if choice == 1:
        grain = ndimage.gaussian_filter(rng.normal(0, 1, (side, side)), rng.uniform(0.5, 8))
        level = grain / (4 * grain.std()) + 0.5
    else:
        angle, period = rng.uniform(0, np.pi), rng.uniform(12, 90)
        u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        level = np.sin(2 * np.pi * u / period)
        level = level * np.sin(2 * np.pi * v / period) if choice == 2 else level
        level = (level > rng.uniform(-0.5, 0.9)) if rng.random() < 0.6 else 0.5 + 0.5 * level
    return (255 * np.clip(level, 0, 1)).astype(np.uint8)


def _blank(rng: Generator, _part: str) -> Picture:
    """Return an empty page, with its light and printed lines."""
    kind = str(rng.choice(["mixed", "squared", "ruled", "crumpled", "shadow", "plain", "noisy"]))
    shape = (int(rng.integers(300, 900)), int(rng.integers(300, 900)))
    return photograph(rng, kind, np.zeros(shape, np.float32), float(rng.uniform(40, 150)), int(rng.integers(300, 1400)))


def _drawings(rng: Generator, part: str) -> Picture:
    """Return several drawn shapes of many sizes: signs, and curves with several turns."""
    sheet = Image.new("L", (900, 700))
    draw = ImageDraw.Draw(sheet)
    names = sorted(SYMBOLS)[PARTS.index(part) :: 2]
    width = int(rng.integers(4, 14))
    for place in rng.permutation(12)[: rng.integers(2, 9)]:
        corner = np.array([40 + 210 * (place % 4), 30 + 220 * (place // 4)]) + rng.uniform(0, 30, 2)
        size = rng.uniform(60, 170, 2)
        if rng.random() < 0.6:
            strokes = [np.array(stroke) for stroke in SYMBOLS[str(rng.choice(names))]]
        else:
            times = np.linspace(0, 1, 60)[:, None] * rng.integers(2, 6)
            strokes = [0.5 + 0.5 * np.sin(2 * np.pi * times * rng.uniform(0.3, 1.3, 2) + rng.uniform(0, 6, 2))]
        for stroke in strokes:
            points = (stroke + rng.normal(0, 0.015, stroke.shape)) * size + corner
            draw.line([tuple(point) for point in points.tolist()], 255, width, "curve")
    ink = ndimage.gaussian_filter(np.asarray(sheet, np.float32) / 255, 0.7)
    return photograph(rng, "mixed", ink, 120.0, int(rng.integers(500, 1400)))
