"""Simulated photographs of ink on paper: paper, lighting, pen colour, lens and file compression.

Independent of the content of the ink. Equal random states give equal pictures.
"""

from io import BytesIO

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from numpy.random import Generator
from PIL import Image
from scipy import ndimage

Grey = Float[ndarray, "h w"]
Colour = Float[ndarray, "h w 3"]


def photograph(rng: Generator, kind: str, ink: Grey, height: float, side: int) -> UInt8[ndarray, "h w 3"]:
    """Return a sheet of ink as a photograph, a scan or a screenshot of it.

    Args:
        rng: draws all properties that ``kind`` does not fix.
        kind: one of ``trial_pictures.KINDS``, or ``mixed``.
        ink: float32 ``[h, w]``, 0..1.
        height: approximate height of the symbols in pixels, which sets the distance of the printed lines.
        side: longer side of the result in pixels.
    """
    scene = _screen(rng, ink) if kind == "dark" else _seen(rng, kind, *_paper(rng, kind, ink, height))
    return _file(rng, kind, scene, side / max(ink.shape))


def _field(rng: Generator, shape: tuple[int, int], cells: int) -> Grey:
    """Return a smooth random field with about ``cells`` maxima per side, of mean 0 and standard deviation 1."""
    small = rng.normal(size=(cells + 3, cells + 3)).astype(np.float32)
    field = np.asarray(Image.fromarray(small).resize((shape[1], shape[0]), Image.Resampling.BICUBIC))
    return (field - field.mean()) / (field.std() + 1e-6)


def _screen(rng: Generator, ink: Grey) -> Colour:
    """Return bright ink on a uniform dark screen."""
    back = rng.uniform(0, 45, 3)
    fore = rng.uniform(150, 255, 3) if rng.random() < 0.5 else np.full(3, rng.uniform(200, 255))
    return back + ink[:, :, None] * (fore - back)


def _paper(rng: Generator, kind: str, ink: Grey, height: float) -> tuple[Colour, Grey]:
    """Return the page in uniform light, 0..255, and a factor for the light at each pixel, around 1."""
    h, w = ink.shape
    page = np.ones((h, w, 3)) * (rng.uniform(215, 252) - np.array([0, rng.uniform(0, 6), rng.uniform(0, 22)]))
    page += rng.normal(0, rng.uniform(0.3, 2), (h, w, 1))
    ruling = kind if kind in ("squared", "ruled") else rng.choice(["none", "none", "squared", "ruled"])
    if ruling != "none" and kind != "plain":
        page *= 1 - _rules(rng, (h, w), str(ruling), height)
    page *= 1 - ink[:, :, None] * _pen_colour(rng, kind, (h, w))
    light = 1 + 0.12 * rng.uniform(0, 1) * _field(rng, (h, w), 1)
    if kind == "crumpled" or rng.random() < 0.15:
        light *= 1 + 0.05 * _field(rng, (h, w), 5) - 0.08 * np.abs(_field(rng, (h, w), int(rng.integers(3, 7))))
    if kind == "shadow" or rng.random() < 0.25:
        light *= _shadow(rng, (h, w))
    return page, np.clip(light, 0.15, 1.3)


def _rules(rng: Generator, shape: tuple[int, int], ruling: str, height: float) -> Colour:
    """Return the fraction of each colour channel that the printed lines absorb."""
    h, w = shape
    y, x = np.mgrid[:h, :w].astype(np.float32)
    angle = np.radians(rng.uniform(-6, 6))
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    step = max(12.0, height * (rng.uniform(0.35, 1.6) if ruling == "squared" else rng.uniform(0.9, 2.0)))
    thick = max(0.7, step * rng.uniform(0.015, 0.05))
    depth = rng.uniform(0.08, 0.4)
    lines = np.zeros(shape, np.float32)
    for value in (along, across) if ruling == "squared" else (across,):
        off = np.abs((value + rng.uniform(0, step)) % step - step / 2)
        lines = np.maximum(lines, np.clip(thick / 2 + 0.5 - off, 0, 1))
    colour = rng.choice([[1, 0.75, 0.4], [0.8, 0.8, 0.8], [0.6, 0.8, 1]])
    return lines[:, :, None] * depth * np.asarray(colour)


