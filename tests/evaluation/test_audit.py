"""Audit of a dataset: label errors, duplicates and blank images that were put into it are found."""

import dataclasses

import numpy as np
import pytest
from cleanlab.rank import get_label_quality_scores
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy import ndarray

from penstroke.data import Split
from penstroke.evaluation.audit import (
    Audit,
    Duplicates,
    blank_images,
    find_exact_duplicates,
    find_near_duplicates,
    joined,
)

NONE = Duplicates(np.empty((0, 2), np.int64), np.empty(0, np.float32))


def noise(seed: int, count: int, *shape: int) -> ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)


def audit(splits: tuple[Split, ...], probabilities: ndarray) -> Audit:
    blank = blank_images(joined(splits).images)
    return Audit(splits, probabilities, NONE, NONE, blank, {})


def test_improbable_labels_are_ranked_by_split() -> None:
    labels = np.array([0, 1, 2, 0, 1])
    first = Split(noise(0, 3, 1, 4, 4), labels[:3], ("a", "b", "c"), "train")
    second = Split(noise(1, 2, 1, 4, 4), labels[3:], ("a", "b", "c"), "test", files=("x/0.png", "y/1.png"))
    probabilities = np.array(
        [[0.9, 0.05, 0.05], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8], [0.1, 0.7, 0.2], [0.1, 0.49, 0.41]], np.float32
    )
    found = audit((first, second), probabilities)
    rows = found.candidates()
    assert [(row["split"], row["index"], row["label"], row["suggested"]) for row in rows] == [
        ("test", 0, "a", "b"),
        ("train", 1, "b", "a"),
        ("test", 1, "b", "c"),
    ]
    assert [row["rank"] for row in rows] == [1, 2, 3]
    assert [row["rank_in_split"] for row in rows] == [1, 1, 2]
    assert rows[0]["file"] == "x/0.png"
    assert "file" not in rows[1]
    assert np.array_equal(found.image(3), second.images[0])
    assert found.quality == pytest.approx(get_label_quality_scores(labels, probabilities))
    assert found.to_json()["splits"] == {"train": 3, "test": 2}


def test_exact_duplicates_name_the_first_image() -> None:
    images = noise(0, 6, 1, 5, 5)
    images[[3, 5]] = images[1]
    found = find_exact_duplicates(images)
    assert found.pairs.tolist() == [[1, 3], [1, 5]]
    split = Split(images, np.array([0, 1, 0, 1, 0, 0]), ("a", "b"), "train")
    result = dataclasses.replace(audit((split,), np.full((6, 2), 0.5)), exact=found)
    assert result.conflicts == 1
    assert result.duplicates()[1] == {
        "kind": "exact",
        "similarity": 1.0,
        "split": "train",
        "index": 1,
        "label": "b",
        "other_split": "train",
        "other_index": 5,
        "other_label": "a",
    }


@settings(deadline=None, max_examples=30)
# From 12 pixels on: images of few coarse pixels are similar to so many others that not all pairs are listed.
@given(st.integers(0, 2**32 - 1), st.integers(12, 40), st.integers(12, 40), st.sampled_from([1, 3]))
def test_changed_copies_are_near_duplicates(seed: int, height: int, width: int, channels: int) -> None:
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 200, (12, channels, -(-height // 4), -(-width // 4)), np.uint8)
    images = np.kron(coarse, np.ones((4, 4), np.uint8))[:, :, :height, :width]
    copies = images[:3] + random.integers(0, 3, images[:3].shape, np.uint8)  # brighter by up to 2 levels
    found = find_near_duplicates(np.concatenate([images, copies, images[:1]]))
    pairs = {tuple(pair) for pair in found.pairs.tolist()}
    contrast = images.reshape(12, -1).std(1)
    expected = {(i, 12 + i) for i in range(3) if contrast[i] > 10 and not np.array_equal(images[i], copies[i])}
    assert expected <= pairs
    assert (found.similarity >= 0.99).all()
    assert (np.diff(found.similarity) <= 0).all()


def test_blank_images_are_neither_similar_nor_missed() -> None:
    images = noise(0, 4, 3, 6, 6)
    images[1], images[3] = 7, 200
    assert blank_images(images).tolist() == [False, True, False, True]
    assert not len(find_near_duplicates(images).pairs)
    assert not len(find_near_duplicates(images[:1]).pairs)
