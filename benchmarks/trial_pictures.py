"""Trial pictures: digits that no training saw, written on paper of many kinds and photographed, by a seed.

The digits are MNIST's test set, redrawn smoothly with pens of many widths, so that the truth is known; paper, light,
pen, lens and file are made up. It stands in for people's photographs where figures are wanted in thousands; it is not
a place to tune against, and photographs at hand are judged apart.

    picture, truth = trial(seed=7, kind="squared")
    picture, truth = trial(seed=7, kind="mixed", digits=5, touching=1)
"""

from functools import cache
from io import BytesIO

import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray
from numpy.random import Generator
from PIL import Image
from scipy import ndimage
from skimage.morphology import skeletonize

from penstroke.data import load

KINDS = (
    "plain", "squared", "ruled", "crumpled", "shadow", "perspective", "pencil", "blue", "thin", "thick",
    "noisy", "small", "large", "dark",
)  # fmt: skip
"""Each forces its own trait and leaves the others to chance; ``mixed`` forces none."""

Grey = Float[ndarray, "h w"]
Colour = Float[ndarray, "h w 3"]


@cache
def unseen_digits() -> tuple[UInt8[ndarray, "n 28 28"], Int[ndarray, " n"]]:
    """Return MNIST's test images and labels where it is at hand, else those of its bundled sample."""
    split = load("auto").test
    return split.images[:, 0].numpy(), split.labels.numpy()


def trial(seed: int, kind: str = "mixed", digits: int = 1, touching: int = 0) -> tuple[UInt8[ndarray, "h w 3"], str]:
    """Return a picture and what is written in it.

    Args:
        seed: decides everything, with the other arguments.
        kind: one of ``KINDS``, or ``mixed``.
        digits: how many are written, on one line.
        touching: how many pairs of neighbours touch; the others stay apart by a twentieth of their height and more.
    """
    known = (*KINDS, "mixed")
    rng = np.random.default_rng([seed, known.index(kind), digits, touching])
    side = _side(rng, kind, digits)
    work = min(side, 1100)
    ink, truth = _written(rng, kind, digits, touching, work)
    if kind == "dark":
        scene = _screen(rng, ink)
    else:
        scene = _photographed(rng, kind, *_paper(rng, kind, ink, _height(ink, digits)))
    scene = _file(rng, kind, scene, side / work)
    return scene, truth


