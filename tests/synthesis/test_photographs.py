"""Augmentation of photographs: shifts with reflected borders, mirror images, colours, covered rectangles."""

import numpy as np
import pytest
import torch

from penstroke.data import Split
from penstroke.recipes.parts import Augmentation
from penstroke.synthesis import batch_augmentation
from penstroke.synthesis.photographs import crop_and_flip, cut_out, jitter_colours, mix_channels


@pytest.fixture
def images() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randint(0, 256, (64, 3, 12, 16), dtype=torch.uint8)


def test_every_image_is_a_window_of_itself_with_reflected_borders(images: torch.Tensor) -> None:
    changed = crop_and_flip(images, 0.25, flip=True)
    seen = set()
    for image, result in zip(images, changed, strict=True):
        padded = np.pad(image.numpy(), ((0, 0), (3, 3), (4, 4)), mode="reflect")
        matches = [
            (row, column, mirrored)
            for mirrored in (False, True)
            for row in range(7)
            for column in range(9)
            if np.array_equal(padded[:, row : row + 12, column : column + 16][:, :, :: -1 if mirrored else 1], result)
        ]
        assert len(matches) == 1
        seen.add(matches[0])
    assert len({mirrored for *_, mirrored in seen}) == 2
    assert len({row for row, *_ in seen}) == 7
    assert len({column for _, column, _ in seen}) == 9


def test_without_flip_no_image_is_mirrored(images: torch.Tensor) -> None:
    assert torch.equal(crop_and_flip(images, 0.0, flip=False), images.float())
    mirrored = crop_and_flip(images, 0.0, flip=True)
    same = [torch.equal(result, image.float()) for image, result in zip(images, mirrored, strict=True)]
    assert 16 < sum(same) < 48
    assert all(
        torch.equal(result, image.float().flip(2))
        for image, result, equal in zip(images, mirrored, same, strict=True)
        if not equal
    )


def test_a_shift_is_smaller_than_the_image() -> None:
    tiny = torch.arange(8).reshape(1, 1, 2, 4).repeat(5, 1, 1, 1)
    assert crop_and_flip(tiny, 0.5, flip=False).shape == (5, 1, 2, 4)
    assert crop_and_flip(torch.ones(3, 1, 1, 1), 0.5, flip=True).flatten().tolist() == [1, 1, 1]


def test_colours_change_within_the_strength(images: torch.Tensor) -> None:
    half = torch.full((200, 3, 2, 2), 100.0)
    means = jitter_colours(half, 0.3).mean((1, 2, 3))
    assert 70 <= means.min() < 80
    assert 120 < means.max() <= 130
    assert torch.equal(jitter_colours(half, 0.0), half)
    changed = jitter_colours(images.float(), 0.5)
    assert changed.min() >= 0
    assert changed.max() <= 255
    assert (changed - images).abs().mean() > 5


def test_grey_images_have_no_saturation() -> None:
    grey = torch.rand(10, 1, 4, 4) * 255
    correlations = [
        float(torch.corrcoef(torch.stack([one.flatten(), two.flatten()]))[0, 1])
        for one, two in zip(grey, jitter_colours(grey, 0.2), strict=True)
    ]
    assert min(correlations) > 0.99


def test_a_rectangle_gets_the_mean_colour() -> None:
    images = torch.rand(300, 2, 10, 20) * 255
    changed = cut_out(images, 0.4)
    covered = (changed != images).all(1)
    areas = covered.sum((1, 2))
    assert areas.max() <= 3 * 7 + 7 * 3 + 4 * 8, "at most 4x8 pixels, as odd windows"
    assert areas.min() >= 2 * 4
    number = int(areas.argmax())
    colours = changed[number][:, covered[number]]
    torch.testing.assert_close(colours, images[number].mean((1, 2))[:, None].expand_as(colours))
    assert torch.equal(cut_out(images, 0.0), images)


def test_mixed_channels_are_multiples_of_the_channels(images: torch.Tensor) -> None:
    torch.manual_seed(0)
    mixed = mix_channels(images.float())
    weights = (mixed.flatten(2).sum(2) / images.float().flatten(2).sum(2)).numpy()
    torch.testing.assert_close(mixed, images.float() * torch.from_numpy(weights)[:, :, None, None])
    np.testing.assert_allclose(weights.mean(1), 1, rtol=1e-4)
    assert (weights.std(0) > 0.2).all(), "different for each image"


def test_the_recipe_applies_them_and_is_reproducible(images: torch.Tensor) -> None:
    labels = torch.arange(64) % 3
    split = Split(images.numpy(), labels.numpy(), ("a", "b", "c"), "train")
    function = batch_augmentation(Augmentation(crop=0.2, flip=True, jitter=0.1, cutout=0.3), split, seed=0)
    torch.manual_seed(3)
    first, same = function(images, labels)
    torch.manual_seed(3)
    again = cut_out(jitter_colours(crop_and_flip(images, 0.2, flip=True), 0.1), 0.3)
    assert torch.equal(first, again)
    assert same is labels
    assert first.shape == images.shape
    assert first.dtype == torch.float32
