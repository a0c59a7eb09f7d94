"""Tests of the segmentation of pages: lines, reading order, joined and touching digits."""

import numpy as np
import pytest
from jaxtyping import Float, UInt8
from numpy import ndarray
from scipy import ndimage
from sklearn.neighbors import KNeighborsClassifier

from benchmarks.trial_pictures import draw_digit, unseen_digits
from penstroke.data import Dataset
from penstroke.errors import EmptyPicture
from penstroke.pictures.cuts import (
    ReadFunction,
    Readings,
    ScoreFunction,
    _Parts,
    cut_digits,
    find_seams,
    without_fragments,
)
from penstroke.pictures.ink import find_ink
from penstroke.pictures.segment import Symbol, segment, segment_ink

DIGITS, LABELS = unseen_digits()
HEIGHT = 60


@pytest.fixture(scope="module")
def score(sample: Dataset) -> ScoreFunction:
    """Return the score function of a nearest-neighbour classifier."""
    images, labels = sample.train.images, sample.train.labels
    model = KNeighborsClassifier(5, weights="distance").fit(images.reshape(-1, 784) / 255, labels)
    return lambda images: model.predict_proba(images.reshape(-1, 784) / 255)


def sheet_of(rows: list[str], gap: float = 0.25, rotation: float = 0.0) -> UInt8[ndarray, "h w"]:
    """Return dark digits on white paper, one line per row of text."""
    sheet = np.zeros((int(len(rows) * 1.6 * HEIGHT) + 80, max(map(len, rows)) * 70 + 80), np.float32)
    for i, row in enumerate(rows):
        x = 40.0
        for k, character in enumerate(row):
            if character == " ":
                x += 0.6 * HEIGHT
                continue
            ink = draw_digit(DIGITS[clear(int(character), k)], HEIGHT, 0.1)
            y = 40 + int(i * 1.6 * HEIGHT)
            part = sheet[y : y + ink.shape[0], int(x) : int(x) + ink.shape[1]]
            np.maximum(part, ink, out=part)
            x += ink.shape[1] + gap * HEIGHT
    if rotation:
        sheet = ndimage.rotate(sheet, rotation, order=1)
    noise = np.random.default_rng(0).normal(0, 2, sheet.shape)
    return np.clip(230 - 200 * sheet + noise, 0, 255).astype(np.uint8)


def clear(digit: int, k: int) -> int:
    """Return the index of a digit that is close to the mean of its class, and so easy to classify."""
    index = np.flatnonzero(digit == LABELS)
    mean = DIGITS[digit == LABELS].mean(0)
    return int(index[np.argsort(np.abs(DIGITS[index] - mean).mean((1, 2)))[k % 3]])


def text(symbols: list[Symbol], score: ScoreFunction) -> list[str]:
    labels = score(np.stack([s.image for s in symbols if s.image is not None])).argmax(1)
    lines = [""] * (max(s.line for s in symbols) + 1)
    for symbol, label in zip(symbols, labels, strict=True):
        lines[symbol.line] += str(label)
    return lines


def test_symbols_are_in_reading_order(score: ScoreFunction) -> None:
    assert text(segment(sheet_of(["0123", "456", "78901"]), score), score) == ["0123", "456", "78901"]


@pytest.mark.parametrize("rotation", [-10, -5, 5, 10])
def test_lines_may_be_rotated(score: ScoreFunction, rotation: int) -> None:
    symbols = segment(sheet_of(["30281", "62059"], rotation=rotation), score)
    assert [s.line for s in symbols] == [0] * 5 + [1] * 5


@pytest.mark.parametrize("rotation", [-6, 0, 6])
def test_columns_of_numbers_are_read_from_the_left(score: ScoreFunction, rotation: int) -> None:
    page = sheet_of(["46      413", "408     57", "17      860"], rotation=rotation)
    assert text(segment(page, score), score) == ["46", "408", "17", "413", "57", "860"]


def test_a_grid_of_digits_is_read_by_line(score: ScoreFunction) -> None:
    page = sheet_of(["6    4", "4    5", "1    8"])
    assert text(segment(page, score), score) == ["64", "45", "18"]
    assert text(segment(sheet_of(["46    413"]), score), score) == ["46413"]


def test_boxes_are_in_pixels_of_the_picture(score: ScoreFunction) -> None:
    picture = sheet_of(["28"])
    large = np.kron(picture, np.ones((12, 12), np.uint8))
    for (x, y, w, h), (x2, y2, w2, h2) in zip(
        [s.box for s in segment(picture, score)], [s.box for s in segment(large, score)], strict=True
    ):
        assert np.abs(np.array([x2, y2, w2, h2]) / 12 - [x, y, w, h]).max() <= 4
        assert (picture[y : y + h, x : x + w] < 120).any()
        assert HEIGHT * 0.8 < h < HEIGHT * 1.2