def _side(rng: Generator, kind: str, digits: int) -> int:
    """Return the picture's longer side in pixels."""
    if kind == "small":
        return int(rng.integers(100, 160)) * (1 if digits == 1 else digits // 2 + 1)
    if kind == "large":
        return int(rng.integers(2500, 4000))
    low = 120 if digits == 1 else 70 * digits + 130
    return int(np.exp(rng.uniform(np.log(low), np.log(max(1600, 2 * low)))))


def _height(ink: Grey, digits: int) -> float:
    """Return roughly how high the digits are, for the paper's squares to have a size."""
    return max(ink.shape) * (0.45 if digits == 1 else 0.9 / digits)


def _pen(rng: Generator, kind: str) -> float:
    """Return the pen's change to the digit's own stroke: a share of height to draw with, or 0 to keep its own."""
    if kind == "thin":
        return float(rng.uniform(0.02, 0.05))
    if kind == "thick":
        return float(rng.uniform(0.17, 0.24))
    return float(rng.uniform(0.04, 0.13)) if rng.random() < 0.5 else 0.0


def draw_digit(image: UInt8[ndarray, "28 28"], height: int, pen: float) -> Grey:
    """Return a digit redrawn at ``height`` pixels, 0..1, cropped to its ink, with a pen of ``pen`` times the height."""
    fine = 160
    rows, columns = np.flatnonzero(image.max(1) > 60), np.flatnonzero(image.max(0) > 60)
    part = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    factor = fine / max(part.shape)
    size = (max(2, round(part.shape[1] * factor)), max(2, round(part.shape[0] * factor)))
    up = np.asarray(Image.fromarray(np.pad(part, 2)).resize((size[0] + int(4 * factor), size[1] + int(4 * factor)), 3))
    up = ndimage.gaussian_filter(np.pad(up.astype(np.float32) / 255, 20), 2.0)
    mask = up > 0.45
    if pen:
        reach = 2 * ndimage.distance_transform_edt(mask)
        usual = float(np.median(reach[skeletonize(mask)]))
        if pen * fine < usual:  # a finer pen goes along the middle of the strokes
            mask = ndimage.distance_transform_edt(~skeletonize(mask)) <= pen * fine / 2
        else:
            mask = ndimage.distance_transform_edt(~mask) <= (pen * fine - usual) / 2
    soft = ndimage.gaussian_filter(mask.astype(np.float32), 1.0)
    rows, columns = np.flatnonzero(soft.max(1) > 0.3), np.flatnonzero(soft.max(0) > 0.3)
    soft = soft[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    factor = height / fine
    box = (max(1, round(soft.shape[1] * factor)), max(1, round(soft.shape[0] * factor)))
    return np.asarray(
        Image.fromarray(soft).resize(box, Image.Resampling.BICUBIC if factor > 1 else Image.Resampling.BOX)
    )


def _written(rng: Generator, kind: str, digits: int, touching: int, work: int) -> tuple[Grey, str]:
    """Return a sheet of ink, 0..1, with the digits on it, and their text."""
    images, labels = unseen_digits()
    chosen = rng.integers(0, len(images), digits)
    pen = _pen(rng, kind)
    share = rng.uniform(0.25, 0.75) if digits == 1 else rng.uniform(0.55, 0.75) / digits
    height = max(24.0, work * share)
    drawn = [draw_digit(images[i], round(height * rng.uniform(0.9, 1.1)), pen) for i in chosen]
    touch = set(rng.permutation(digits - 1)[:touching].tolist()) if digits > 1 else set()
    line = drawn[0]
    for k, digit in enumerate(drawn[1:]):
        gap = -rng.uniform(0.01, 0.05) if k in touch else rng.uniform(0.05, 0.4)
        line = _beside(line, digit, gap * height, rng.uniform(-0.1, 0.1) * height)
    if digits > 1:
        line = ndimage.rotate(line, rng.uniform(-8, 8), order=1, reshape=True)
        tall = min(work, int(line.shape[0] + height * rng.uniform(0.8, 3)))
        sheet = np.zeros((tall, work), np.float32)
        if line.shape[1] > 0.92 * work:
            line = ndimage.zoom(line, 0.92 * work / line.shape[1], order=1)
    else:
        sheet = np.zeros((work, int(work * rng.uniform(0.75, 1))) if rng.random() < 0.5 else (work, work), np.float32)
    line = line[: sheet.shape[0], : sheet.shape[1]]
    room = np.array(sheet.shape) - line.shape
    y, x = (room * rng.uniform(0.25, 0.75, 2)).astype(int)
    sheet[y : y + line.shape[0], x : x + line.shape[1]] = line
    return np.clip(sheet, 0, 1), "".join(str(labels[i]) for i in chosen)


def _beside(line: Grey, digit: Grey, gap: float, drop: float) -> Grey:
    """Return the line with the digit to its right, ``gap`` pixels of paper between the nearest ink of the two."""
    height = max(line.shape[0], digit.shape[0]) + 2 * int(abs(drop) + 1)
    # Both stand on the line's middle, so that heights may differ.
    top_l, top_d = (height - line.shape[0]) // 2, int((height - digit.shape[0]) / 2 + drop)
    reach = np.full(height, -np.inf)
    for r in range(line.shape[0]):
        ink = np.flatnonzero(line[r] > 0.3)
        reach[top_l + r] = ink[-1] if len(ink) else -np.inf
    # A gap is one in every direction: rows near by count as well.
    near = ndimage.maximum_filter1d(reach, 2 * max(1, int(gap)) + 1)
    left = np.full(height, np.inf)
    for r in range(digit.shape[0]):
        ink = np.flatnonzero(digit[r] > 0.3)
        left[top_d + r] = ink[0] if len(ink) else np.inf
    at = float(np.max(near - left))
    start = round((at if np.isfinite(at) else line.shape[1]) + 1 + gap)
    start = max(start, 0)
    out = np.zeros((height, max(line.shape[1], start + digit.shape[1])), np.float32)
    out[top_l : top_l + line.shape[0], : line.shape[1]] = line
    part = out[top_d : top_d + digit.shape[0], start : start + digit.shape[1]]
    np.maximum(part, digit, out=part)
    return out


def _field(rng: Generator, shape: tuple[int, int], cells: int) -> Grey:
    """Return a smooth random field with about ``cells`` hills along a side, of mean 0 and spread 1."""
    small = rng.normal(size=(cells + 3, cells + 3)).astype(np.float32)
    field = np.asarray(Image.fromarray(small).resize((shape[1], shape[0]), Image.Resampling.BICUBIC))
    return (field - field.mean()) / (field.std() + 1e-6)


def _screen(rng: Generator, ink: Grey) -> Colour:
    """Return bright ink on a dark screen, flat as screens are."""
    back = rng.uniform(0, 45, 3)
    fore = rng.uniform(150, 255, 3) if rng.random() < 0.5 else np.full(3, rng.uniform(200, 255))
    return back + ink[:, :, None] * (fore - back)


def _paper(rng: Generator, kind: str, ink: Grey, height: float) -> tuple[Colour, Grey]:
    """Return the written page as it would look in flat light, 0..255, and its light, around 1."""
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
    """Return how much of each colour printed lines swallow."""
    h, w = shape
    y, x = np.mgrid[:h, :w].astype(np.float32)
    turn = np.radians(rng.uniform(-6, 6))
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
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
    """Return how much of each colour full ink swallows, with the pen's texture."""
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
    """Return the light that a hand or a phone leaves: a soft edge across the page."""
    h, w = shape
    y, x = np.mgrid[:h, :w].astype(np.float32)
    turn = rng.uniform(0, 2 * np.pi)
    off = (x - w * rng.uniform(0.25, 0.75)) * np.cos(turn) + (y - h * rng.uniform(0.25, 0.75)) * np.sin(turn)
    off += 0.05 * max(shape) * _field(rng, shape, 2)
    soft = max(shape) * rng.uniform(0.005, 0.1)
    return 1 - rng.uniform(0.25, 0.55) / (1 + np.exp(-np.clip(off / soft, -30, 30)))


def _photographed(rng: Generator, kind: str, page: Colour, light: Grey) -> Colour:
    """Return the lit page as a lens sees it: from the side, on a table, a little out of focus, exposed by chance."""
    scene = page * light[:, :, None]
    if kind == "perspective" or rng.random() < 0.15:
        scene = _from_the_side(rng, scene)
    scene = scene * rng.uniform(0.6, 1.02)
    return ndimage.gaussian_filter(scene, (*(2 * (rng.uniform(0.2, 1.0) * max(1.0, max(page.shape) / 700),)), 0))


def _from_the_side(rng: Generator, scene: Colour) -> Colour:
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
    """Return what the camera's file gives back: enlarged to its pixels, noisy, through JPEG."""
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
    """Return the picture with a sensor's noise, strip by strip: whole floats of a large one would fill the memory."""
    out = np.empty_like(pixels)
    for top in range(0, len(pixels), 256):
        strip = pixels[top : top + 256]
        out[top : top + 256] = np.clip(strip + noise * rng.standard_normal(strip.shape, np.float32), 0, 255)
    return Image.fromarray(out)
