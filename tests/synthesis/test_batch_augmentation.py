"""The augmentation of a recipe as one function of a batch."""

import numpy as np
import pytest
import torch

from penstroke.data import Dataset, Split
from penstroke.errors import DataError
from penstroke.recipes.parts import Augmentation
from penstroke.synthesis import NO_CLASS, augment, batch_augmentation, shift_batch
from penstroke.synthesis.augment import warp
from penstroke.synthesis.mixed_outliers import mixed_outliers


def batch(split: Split) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(split.images[:40]), torch.from_numpy(split.labels[:40])


def test_without_augmentation_a_batch_is_unchanged(small: Dataset) -> None:
    images, labels = batch(small.train)
    state = torch.random.get_rng_state()
    changed, same_labels = batch_augmentation(Augmentation(), small.train, seed=0)(images, labels)
    assert changed.data_ptr() == images.data_ptr()
    assert torch.equal(changed, images)
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


def test_images_are_warped_alone(small: Dataset) -> None:
    images, labels = batch(small.train)
    torch.manual_seed(0)
    changed, same_labels = batch_augmentation(Augmentation(warp=0.5), small.train, seed=0)(images, labels)
    torch.manual_seed(0)
    assert torch.equal(changed, warp(images, 0.5))
    assert same_labels is labels


def test_outliers_are_mixed_into_digits(small: Dataset) -> None:
    images, labels = batch(small.train)
    few = small.train.subset(np.arange(100))
    function = batch_augmentation(Augmentation(outliers=0.3), few, seed=0, device=torch.device("cpu"))
    changed, new_labels = function(images, labels)
    assert (new_labels == NO_CLASS).sum() >= 3, "a quarter of the pool are digits"
    assert torch.equal(changed[12:], images[12:])


def colour_split() -> Split:
    """Return 40 colour images of two classes, dark and bright, with noise."""
    labels = np.arange(40) % 2
    noise = np.random.default_rng(0).integers(0, 60, (40, 3, 13, 10), np.uint8)
    return Split(noise + (180 * labels[:, None, None, None]).astype(np.uint8), labels, ("dark", "bright"), "train")


def test_outliers_of_other_images_are_mixtures_and_shuffled_patches() -> None:
    train = colour_split()
    images, labels = batch(train)
    function = batch_augmentation(Augmentation(outliers=0.25), train, seed=0)
    changed, new_labels = function(images, labels)
    assert (new_labels == NO_CLASS).tolist() == [True] * 10 + [False] * 30
    assert torch.equal(changed[10:], images[10:])
    made = mixed_outliers(train, 40, seed=0)
    assert np.array_equal(made, mixed_outliers(train, 40, seed=0))
    assert all(any(np.array_equal(image, one) for one in made) for image in changed[:10].numpy())
    means = made.mean((1, 2, 3))
    assert (abs(means[1::2] - 119) < 10).all(), "mixtures of a dark and a bright image"
    for shuffled in made[0::2]:
        originals = [image for image in train.images if sorted(image.flat) == sorted(shuffled.flat)]
        assert len(originals) == 1


def test_outliers_of_one_class_are_shuffled_patches() -> None:
    train = colour_split()
    one = train.subset(np.flatnonzero(train.labels == 0))
    assert all(any(sorted(image.flat) == sorted(made.flat) for image in one.images)
               for made in mixed_outliers(one, 4, seed=0))  # fmt: skip


def test_given_outliers_are_used_with_generated_digits_and_instead_of_mixtures(small: Dataset) -> None:
    black = np.zeros((5, 3, 13, 10), np.uint8)
    train = colour_split()
    images, labels = batch(train)
    changed, new_labels = batch_augmentation(Augmentation(outliers=0.5), train, seed=0, pictures=black)(images, labels)
    assert not changed[:20].any()
    assert (new_labels[:20] == NO_CLASS).all()
    few, white = small.train.subset(np.arange(100)), np.full((300, 1, 28, 28), 255, np.uint8)
    images, labels = batch(few)
    torch.manual_seed(0)
    changed, new_labels = batch_augmentation(Augmentation(outliers=0.5), few, seed=0, pictures=white)(images, labels)
    whites = (changed == 255).flatten(1).all(1)
    assert 3 < whites.sum() < 15
    assert (new_labels[whites] == NO_CLASS).all()


def test_outliers_of_another_shape_are_rejected() -> None:
    with pytest.raises(DataError, match=r"outliers have the shape \(1, 13, 10\)"):
        batch_augmentation(
            Augmentation(outliers=0.5), colour_split(), seed=0, pictures=np.zeros((5, 1, 13, 10), np.uint8)
        )
