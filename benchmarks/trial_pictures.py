"""Generated pictures with known labels: test digits redrawn with many pens, on many kinds of paper, photographed.

The digits are MNIST's test images, redrawn smoothly with pens of many widths, so the label is known. Paper, lighting,
pen, lens and file compression are simulated. These pictures complement real photographs where thousands of pictures
are needed. The test set is not used to choose anything: to tune, use the part ``validation`` (the last training images)
with a model that was not trained on them. Equal seeds give equal pictures.

    picture, text = trial(seed=7, kind="squared")
    picture, text = trial(seed=7, kind="mixed", digits=5, touching=1)
"""

from functools import cache

import numpy as np
from jaxtyping import Int, UInt8
from numpy import ndarray
from numpy.random import Generator
from PIL import Image
from scipy import ndimage
from skimage.morphology import skeletonize

from benchmarks.trial_paper import Grey, photograph
from penstroke.data import load

KINDS = (
    "plain", "squared", "ruled", "crumpled", "shadow", "perspective", "pencil", "blue", "thin", "thick",
    "noisy", "small", "large", "dark",
)  # fmt: skip
"""Each kind fixes one property and draws the others at random; ``mixed`` draws all of them at random."""

PARTS = ("test", "validation")
VALIDATION_SIZE = 10_000
"""Size of the part ``validation``: the last training images of MNIST, or the last sixth of the bundled sample."""

Picture = UInt8[ndarray, "h w 3"]


@cache
def unseen_digits(part: str = "test") -> tuple[UInt8[ndarray, "n 28 28"], Int[ndarray, " n"]]:
    """Return images and labels of one of ``PARTS``, of MNIST if it is available, otherwise of the bundled sample."""
    data = load("auto")
    split = data.test if part == "test" else data.train
    first = 0 if part == "test" else max(len(split) - VALIDATION_SIZE, len(split) * 5 // 6)
    return split.images[first:, 0], split.labels[first:]


def trial(
    seed: int, kind: str = "mixed", digits: int = 1, touching: int = 0, part: str = "test"
) -> tuple[Picture, str]:
    """Return a picture and the text that is written in it.

    Args:
        seed: seed of the random generator, combined with the other arguments.
        kind: one of ``KINDS``, or ``mixed``.
        digits: number of digits, on one line.
        touching: number of neighbouring pairs that touch; other pairs are at least 1/20 of their height apart.
        part: one of ``PARTS``, the source of the digits; the simulated paper differs between the parts, too.
    """
    known = (*KINDS, "mixed")
    rng = np.random.default_rng([seed, known.index(kind), digits, touching, *([1] if part != "test" else [])])
    side = _side(rng, kind, digits)
    ink, truth = _written(rng, kind, digits, touching, min(side, 1100), unseen_digits(part))
    return photograph(rng, kind, ink, _height(ink, digits), side), truth


def trial_page(seed: int, kind: str, lines: tuple[int, ...], part: str = "test") -> tuple[Picture, list[str]]:
    """Return a picture of several lines and the text of each; ``lines`` gives the number of digits per line."""
    rng = np.random.default_rng([seed, *lines])
    written = [_written(rng, kind, count, 0, 900, unseen_digits(part)) for count in lines]
    height = max(ink.shape[0] / 1.6 for ink, _ in written)
    page = np.zeros((round(1.5 * height * len(lines)), max(ink.shape[1] for ink, _ in written)), np.float32)
    for row, (ink, _) in enumerate(written):
        top = round(1.5 * height * row)
        part_of_page = page[top : top + ink.shape[0], : ink.shape[1]]
        np.maximum(part_of_page, ink[: part_of_page.shape[0]], out=part_of_page)
    return photograph(rng, kind, page, height, 1100), [truth for _, truth in written]


def _side(rng: Generator, kind: str, digits: int) -> int:
    """Return the longer side of the picture in pixels."""
    if kind == "small":
        return int(rng.integers(100, 160)) * (1 if digits == 1 else digits // 2 + 1)
    if kind == "large":
        return int(rng.integers(2500, 4000))
    low = 120 if digits == 1 else 70 * digits + 130
    return int(np.exp(rng.uniform(np.log(low), np.log(max(1600, 2 * low)))))


def _height(ink: Grey, digits: int) -> float:
    """Return the approximate height of the digits, which sets the distance of the printed lines."""
    return max(ink.shape) * (0.45 if digits == 1 else 0.9 / digits)


def _pen(rng: Generator, kind: str) -> float:
    """Return the stroke width to draw with, as a fraction of the height; 0 keeps the stroke width of the image."""
    if kind == "thin":
        return float(rng.uniform(0.02, 0.05))
    if kind == "thick":
        return float(rng.uniform(0.17, 0.24))
    return float(rng.uniform(0.04, 0.13)) if rng.random() < 0.5 else 0.0


def draw_digit(image: UInt8[ndarray, "28 28"], height: int, pen: float) -> Grey:
    """Return a digit redrawn with height ``height`` and stroke width ``pen * height``, cropped to its ink, in 0..1."""
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
        if pen * fine < usual:  # a finer pen follows the middle of the strokes
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


def _written(
    rng: Generator, kind: str, digits: int, touching: int, work: int,
    source: tuple[UInt8[ndarray, "n 28 28"], Int[ndarray, " n"]],
) -> tuple[Grey, str]:  # fmt: skip
    """Return a sheet of ink, 0..1, with digits drawn from ``source``, and their text."""
    images, labels = source
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
    """Append a digit to a line, with ``gap`` pixels between the nearest ink of both; return the new line."""
    height = max(line.shape[0], digit.shape[0]) + 2 * int(abs(drop) + 1)
    # Both are centred vertically, so their heights may differ.
    top_l, top_d = (height - line.shape[0]) // 2, int((height - digit.shape[0]) / 2 + drop)
    reach = np.full(height, -np.inf)
    for r in range(line.shape[0]):
        ink = np.flatnonzero(line[r] > 0.3)
        reach[top_l + r] = ink[-1] if len(ink) else -np.inf
    # The gap is measured in all directions, so neighbouring rows count, too.
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
