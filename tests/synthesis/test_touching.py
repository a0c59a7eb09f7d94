"""Tests of strips of touching digits."""

import numpy as np
import torch
from scipy import ndimage

from penstroke.data import Dataset
from penstroke.synthesis.touching import LENGTH_SHARES, batch_of, touching_digits

COUNT = 200


def strips_of(sample: Dataset, seed: int) -> tuple[list[np.ndarray], list[tuple[int, ...]]]:
    torch.manual_seed(seed)
    return touching_digits(sample.train.images[:, 0], sample.train.labels, COUNT, np.random.default_rng(seed))


def test_a_seed_gives_the_same_strips(sample: Dataset) -> None:
    strips, texts = strips_of(sample, 1)
    again, same = strips_of(sample, 1)
    assert texts == same
    assert all(np.array_equal(first, second) for first, second in zip(strips, again, strict=True))
    assert strips_of(sample, 2)[1] != texts


def test_digits_touch_and_wider_strips_have_more_of_them(sample: Dataset) -> None:
    strips, texts = strips_of(sample, 0)
    lengths = np.array([len(text) for text in texts])
    shares = np.bincount(lengths, minlength=len(LENGTH_SHARES) + 1)[1:] / COUNT
    assert np.abs(shares - LENGTH_SHARES).max() < 0.1
    widths = [np.mean([s.shape[1] for s, n in zip(strips, lengths, strict=True) if n == count]) for count in (1, 2, 3)]
    assert widths == sorted(widths)
    pieces = [ndimage.label(strip > 60, np.ones((3, 3)))[1] for strip in strips]
    joined = [count == 1 for count, length in zip(pieces, lengths, strict=True) if length == 2]
    assert np.mean(joined) > 0.7


def test_a_batch_pads_strips_on_the_right() -> None:
    batch = batch_of([np.full((28, 30), 5, np.uint8), np.full((28, 41), 7, np.uint8)])
    assert batch.shape == (2, 1, 28, 41)
    assert (batch[0, 0, :, :30] == 5).all()
    assert not batch[0, 0, :, 30:].any()
    assert (batch[1] == 7).all()
