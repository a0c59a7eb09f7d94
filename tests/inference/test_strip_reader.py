"""Tests of the reading of touching digits as a whole."""

from collections import defaultdict
from itertools import groupby, product

import numpy as np
import pytest

from penstroke.data import Dataset
from penstroke.inference.strip_reader import beam_search, read_strip
from penstroke.synthesis.touching import touching_digits


@pytest.mark.parametrize("seed", range(5))
def test_a_wide_beam_finds_the_probabilities_of_all_sequences(seed: int) -> None:
    columns, classes = 5, 4
    log_probs = np.random.default_rng(seed).normal(0, 2, (columns, classes))
    log_probs -= np.log(np.exp(log_probs).sum(1, keepdims=True))
    expected: dict[tuple[int, ...], float] = defaultdict(float)
    for path in product(range(classes), repeat=columns):
        sequence = tuple(label for label, _ in groupby(path) if label < classes - 1)
        expected[sequence] += float(np.exp(log_probs[np.arange(columns), path].sum()))
    found = beam_search(log_probs, beam=10_000)
    assert {sequence: np.exp(log_prob) for sequence, log_prob in found} == pytest.approx(expected)
    assert [log_prob for _, log_prob in found] == sorted((log_prob for _, log_prob in found), reverse=True)
    assert [sequence for sequence, _ in beam_search(log_probs)][:2] == [sequence for sequence, _ in found][:2]


def test_the_same_digit_twice_is_two_digits_if_no_new_digit_is_in_between() -> None:
    def read(*columns: int) -> tuple[int, ...]:
        return beam_search(np.log(np.eye(3)[list(columns)] * 0.97 + 0.01))[0][0]

    assert read(0, 0, 0) == (0,)
    assert read(0, 2, 0) == (0, 0)
    assert read(2, 1, 0, 2) == (1, 0)
    assert read(2, 2) == ()


def test_most_touching_digits_are_read(sample: Dataset) -> None:
    strips, texts = touching_digits(sample.test.images[:, 0], sample.test.labels, 100, np.random.default_rng(0))
    right = [read_strip(strip)[0][0] == text for strip, text in zip(strips, texts, strict=True)]
    assert sum(right) >= 85
