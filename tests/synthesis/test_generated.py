"""Generated digits and outliers: NumPy arrays that are functions of the seed."""

import numpy as np

from penstroke.synthesis import NO_CLASS
from penstroke.synthesis.digits import generate_digits
from penstroke.synthesis.outliers import KINDS, generate_outliers, outlier_pool


def test_outliers_are_of_all_kinds_and_a_function_of_the_seed() -> None:
    images = generate_outliers(64, seed=5)
    assert images.shape == (64, 1, 28, 28)
    assert images.dtype == np.uint8
    assert np.array_equal(images, generate_outliers(64, seed=5))
    assert not np.array_equal(images, generate_outliers(64, seed=6))
    assert len({image.tobytes() for image in images}) >= 61, "few are equal, such as scenes without ink"
    assert (images.mean((1, 2, 3)) > 1).mean() > 0.9, "few are empty"


def test_every_kind_of_outlier_varies() -> None:
    for kind in set(KINDS):
        images = [kind(np.random.default_rng(seed)) for seed in range(6)]
        assert len({image.tobytes() for image in images}) >= 4, kind.__name__


def test_digits_are_of_all_classes_and_a_function_of_the_seed() -> None:
    images, labels = generate_digits(200, seed=1)
    assert images.dtype == np.uint8
    assert labels.dtype == np.int64
    assert set(labels.tolist()) == set(range(10))
    again = generate_digits(200, seed=1)
    assert np.array_equal(images, again[0])
    assert np.array_equal(labels, again[1])
    assert not np.array_equal(images, generate_digits(200, seed=2)[0])
    assert ((images > 60).sum((1, 2, 3)) > 15).all()


def test_a_pool_has_one_digit_for_three_outliers() -> None:
    images, labels = outlier_pool(80, 1)
    assert images.shape == (80, 1, 28, 28)
    assert (labels != NO_CLASS).tolist() == [False] * 60 + [True] * 20
    assert np.array_equal(images[60:], generate_digits(20, 1)[0])