@pytest.mark.parametrize(("gap", "touching"), [(-0.02, 2), (-0.06, 3)])
def test_touching_digits_are_cut(score: ScoreFunction, gap: float, touching: int) -> None:
    picture = sheet_of(["5623"], gap=gap)
    assert ndimage.label(picture < 130, np.ones((3, 3)))[1] == 5 - touching
    assert text(segment(picture, score), score) == ["5623"]


def test_scores_may_be_log_probabilities(score: ScoreFunction) -> None:
    def logs(images: UInt8[ndarray, "n 28 28"]) -> Float[ndarray, "n 10"]:
        return np.asarray(np.log(np.maximum(score(images), 1e-9)))

    picture = sheet_of(["5623"], gap=-0.02)
    assert [s.box for s in segment(picture, logs)] == [s.box for s in segment(picture, score)]


def test_a_five_with_a_gap_is_one_digit(score: ScoreFunction) -> None:
    picture = sheet_of(["2 5 3"])
    whole = segment(picture, score)
    x, y, w, h = whole[1].box
    picture[y + int(0.3 * h) : y + int(0.3 * h) + 3, x : x + w] = 230
    assert len(segment(picture, score)) == 3


def test_dashes_dots_and_underlines_are_ignored(score: ScoreFunction) -> None:
    picture = sheet_of(["12 34", "5678"])
    boxes = [s.box for s in segment(picture, score)]
    middle = boxes[0][1] + HEIGHT // 2
    picture[middle : middle + 5, boxes[1][0] + boxes[1][2] + 15 : boxes[2][0] - 15] = 30
    picture[-22:-18, 30:-30] = 30
    picture[8:12, 8:12] = 30
    assert [s.box for s in segment(picture, score)] == boxes


def test_lines_of_different_heights_are_read(score: ScoreFunction) -> None:
    large = sheet_of(["308"]).repeat(3, 0).repeat(3, 1)
    small = np.full((200, large.shape[1]), 230, np.uint8)
    part = sheet_of(["65940"])
    small[: part.shape[0], : part.shape[1]] = part
    assert text(segment(np.vstack([large, small]), score), score) == ["308", "65940"]


def test_points_and_dashes_are_marks_without_an_image(score: ScoreFunction) -> None:
    picture = sheet_of(["1234"], gap=0.8)
    digits = segment(picture, score)
    (first, second, third), bottom = (s.box for s in digits[:3]), digits[0].box[1] + digits[0].box[3]
    gap = (first[0] + first[2] + second[0]) // 2
    picture[bottom - 8 : bottom, gap - 4 : gap + 4] = 30
    picture[bottom - 32 : bottom - 26, second[0] + second[2] + 14 : third[0] - 14] = 30
    marks = segment_ink(find_ink(picture), score)
    assert [mark.image is None for mark in marks] == [False, True, False, True, False, False]
    assert {mark.line for mark in marks} == {0}
    x, y, width, height = marks[1].box
    assert abs(x - gap + 4) <= 3
    assert abs(y - bottom + 8) <= 3
    assert max(width, height) <= 14


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_turned_ink_is_that_of_the_turned_picture(quarters: int) -> None:
    ink = find_ink(sheet_of(["12", "345"]))
    turned = ink
    for _ in range(quarters):
        turned = turned.turned()
    assert np.array_equal(turned.level, np.rot90(ink.level, quarters))
    assert np.array_equal(turned.mask, np.rot90(ink.mask, quarters))
    for number, (top, left, bottom, right) in enumerate(turned.components.boxes, 1):
        rows, columns = np.nonzero(turned.components.labels == number)
        assert (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1) == (top, left, bottom, right)


def test_an_empty_page_raises(score: ScoreFunction) -> None:
    with pytest.raises(EmptyPicture):
        segment(np.full((90, 90), 250, np.uint8), score)


@pytest.mark.parametrize(("blur", "shadow"), [(0, False), (4, False), (24, True)])
def test_shadows_that_fade_on_all_sides_are_not_marks(score: ScoreFunction, blur: float, *, shadow: bool) -> None:
    bars = np.zeros((300, 500), np.float32)
    bars[80:220, 150:170] = bars[90:230, 300:320] = 1
    soft = ndimage.gaussian_filter(bars, blur)
    grain = np.random.default_rng(0).normal(0, 3, bars.shape)
    page = np.clip(220 - 40 * soft / soft.max() + grain, 0, 255).astype(np.uint8)
    if shadow:
        with pytest.raises(EmptyPicture, match="only light and shadow"):
            segment(page, score)
    else:
        assert len(segment(page, score)) == 2


