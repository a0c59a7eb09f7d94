"""Tests of the preparation in the web page, in Node.js: it agrees with Python, and finds each symbol of a number."""

from typing import Any

import numpy as np
import pytest
from jaxtyping import UInt8
from numpy import ndarray
from numpy.random import Generator
from PIL import Image, ImageDraw
from support.node import run_node

from benchmarks.drawings import drawings, mnist_drawings
from benchmarks.pen_paths import Path2d, drawn_digit
from penstroke.data import Dataset
from penstroke.pictures.prepare import prepare

Picture = UInt8[ndarray, "h w"]
Found = dict[str, Any]
CODE = """
const { split, prepare } = createDrawing();
return values.map(({ grey, width, height }) => [split(grey, width, height, 28), prepare(grey, width, height, 28)]);"""


def found_in(pictures: list[Picture]) -> list[tuple[Found, Found]]:
    """Return for each picture what ``split`` and ``prepare`` return."""
    values = [{"grey": picture, "width": picture.shape[1], "height": picture.shape[0]} for picture in pictures]
    return [(several, single) for several, single in run_node(CODE, values)]


def image_of(symbol: Found) -> UInt8[ndarray, "28 28"]:
    return np.array(symbol["image"], np.uint8).reshape(28, 28)


def test_drawings_are_prepared_as_in_python(sample: Dataset) -> None:
    pictures = [picture for picture, _ in drawings(60, seed=1) + mnist_drawings(sample.test, 60, seed=1)]
    # Bright ink in place of dark, and the reverse.
    pictures += [255 - picture for picture in pictures[:20]]
    differences = []
    for picture, (several, single) in zip(pictures, found_in(pictures), strict=True):
        difference = np.abs(image_of(single).astype(int) - prepare(picture)).max()
        differences.append(difference)
        assert several["symbols"] == [single]
        assert several["reason"] == ""
    # Python rounds to float32 more often.
    assert np.mean(np.array(differences) <= 2) >= 0.98


def correlation(a: Picture, b: Picture) -> float:
    """Return the correlation of two images, maximised over shifts by a pixel: a centre may round either way."""
    shifts = [np.roll(a, (y, x), (0, 1)).ravel() for y in (-1, 0, 1) for x in (-1, 0, 1)]
    return max(float(np.corrcoef(shifted, b.ravel())[0, 1]) for shifted in shifts)


def sheet(*strokes: Path2d, pen: int = 14, size: tuple[int, int] = (640, 480)) -> Picture:
    """Return strokes drawn on a sheet of paper, dark on white."""
    image = Image.new("L", size, 255)
    draw = ImageDraw.Draw(image)
    for stroke in strokes:
        draw.line([tuple(point) for point in stroke], 0, pen, "curve")
        for x, y in stroke:
            draw.ellipse((x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2), 0)
    return np.asarray(image)


def digit(rng: Generator, value: int, x: float, y: float = 240, size: float = 150) -> list[Path2d]:
    """Return the strokes of a digit around a point."""
    return [stroke * size + (x, y) for stroke in drawn_digit(rng, value)]


def line(*points: tuple[float, float]) -> Path2d:
    return np.array(points, float)


def boxes_of(symbols: list[Found]) -> list[tuple[int, int, int, int]]:
    """Return left, top, right and bottom of each symbol."""
    boxes = [symbol["box"] for symbol in symbols]
    return [(box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]) for box in boxes]


def test_a_hairline_is_prepared_as_in_python() -> None:
    """At the size of the image, no level of it exceeds one half."""
    picture = sheet(line((20, 10), (24, 590)), pen=1, size=(40, 600))
    image = image_of(found_in([picture])[0][1])
    assert np.abs(image.astype(int) - prepare(picture)).max() <= 2


def number(seed: int) -> tuple[Picture, int]:
    """Return a picture of two to four digits side by side, and how many."""
    rng, count = np.random.default_rng(seed), 2 + seed % 3
    middles = 320 + 160 * (np.arange(count) - (count - 1) / 2)
    strokes = [digit(rng, int(rng.integers(10)), float(x), size=120) for x in middles]
    return sheet(*(stroke for symbol in strokes for stroke in symbol)), count


