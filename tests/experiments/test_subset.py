"""The stratified subset has the exact size and the proportions of the whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstroke.data import Dataset, Split
from penstroke.errors import DataError
from penstroke.experiments.subset import shorter_dataset, stratified_subset


@settings(deadline=None)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=6).filter(any), st.data())
def test_counts_differ_from_the_exact_proportion_by_less_than_one(counts: list[int], data: st.DataObject) -> None:
    labels = np.repeat(np.arange(len(counts)), counts).astype(np.int64)
    images = np.arange(len(labels), dtype=np.uint16).view(np.uint8).reshape(-1, 1, 1, 2)
    split = Split(images, labels, tuple(map(str, range(len(counts)))), "train")
    size = data.draw(st.integers(1, len(labels)))
    part = stratified_subset(split, size)
    assert len(part) == size
    found = np.bincount(part.labels, minlength=len(counts))
    assert (np.abs(found - np.array(counts) * size / len(labels)) < 1).all()
    numbers = part.images.reshape(-1, 2).copy().view(np.uint16).ravel()
    assert (np.diff(numbers.astype(int)) > 0).all(), "each image at most once, in the order of the split"
    assert (labels[numbers] == part.labels).all()


def test_the_same_images_are_chosen_every_time(small: Dataset) -> None:
    first, second = (stratified_subset(small.train, 100) for _ in range(2))
    assert np.array_equal(first.images, second.images)
    assert not np.array_equal(first.images, stratified_subset(small.train, 100, seed=1).images)


def test_a_shorter_dataset_keeps_the_test_split_and_states_the_size(small: Dataset) -> None:
    shorter = shorter_dataset(small, 300)
    assert len(shorter.train) == 300
    assert shorter.test is small.test
    assert shorter.notes[-1] == "trained on 300 of 2000 images, stratified, seed 0"
    assert shorter_dataset(small, None) is small
    assert shorter_dataset(small, 2000) is small


@pytest.mark.parametrize("images", [0, -1, 2001])
def test_impossible_sizes_are_rejected(small: Dataset, images: int) -> None:
    with pytest.raises(DataError, match="from 1 to 2000"):
        stratified_subset(small.train, images)
