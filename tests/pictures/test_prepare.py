"""Tests of the preparation of digits: it removes illumination, paper, polarity and pen, and keeps the digit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from benchmarks.drawings import mnist_drawings
from benchmarks.trial_pictures import KINDS, draw_digit, trial, unseen_digits
from penstroke.data import Dataset
from penstroke.errors import EmptyPicture
from penstroke.pictures.basics import Stage
from penstroke.pictures.components import find_components
from penstroke.pictures.ink import Ink, find_ink
from penstroke.pictures.prepare import detach_from_border, prepare
from penstroke.pictures.ruled_lines import remove_ruled_lines

Pixels = UInt8[ndarray, "h w"]
DIGITS, LABELS = unseen_digits()


def correlation(a: Pixels, b: Pixels) -> float:
    """Return the correlation of two images, maximised over shifts by a pixel: a centre may round either way."""
    flat = b.ravel().astype(float)
    moves = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    return max(float(np.corrcoef(np.roll(a, move, (0, 1)).ravel().astype(float), flat)[0, 1]) for move in moves)


def test_mnist_is_preserved() -> None:
    prepared = np.stack([prepare(image) for image in DIGITS])
    difference = np.abs(prepared.astype(int) - DIGITS).mean((1, 2))
    # A few digits have a speck or a neighbour's stroke, which is removed, or hairlines, which are widened.
    assert (difference < 1).mean() > 0.94
    assert np.median(difference) < 0.2


def test_preparation_is_idempotent() -> None:
    once = [found for seed in range(30, 60) if (found := prepared_or_none(trial(seed, "squared")[0])) is not None]
    assert len(once) >= 28, "few digits are not found"
    for found in once:
        assert correlation(prepare(found), found) > 0.9


def prepared_or_none(picture: Pixels) -> Pixels | None:
    """Return the prepared picture, or None if no stroke is found."""
    try:
        return prepare(picture)
    except EmptyPicture:
        return None


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 999), st.booleans(), st.integers(0, 60), st.sampled_from([3, 7, 12]))
def test_polarity_margin_and_size_do_not_change_the_result(index: int, dark: bool, margin: int, factor: int) -> None:
    image = DIGITS[index]
    enlarged = np.pad(np.kron(image, np.ones((factor, factor), np.uint8)), margin)
    assert correlation(prepare(255 - enlarged if dark else enlarged), prepare(image)) > 0.8


def drawn(index: int, height: int = 120, pen: float = 0.08) -> Pixels:
    """Return a smoothly drawn digit, dark on white paper of 240 x 240 pixels."""
    ink = draw_digit(DIGITS[index], height, pen)
    sheet = np.zeros((240, 240), np.float32)
    y, x = (240 - ink.shape[0]) // 2, (240 - ink.shape[1]) // 2
    sheet[y : y + ink.shape[0], x : x + ink.shape[1]] = ink
    return (255 - 235 * np.clip(sheet, 0, 1)).astype(np.uint8)


@pytest.fixture(scope="module")
def page() -> tuple[Pixels, Pixels]:
    """Return a noisy page with a digit, and the expected result."""
    sheet = drawn(int(np.flatnonzero(LABELS == 4)[0]), pen=0.11)
    noisy = np.clip(sheet * 0.9 + np.random.default_rng(1).normal(0, 2, sheet.shape), 0, 255)
    return noisy.astype(np.uint8), prepare(sheet)


def test_illumination_is_normalised(page: tuple[Pixels, Pixels]) -> None:
    picture, right = page
    light = np.linspace(1, 0.35, 240)[None, :] * np.where(np.arange(240) < 90, 0.6, 1)[:, None]
    shaded = (picture * light).astype(np.uint8)
    # No global threshold separates ink from paper: some paper is darker than ink elsewhere.
    assert shaded[:, :40].min() > shaded[200:, 200:].max() * 0.2
    assert correlation(prepare(shaded), right) > 0.93


@pytest.mark.parametrize("strength", [0.15, 0.35])
def test_squared_paper_is_removed(page: tuple[Pixels, Pixels], strength: float) -> None:
    picture, right = page
    lines = np.zeros((240, 240))
    lines[20::45] = lines[21::45] = lines[:, 11::45] = lines[:, 12::45] = strength
    assert correlation(prepare((picture * (1 - lines)).astype(np.uint8)), right) > 0.93


def test_strokes_of_drawings_are_not_removed_as_ruled_lines(sample: Dataset) -> None:
    for drawing, _ in mnist_drawings(sample.test, 80, 1):
        stages: list[Stage] = []
        prepare(drawing, on_stage=stages.append)
        assert [stage.note for stage in stages if stage.name == "ruled lines"] == ["none found"]


def test_ruled_lines_of_drawings_are_removed() -> None:
    for index in range(10):
        drawing = drawn(index)
        ruled = drawing.copy()
        ruled[20::45] = ruled[21::45] = 200
        assert correlation(prepare(np.minimum(drawing, ruled)), prepare(drawing)) > 0.93


def test_ink_may_cover_more_than_half_of_a_drawing() -> None:
    y, x = np.mgrid[-60:60, -60:60]
    distance = np.hypot(x, y)
    zero = np.where((distance > 20) & (distance < 56), np.uint8(60), np.uint8(250))
    assert (zero == 60).mean() > 0.55
    result = prepare(zero)
    assert result[14, 14] == result[0, 0] == 0
    assert result[14, 6] == 255


def test_specks_and_a_dark_table_are_removed(page: tuple[Pixels, Pixels]) -> None:
    picture, right = page
    scene = np.full((300, 300), 50, np.uint8)
    scene[25:265, 30:270] = picture
    scene[60:63, 60:63] = scene[240:243, 250:252] = 30
    assert correlation(prepare(scene), right) > 0.88


@pytest.mark.parametrize(("pen", "low"), [(0.02, 0.07), (0.3, 0.1)])
def test_hairlines_and_felt_pens_get_stroke_widths_of_mnist(pen: float, low: float) -> None:
    result = prepare(drawn(0, 150, pen))
    assert low < result.mean() / 255 < 0.4
    assert result.max() > 150


def test_a_digit_with_a_gap_is_kept_whole() -> None:
    five = drawn(int(np.flatnonzero(LABELS == 5)[3]))
    gap = five.copy()
    rows = np.flatnonzero((five < 100).any(1))
    cut = int(rows[0] + 0.35 * len(rows))
    gap[cut : cut + 3] = 255
    assert correlation(prepare(gap), prepare(five)) > 0.9


def blank(kind: str) -> ndarray:
    shades = {"white": 255, "black": 0, "grey": 128}
    if kind in shades:
        return np.full((200, 150, 3), shades[kind], np.uint8)
    noise = np.random.default_rng(0).normal(0, 2, (200, 150))
    light = np.linspace(150, 240, 150)[None, :]
    return np.clip(light + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("kind", ["white", "black", "grey", "shaded paper"])
def test_an_empty_page_raises(kind: str) -> None:
    with pytest.raises(EmptyPicture, match="No symbol was found"):
        prepare(blank(kind))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(5, 90), st.integers(5, 90), st.integers(0, 2**32 - 1), st.booleans(), st.integers(0, 4))
def test_any_pixels_give_an_image_or_an_error(height: int, width: int, seed: int, colour: bool, cells: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (height, width, 3) if colour else (height, width)
    pixels = rng.integers(0, 256, shape, np.uint8)
    if cells:
        pixels = np.where(rng.random(shape) < 0.2 * cells, np.uint8(rng.integers(256)), pixels)
    try:
        result = prepare(pixels)
    except EmptyPicture:
        return
    assert result.shape == (28, 28)
    assert result.dtype == np.uint8
    assert result.max() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_ink_is_found_in_trial_pictures(kind: str) -> None:
    seeds = range(4) if kind == "large" else range(6)
    found = [find_ink(trial(seed, kind)[0]) for seed in seeds]
    assert all(0.001 < ink.mask.mean() < 0.5 for ink in found)
    assert np.median([ink.noise for ink in found]) < 0.3


def test_photographs_resemble_their_digit(photos: Path) -> None:
    means = [DIGITS[digit == LABELS].mean(0) for digit in range(10)]
    paths = sorted(photos.glob("*"))
    assert paths
    for path in paths:
        result = prepare(np.asarray(Image.open(path)))
        near = sorted(range(10), key=lambda digit: -correlation(result, means[digit]))
        assert int(path.name[0]) in near[:3], path.name


def test_the_stem_of_a_digit_is_not_a_ruled_line() -> None:
    level = np.zeros((300, 300), np.float32)
    level[60:240, 150:158] = 0.9
    assert (remove_ruled_lines(level, 1.0, 0.01) == level).all()
    ruled = level.copy()
    ruled[120:123] = np.maximum(ruled[120:123], 0.3)
    found = remove_ruled_lines(ruled, 1.0, 0.01)
    assert found[100:140, :140].max() == 0
    assert found[60:240, 150:158].min() > 0.8


def photograph_of(ink: ndarray) -> Pixels:
    """Return a noisy photograph of a page whose brightness ``ink`` reduces by that fraction."""
    grain = np.random.default_rng(0).normal(0, 1.5, ink.shape)
    return np.clip(220 * (1 - ink) + grain, 0, 255).astype(np.uint8)


def test_shadows_and_patterns_are_rejected() -> None:
    y, x = np.mgrid[:300, :300]
    shade = 0.4 * np.exp(-((x - 150) ** 2 + (y - 140) ** 2) / 2 / 28**2)
    tiles = 0.7 * ((x // 20 + y // 20) % 2 == 1)
    for ink in (shade, tiles):
        with pytest.raises(EmptyPicture):
            prepare(photograph_of(ink))
    stroke = 0.7 * ((abs(x - 150) < 8) & (abs(y - 150) < 60))
    assert prepare(photograph_of(stroke)).max() > 200
    blurred = np.asarray(Image.fromarray(DIGITS[3]).resize((400, 400), Image.Resampling.BICUBIC))
    assert prepare(blurred).max() > 200, "a drawn picture may be blurred"


def test_a_digit_is_detached_from_the_edge_of_the_page() -> None:
    digit = np.zeros((120, 120), bool)
    digit[30:90, 50:58] = digit[82:90, 50:80] = True
    page = digit.copy()
    page[60:62, :50] = page[:, :6] = True
    ink = Ink(page.astype(np.float32), find_components(page), width=8.0, scale=1.0, noise=0.01)
    cut = detach_from_border(ink, page)
    assert (cut[digit]).mean() > 0.95
    assert (cut & ~digit).sum() <= 12, "part of the link may remain"
    assert (detach_from_border(ink, digit) == digit).all()
    assert (detach_from_border(replace(ink, noise=0.0), page) == page).all(), "a drawn picture has no page edge"