def _pen_colour(rng: Generator, kind: str, shape: tuple[int, int]) -> Colour:
    """Return the fraction of each colour channel that full ink absorbs, with the texture of the pen."""
    pen = kind if kind in ("pencil", "blue") else str(rng.choice(["black", "black", "blue", "pencil", "red"]))
    colour = {
        "black": [0.85, 0.85, 0.82],
        "blue": [0.82, 0.72, 0.35],
        "red": [0.2, 0.8, 0.75],
        "pencil": [0.5, 0.5, 0.49],
    }
    depth = np.asarray(colour[pen]) * rng.uniform(0.8, 1.1)
    grain = ndimage.gaussian_filter(rng.normal(size=shape).astype(np.float32), 1.0)
    texture = 0.6 if pen == "pencil" else 0.15
    even = 1 + texture * grain + (0.15 if pen == "pencil" else 0.08) * _field(rng, shape, 6)
    return np.clip(depth * np.clip(even, 0.3, 1.15)[:, :, None], 0, 0.95)


def _shadow(rng: Generator, shape: tuple[int, int]) -> Grey:
    """Return the light factor of the shadow of a hand or a phone: a soft edge across the page."""
    h, w = shape
    y, x = np.mgrid[:h, :w].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    off = (x - w * rng.uniform(0.25, 0.75)) * np.cos(angle) + (y - h * rng.uniform(0.25, 0.75)) * np.sin(angle)
    off += 0.05 * max(shape) * _field(rng, shape, 2)
    soft = max(shape) * rng.uniform(0.005, 0.1)
    return 1 - rng.uniform(0.25, 0.55) / (1 + np.exp(-np.clip(off / soft, -30, 30)))


def _seen(rng: Generator, kind: str, page: Colour, light: Grey) -> Colour:
    """Return the lit page through a lens: sometimes with perspective, slightly out of focus, with random exposure."""
    scene = page * light[:, :, None]
    if kind == "perspective" or rng.random() < 0.15:
        scene = _in_perspective(rng, scene)
    scene = scene * rng.uniform(0.6, 1.02)
    return ndimage.gaussian_filter(scene, (*(2 * (rng.uniform(0.2, 1.0) * max(1.0, max(page.shape) / 700),)), 0))


def _in_perspective(rng: Generator, scene: Colour) -> Colour:
    """Return the page in perspective, on a table."""
    h, w = scene.shape[:2]
    corners = np.array([[0, 0], [w, 0], [w, h], [0, h]], float)
    moved = corners + rng.uniform(-0.14, 0.02, (4, 2)) * [[1, 1], [-1, 1], [-1, -1], [1, -1]] * -1 * [w, h]
    rows, goal = [], []
    for (x, y), (u, v) in zip(moved, corners, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        goal += [u, v]
    terms = tuple(np.linalg.solve(np.array(rows), np.array(goal)))
    table = rng.uniform(20, 200) * np.array([1, rng.uniform(0.6, 1), rng.uniform(0.4, 1)])
    wood = table * (1 + 0.06 * _field(rng, (h, w), 40)[:, :, None])
    on_page = Image.new("L", (w, h), 255).transform((w, h), Image.Transform.PERSPECTIVE, terms, 2)
    warped = Image.fromarray(np.clip(scene, 0, 255).astype(np.uint8)).transform(
        (w, h), Image.Transform.PERSPECTIVE, terms, Image.Resampling.BICUBIC
    )
    share = np.asarray(on_page, np.float32)[:, :, None] / 255
    return np.asarray(warped, np.float32) * share + wood * (1 - share)


def _file(rng: Generator, kind: str, scene: Colour, factor: float) -> UInt8[ndarray, "h w 3"]:
    """Return the decoded file: enlarged to its size in pixels, with noise, compressed as JPEG."""
    image = Image.fromarray(np.clip(scene, 0, 255).astype(np.uint8))
    if factor > 1:
        image = image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC)
    noise = rng.uniform(6, 14) if kind == "noisy" else rng.uniform(0.3, 4)
    if kind != "dark":
        image = _grainy(rng, np.asarray(image), noise)
    if kind == "dark" and rng.random() < 0.5:
        return np.asarray(image)
    stream = BytesIO()
    image.save(stream, "JPEG", quality=int(rng.integers(25, 50) if kind == "noisy" else rng.integers(50, 95)))
    return np.asarray(Image.open(stream))


def _grainy(rng: Generator, pixels: UInt8[ndarray, "h w 3"], noise: float) -> Image.Image:
    """Add sensor noise, strip by strip to limit the memory that large pictures take."""
    out = np.empty_like(pixels)
    for top in range(0, len(pixels), 256):
        strip = pixels[top : top + 256]
        out[top : top + 256] = np.clip(strip + noise * rng.standard_normal(strip.shape, np.float32), 0, 255)
    return Image.fromarray(out)
