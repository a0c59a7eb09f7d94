"""Augmentation of batches: shifts, distortions, outliers."""

import pytest
import torch
from support.small import head
from torch import Tensor

from penstroke.data import Dataset
from penstroke.synthesis import NO_CLASS, augment, join_digits, mix_outliers, shift_batch
from penstroke.synthesis.augment import warp
from penstroke.synthesis.outliers import generate_outliers


@pytest.fixture(scope="module")
def digits(sample: Dataset) -> Tensor:
    return torch.from_numpy(head(sample.train, 256).images)


def test_augmentation_is_a_function_of_the_random_state_and_the_strength(digits: Tensor) -> None:
    images = digits[:64]
    torch.manual_seed(1)
    once = augment(images, 0.6)
    torch.manual_seed(1)
    assert torch.equal(augment(images, 0.6), once)
    assert once.shape == images.shape
    assert once.min() >= 0
    assert once.max() <= 255
    assert torch.equal(augment(images, 0), images.float())
    changes = []
    for strength in (0.1, 0.5, 1.0):
        torch.manual_seed(2)
        changes.append(float((augment(images, strength) - images).abs().mean()))
    assert changes == sorted(changes)
    assert changes[2] > 2 * changes[0]


def test_a_warp_moves_ink_and_adds_none(digits: Tensor) -> None:
    torch.manual_seed(1)
    warped = warp(digits, 1.0)
    torch.manual_seed(1)
    assert torch.equal(warp(digits, 1.0), warped)
    assert torch.equal(warp(digits, 0), digits.float())
    ink = warped.sum((1, 2, 3)) / digits.float().sum((1, 2, 3))
    assert 0.9 < ink.mean() < 1.1
    assert warped.max() <= 255.01
    assert not (warped == digits).all((1, 2, 3)).any(), "each image is warped"
    moved = (warped - digits).abs().mean((1, 2, 3))
    assert len(moved.unique()) == len(digits), "each in another way"


def test_an_augmented_digit_stays_in_the_image_and_keeps_its_ink(digits: Tensor) -> None:
    torch.manual_seed(3)
    ink = (augment(digits, 1.0) > 60).sum((1, 2, 3)) / (digits > 60).sum((1, 2, 3))
    assert ink.quantile(0.02) > 0.15
    assert 0.6 < ink.median() < 1.5


def test_colour_images_of_any_size_are_augmented() -> None:
    images = torch.randint(0, 256, (4, 3, 20, 34), dtype=torch.uint8)
    changed = augment(images, 0.7)
    assert changed.shape == images.shape
    assert changed.dtype == torch.float32
    assert not torch.equal(changed, images.float())


def test_joined_digits_are_side_by_side() -> None:
    bars, rings = torch.zeros(2, 2, 1, 28, 28, dtype=torch.uint8)
    bars[..., 4:24, 11:16] = 200
    rings[..., 4:24, 8:20] = 250
    rings[..., 6:22, 10:18] = 0
    torch.manual_seed(0)
    for both in join_digits(bars, rings)[:, 0]:
        columns = (both > 60).any(0).nonzero()[:, 0]
        assert 14 <= len(columns) <= 20
        assert columns.tolist() == list(range(int(columns[0]), int(columns[-1]) + 1)), "they touch"
        assert abs(float(columns.float().mean()) - 13.5) <= 1, "in the middle"
        assert both[12, columns[1]] == 200
        assert both[5, columns[-2]] == 250


def test_a_wide_pair_is_scaled_down_until_it_fits() -> None:
    blocks = torch.zeros(1, 1, 28, 28, dtype=torch.uint8)
    blocks[..., 4:24, 4:24] = 255
    both = join_digits(blocks, blocks)[0, 0] > 60
    assert 19 <= int(both.any(0).sum()) <= 21
    assert 9 <= int(both.any(1).sum()) <= 12


def test_empty_images_join_to_an_empty_image() -> None:
    empty = torch.zeros(1, 1, 28, 28, dtype=torch.uint8)
    assert not join_digits(empty, empty).any()


def test_a_fraction_of_a_batch_becomes_outliers(sample: Dataset) -> None:
    batch = head(sample.train, 40)
    images, labels = torch.from_numpy(batch.images), torch.from_numpy(batch.labels)
    pool = torch.from_numpy(generate_outliers(16, 0)), torch.full((16,), NO_CLASS)
    mixed, mixed_labels = mix_outliers(images, labels, 0.2, pool)
    assert mixed.shape == images.shape
    assert (mixed_labels == NO_CLASS).tolist() == [True] * 8 + [False] * 32
    assert torch.equal(mixed[8:], images[8:])
    assert torch.equal(mixed_labels[8:], labels[8:])
    in_pool = [any(torch.equal(image, other) for other in pool[0]) for image in mixed[:8]]
    assert in_pool == [False] * 2 + [True] * 6, "a quarter are pairs of digits"


def test_a_shift_moves_the_whole_batch_and_pads_with_black() -> None:
    images = torch.full((3, 1, 6, 5), 200, dtype=torch.uint8)
    seen = set()
    for seed in range(60):
        torch.manual_seed(seed)
        shifted = shift_batch(images, 1)
        assert shifted.shape == images.shape
        assert torch.equal(shifted[0], shifted[2])
        seen.add(tuple(shifted[0, 0].float().mean(0).tolist()) + tuple(shifted[0, 0].float().mean(1).tolist()))
    assert len(seen) == 9, "three shifts in each direction"
    assert shift_batch(images, 0) is images
