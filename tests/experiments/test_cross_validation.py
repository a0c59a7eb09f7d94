"""Cross-validation: each image gets the probabilities of networks that were not trained on it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstroke import recipes
from penstroke.data import Dataset
from penstroke.errors import DataError
from penstroke.experiments import cross_validation
from penstroke.experiments.cross_validation import out_of_fold, stratified_folds


@given(st.lists(st.integers(0, 3), min_size=20, max_size=60), st.integers(2, 4), st.integers(0, 99))
def test_folds_are_disjoint_complete_and_stratified(values: list[int], folds: int, seed: int) -> None:
    labels = np.array([*values, *(list(range(4)) * folds)])
    parts = stratified_folds(labels, folds, seed)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(labels)))
    for label in range(4):
        counts = [int((labels[part] == label).sum()) for part in parts]
        assert max(counts) - min(counts) <= 1
    assert all(map(np.array_equal, parts, stratified_folds(labels, folds, seed)))


def test_a_class_with_too_few_images_is_an_error() -> None:
    with pytest.raises(DataError, match="position 1 has 3 images; an audit needs at least 4"):
        stratified_folds(np.array([0] * 9 + [1] * 3), 4, 0)


def test_changed_labels_get_low_probabilities(sample: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_validation, "MIN_STEPS", 60)
    test = sample.test
    wrong = np.arange(0, 1000, 50)
    labels = test.labels.copy()
    labels[wrong] = (labels[wrong] + 1) % 10
    split = type(test)(test.images, labels, test.classes, "train")
    counts: list[tuple[int, int]] = []
    probabilities = out_of_fold(
        sample, split, recipes.fast(), repeats=1, on_fold=lambda done, total: counts.append((done, total))
    )
    assert counts == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert probabilities.sum(1) == pytest.approx(np.ones(1000), abs=1e-5)
    ranking = probabilities[np.arange(1000), labels].argsort()
    assert len(set(ranking[:60].tolist()) & set(wrong.tolist())) >= 17