def test_slanted_strokes_that_touch_are_separated_by_a_slanted_seam() -> None:
    level = np.zeros((60, 90), np.float32)
    for row in range(60):
        for start in (40, 58):  # two strokes that overlap in columns
            level[row, start - row // 2 : start - row // 2 + 6] = 1
    level[28:31, 30:46] = 1  # and are connected
    seams, costs = find_seams(level, 60, 6)
    columns = np.arange(90)
    left = np.array([level[columns < seam[:, None]].sum() for seam in seams])
    apart = np.abs(left - 360)
    best = int(np.argmin(apart))
    assert apart[best] < 0.15 * 360
    assert 0 < costs[best] <= 8, "the seam crosses the connection only"


def test_the_thin_edge_of_a_page_is_ignored(score: ScoreFunction) -> None:
    picture = sheet_of(["1234"])
    boxes = [s.box for s in segment(picture, score)]
    picture[30:-30, 10:11] = 30
    assert [s.box for s in segment(picture, score)] == boxes


def touching(text: str) -> Float[ndarray, "h w"]:
    """Return the ink of digits that touch."""
    ink = np.concatenate([draw_digit(DIGITS[clear(int(c), 2)], HEIGHT, 0.1)[: HEIGHT - 8] for c in text], 1)
    return without_fragments(ndimage.grey_closing(ink, (1, 5)).astype(np.float32))


@pytest.mark.parametrize(("log_prob", "digits"), [(-0.001, 1), (-0.05, 2)])
def test_wide_ink_is_one_digit_if_a_model_that_knows_outliers_is_certain(log_prob: float, digits: int) -> None:
    def always(images: UInt8[ndarray, "n 28 28"]) -> Float[ndarray, "n classes"]:
        return np.full((len(images), 2), [log_prob, np.log1p(-np.exp(log_prob))])

    def read(strip: UInt8[ndarray, "28 w"]) -> Readings:
        return [((0, 0), -0.1)]

    picture = np.full((120, 140), 230, np.uint8)
    picture[30:90, 40:47] = picture[30:90, 90:97] = picture[58:63, 40:97] = 30  # two strokes, connected
    assert len(segment_ink(find_ink(picture), always, read, knows_outliers=True)) == digits
    assert len(segment_ink(find_ink(picture), always, read)) == 2


@pytest.mark.parametrize("labels", [None, (2, 5), (2, 5, 1)])
@pytest.mark.parametrize("text", ["25", "80", "413", "2"])
def test_the_cut_is_the_best_of_all_though_few_parts_are_scored(
    score: ScoreFunction, text: str, labels: tuple[int, ...] | None
) -> None:
    scored: list[int] = []

    def counted(images: UInt8[ndarray, "n 28 28"]) -> Float[ndarray, "n classes"]:
        scored.append(len(images))
        return score(images)

    total, chosen = _Parts(touching(text), HEIGHT, 6, counted).best(labels)
    few = sum(scored)
    complete = _Parts(touching(text), HEIGHT, 6, counted)
    complete._cut(list(range(len(complete._starts))))
    expected, best = complete.best(labels)
    assert total == pytest.approx(expected)
    assert chosen == best
    assert few < sum(scored) - few


@pytest.mark.parametrize("text", ["25", "80", "413"])
def test_the_parts_of_a_cut_have_the_shape_of_the_ink(score: ScoreFunction, text: str) -> None:
    level = touching(text)
    cuts = cut_digits(level, HEIGHT, 6, score)
    assert 1 <= len(cuts) <= len(text)
    assert all(cut.ink.shape == level.shape for cut in cuts)
    assert all(cut.log_prior is None for cut in cuts)
    assert (np.maximum.reduce([cut.ink for cut in cuts]) <= level).all()


def test_a_reading_of_the_whole_decides_how_ink_is_cut(score: ScoreFunction) -> None:
    level = touching("25")
    strips: list[tuple[int, ...]] = []

    def reader(*readings: tuple[tuple[int, ...], float]) -> ReadFunction:
        def read(strip: UInt8[ndarray, "28 w"]) -> Readings:
            strips.append(strip.shape)
            return list(readings)

        return read

    agreed = cut_digits(level, HEIGHT, 6, score, reader(((2, 5), -0.1), ((2, 5, 1), -3.0), ((7, 5), -4.0)))
    assert strips[0][0] == 28
    assert len(agreed) == 2
    first, second = (cut.log_prior for cut in agreed)
    assert first is not None
    assert second is not None
    assert np.exp(first).sum() == pytest.approx(1)
    assert np.exp(first[7]) == pytest.approx(np.exp(-4.0) / (np.exp(-0.1) + np.exp(-4.0)), rel=0.01)
    assert second.argmax() == 5
    # The parts fit 2 and 5 much better, but a certain reading has more weight.
    assert len(cut_digits(level, HEIGHT, 6, score, reader(((2, 5, 1), 0.0), ((2, 5), -200.0)))) == 3
    # Without a reading of any digit, the parts alone decide.
    alone, unread = cut_digits(level, HEIGHT, 6, score), cut_digits(level, HEIGHT, 6, score, reader(((), 0.0)))
    assert [cut.log_prior for cut in unread] == [None] * len(alone)