def test_digits_side_by_side_are_single_symbols() -> None:
    numbers = [number(seed) for seed in range(20)]
    symbols, alone = [], []
    for (picture, count), (several, _) in zip(numbers, found_in([picture for picture, _ in numbers]), strict=True):
        assert len(several["symbols"]) == count
        boxes = boxes_of(several["symbols"])
        assert [box[0] for box in boxes] == sorted(box[0] for box in boxes)
        for symbol, (left, top, right, bottom) in zip(several["symbols"], boxes, strict=True):
            symbols.append(image_of(symbol))
            alone.append(np.pad(picture[top:bottom, left:right], 30, constant_values=255))
    similar = [
        correlation(image, image_of(single)) for image, (_, single) in zip(symbols, found_in(alone), strict=True)
    ]
    assert min(similar) > 0.9


FIVE = line((290, 150), (285, 235), (340, 230), (370, 280), (330, 330), (280, 320))
ONE_SYMBOL = {
    "the top bar of a five": [FIVE, line((300, 122), (370, 120))],
    "a high top bar": [FIVE, line((290, 88), (370, 86))],
    "a top bar that reaches beyond": [FIVE, line((330, 125), (400, 118))],
    "an interrupted stroke": [line((320, 120), (318, 210)), line((318, 240), (316, 340))],
    "a crossed seven": [line((270, 130), (370, 130), (320, 340)), line((290, 230), (360, 228))],
    "the two strokes of a four": [line((290, 120), (270, 230), (340, 225)), line((400, 120), (320, 340))],
    "two rings of an eight": [
        line(*((320 + 45 * np.cos(a), 175 + 45 * np.sin(a)) for a in np.linspace(0, 6.3, 30))),
        line(*((320 + 50 * np.cos(a), 292 + 50 * np.sin(a)) for a in np.linspace(0, 6.3, 30))),
    ],
}


@pytest.mark.parametrize("strokes", ONE_SYMBOL.values(), ids=ONE_SYMBOL)
def test_strokes_of_one_digit_stay_together(strokes: list[Path2d]) -> None:
    several, single = found_in([sheet(*strokes)])[0]
    assert several["symbols"] == [single]
    (left, top, right, bottom), *_ = boxes_of([single])
    assert (np.vstack(strokes) >= (left, top)).all()
    assert (np.vstack(strokes) <= (right, bottom)).all()


def test_specks_are_dropped() -> None:
    specks = [line((520, 100), (521, 100)), line((100, 400), (101, 400))]
    (plain, _), (dirty, _) = found_in([sheet(FIVE), sheet(FIVE, *specks)])
    assert dirty == plain


def test_two_of_these_are_two_symbols() -> None:
    both = [
        sheet(*(stroke + np.array([shift, 0]) for stroke in strokes for shift in (-120, 120)))
        for strokes in ONE_SYMBOL.values()
    ]
    alone = [sheet(*strokes) for strokes in ONE_SYMBOL.values()]
    for (pair, _), (_, single) in zip(found_in(both), found_in(alone), strict=True):
        (box,) = boxes_of([single])
        expected = [np.add(box, (shift, 0, shift, 0)) for shift in (-120, 120)]
        np.testing.assert_allclose(boxes_of(pair["symbols"]), expected, atol=2)


def test_a_frame_is_no_symbol() -> None:
    picture, _ = number(0)
    framed = picture.copy()
    framed[:3] = framed[-3:] = framed[:, :3] = framed[:, -3:] = 0
    (plain, _), (within, _) = found_in([picture, framed])
    np.testing.assert_allclose(boxes_of(within["symbols"]), boxes_of(plain["symbols"]), atol=2)


def test_a_line_along_the_border_is_no_symbol() -> None:
    picture = sheet(*digit(np.random.default_rng(2), 2, 320, y=150, size=120))
    lined = picture.copy()
    lined[-20:] = 0
    (_, plain), (several, single) = found_in([picture, lined])
    np.testing.assert_allclose(boxes_of([single]), boxes_of([plain]), atol=2)
    assert several["symbols"] == [single]


