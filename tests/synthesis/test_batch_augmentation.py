"""The augmentation of a recipe as one function of a batch."""

import numpy as np
import pytest
import torch

from penstroke.data import Dataset, Split
from penstroke.errors import UsageError
from penstroke.recipes.parts import Augmentation
from penstroke.synthesis import NO_CLASS, augment, batch_augmentation, check_augmentation, shift_batch


def batch(split: Split) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(split.images[:40]), torch.from_numpy(split.labels[:40])


def test_without_augmentation_a_batch_is_unchanged(small: Dataset) -> None:
    images, labels = batch(small.train)
    state = torch.random.get_rng_state()
    changed, same_labels = batch_augmentation(Augmentation(), small.train, seed=0)(images, labels)
    assert changed is images
    assert same_labels is labels
    assert torch.equal(torch.random.get_rng_state(), state)


def test_the_steps_are_applied_in_order(small: Dataset) -> None:
    images, labels = batch(small.train)
    function = batch_augmentation(Augmentation(shift=2, distortion=0.5), small.train, seed=0)
    torch.manual_seed(0)
    changed, same_labels = function(images, labels)
    torch.manual_seed(0)
    assert torch.equal(changed, augment(shift_batch(images, 2), 0.5))
    assert same_labels is labels


def test_outliers_are_mixed_into_digits(small: Dataset) -> None:
    images, labels = batch(small.train)
    few = small.train.subset(np.arange(100))
    function = batch_augmentation(Augmentation(outliers=0.3), few, seed=0, device=torch.device("cpu"))
    changed, new_labels = function(images, labels)
    assert (new_labels == NO_CLASS).sum() >= 3, "a quarter of the pool are digits"
    assert torch.equal(changed[12:], images[12:])


@pytest.mark.parametrize("kind", ["classes", "size", "colour"])
def test_outliers_are_rejected_for_other_images(kind: str, small: Dataset) -> None:
    classes = tuple("abcdefghij") if kind == "classes" else small.train.classes
    shape = {"size": (4, 1, 28, 32), "colour": (4, 3, 28, 28)}.get(kind, (4, 1, 28, 28))
    split = Split(np.zeros(shape, np.uint8), np.arange(4), classes, "train")
    with pytest.raises(UsageError, match=r"outliers is 0.1.*only to grey digits") as caught:
        batch_augmentation(Augmentation(outliers=0.1), split, seed=0)
    assert "--outliers 0" in caught.value.remedy
    channels = split.images.shape[1]
    assert f" {channels} channel{'s' if channels == 3 else ''} and " in caught.value.message
    check_augmentation(Augmentation(shift=1, distortion=0.3), split)