def test_rows_are_read_from_the_top() -> None:
    rng = np.random.default_rng(3)
    places = [(150, 110), (300, 130), (470, 100), (120, 360), (290, 350), (450, 370)]
    strokes = [stroke for x, y in places for stroke in digit(rng, 3, x, y, 130)]
    boxes = boxes_of(found_in([sheet(*strokes, pen=10)])[0][0]["symbols"])
    assert len(boxes) == 6
    for (x, y), (left, top, right, bottom) in zip(places, boxes, strict=True):
        assert left < x < right
        assert top < y < bottom


def test_scans_of_plain_paper_are_prepared() -> None:
    rng = np.random.default_rng(5)
    clean = [picture for picture, _ in drawings(12, seed=2)]
    scans = [(picture + rng.normal(0, 3, picture.shape)).clip(0, 255).round().astype(np.uint8) for picture in clean]
    for (_, expected), (several, _) in zip(found_in(clean), found_in(scans), strict=True):
        (symbol,) = several["symbols"]
        assert correlation(image_of(symbol), image_of(expected)) > 0.9


NOTHING = {
    "white": np.full((200, 300), 255, np.uint8),
    "black": np.zeros((200, 300), np.uint8),
    "one pixel": np.full((1, 1), 7, np.uint8),
    "almost uniform": np.full((90, 90), 200, np.uint8) + (np.arange(90) % 5).astype(np.uint8),
    "noise": np.random.default_rng(0).integers(0, 256, (120, 120), np.uint8),
}


@pytest.mark.parametrize("picture", NOTHING.values(), ids=NOTHING)
def test_pictures_without_symbols_give_a_reason(picture: Picture) -> None:
    several, single = found_in([picture])[0]
    assert several["symbols"] == []
    assert several["reason"] == single["reason"]
    assert single["reason"].startswith(("it ", "there ", "no stroke "))


def random_picture(seed: int) -> Picture:
    """Return a picture of lines, boxes and disks in random grey values, with or without noise."""
    rng = np.random.default_rng(seed)
    width, height = (int(side) for side in rng.integers(1, 60, 2))
    image = Image.new("L", (width, height), int(rng.integers(256)))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(7)):
        (left, right), (top, bottom) = np.sort(rng.integers(0, width, 2)), np.sort(rng.integers(0, height, 2))
        corners, grey = (int(left), int(top), int(right), int(bottom)), int(rng.integers(256))
        match rng.integers(3):
            case 0:
                draw.line(corners, grey, int(rng.integers(1, 9)))
            case 1:
                draw.rectangle(corners, grey)
            case 2:
                draw.ellipse(corners, grey)
    factors = rng.choice([1, 1, 7, 15], 2)
    enlarged = np.asarray(image.resize((width * int(factors[0]), height * int(factors[1]))), float)
    noise = rng.normal(0, rng.choice([0, 0, 0, 2, 40]), enlarged.shape)
    return np.clip(enlarged + noise, 0, 255).astype(np.uint8)


def test_any_picture_gives_images_or_a_reason() -> None:
    chosen = [random_picture(seed) for seed in range(200)]
    for picture, (several, single) in zip(chosen, found_in(chosen), strict=True):
        assert bool(several["symbols"]) != bool(several["reason"])
        assert ("image" in single) != ("reason" in single)
        for symbol, (left, top, right, bottom) in zip(several["symbols"], boxes_of(several["symbols"]), strict=True):
            assert 0 <= left < right <= picture.shape[1] + 1
            assert 0 <= top < bottom <= picture.shape[0] + 1
            image = image_of(symbol).astype(float)
            assert image.max() > 0
            for axis in (0, 1):
                mass = image.sum(1 - axis)
                rows = np.flatnonzero(mass)
                centre = (mass * np.arange(28)).sum() / mass.sum()
                at_the_border = rows[0] == 0 or rows[-1] == 27
                assert abs(centre - 14) <= 0.51 or at_the_border
                assert np.ptp(rows) < 20
