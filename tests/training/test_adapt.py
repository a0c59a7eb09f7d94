"""Values of a recipe that depend on the training images."""

import numpy as np
import pytest

from penstroke import recipes
from penstroke.data import Dataset, Split
from penstroke.training.adapt import adapt, colours_tell_classes, for_processes, mirrored_alike


def arrows(count: int, *, pointing_both_ways: bool) -> Split:
    """Return pictures of arrows in two colours; the classes are directions or, otherwise, the colours."""
    random = np.random.RandomState(0)
    images, labels = np.zeros((count, 3, 20, 20), np.uint8), np.zeros(count, np.int64)
    for number in range(count):
        left, colour = random.randint(2), random.randint(2)
        row, grey = random.randint(6, 14), random.randint(120, 255)
        channel = images[number, 2 * colour]
        channel[row - 1 : row + 1, 3:17] = grey
        for step in range(5):
            column = 3 + step if left else 16 - step
            channel[row - step : row + step, column] = grey
        labels[number] = left if pointing_both_ways else colour
    return Split(images + random.randint(0, 9, images.shape).astype(np.uint8), labels, ("a", "b"), "train")


def test_digits_are_not_mirrored(small: Dataset) -> None:
    assert not mirrored_alike(small.train)


def test_directions_are_not_mirrored_and_other_classes_are() -> None:
    assert not mirrored_alike(arrows(200, pointing_both_ways=True))
    split = arrows(200, pointing_both_ways=True)
    symmetric = Split(np.concatenate([split.images, split.images[..., ::-1]]), np.tile(np.arange(200) % 2, 2),
                      ("a", "b"), "train")  # fmt: skip
    assert mirrored_alike(symmetric)


@pytest.mark.parametrize("shape", [(1, 1, 5, 5), (2, 3, 30, 7), (3, 1, 1, 1)])
def test_few_and_small_images_give_an_answer(shape: tuple[int, ...]) -> None:
    split = Split(np.zeros(shape, np.uint8), np.zeros(shape[0], np.int64), ("a",), "train")
    assert mirrored_alike(split) in (True, False)


def test_epochs_are_scaled_unless_they_are_given() -> None:
    general = recipes.general()
    assert general.epochs_for(5000) == general.epochs
    assert general.epochs_for(1250) == general.epochs_for(4000) == round(1.1 * general.epochs)
    assert general.epochs_for(20_000) == round(general.epochs / 2)
    assert general.epochs_for(10**12) == 1
    assert recipes.book().epochs_for(10) == 2
    assert recipes.general(epochs=7).epochs_for(100) == 7
    assert recipes.general(epochs=70, scale_epochs=True).epochs_for(1250) == 77


def test_an_adapted_recipe_is_complete(small: Dataset) -> None:
    recipe, notes = adapt(recipes.general(batch_size=300), small.train)
    assert recipe.epochs == recipes.general().epochs_for(len(small.train))
    assert recipe.scale_epochs is recipe.augmentation.flip is recipe.flat()["mirror"] is False
    steps = -(-len(small.train) // 300)
    assert recipe.batch_size == -(-len(small.train) // steps)
    assert len(notes) == 2
    assert f"{recipe.epochs} epochs of {steps} steps" in notes[0]
    assert adapt(recipe, small.train) == (recipe, [])


def test_the_network_averages_over_mirror_images_if_training_does(small: Dataset) -> None:
    assert adapt(recipes.general(flip=True), small.train)[0].flat()["mirror"] is True
    assert adapt(recipes.general(flip=True, mirror=False), small.train)[0].flat()["mirror"] is False


@pytest.mark.parametrize("name", ["book", "fast", "robust"])
def test_recipes_of_digits_are_unchanged(name: str, small: Dataset) -> None:
    assert adapt(recipes.get(name), small.train) == (recipes.get(name), [])


def coloured(count: int, channels: int = 3, *, by_class: bool) -> Split:
    """Return pictures of one colour each, which is random or, otherwise, different for the two classes."""
    random = np.random.RandomState(0)
    labels = np.arange(count) % 2
    colours = random.randint(0, 200, (count, channels, 1, 1))
    if by_class:
        colours[:, 0] = 120 * labels[:, None, None] + random.randint(0, 80, (count, 1, 1))
    noise = random.randint(0, 20, (count, channels, 12, 12))
    return Split((colours + noise).astype(np.uint8), labels.astype(np.int64), ("a", "b"), "train")


def test_colours_tell_classes_or_do_not() -> None:
    assert colours_tell_classes(coloured(200, by_class=True))
    assert not colours_tell_classes(coloured(200, by_class=False))


@pytest.mark.parametrize("shape", [(1, 3, 5, 5), (2, 3, 30, 7), (3, 3, 1, 1)])
def test_colours_of_few_and_small_images_give_an_answer(shape: tuple[int, ...]) -> None:
    split = Split(np.zeros(shape, np.uint8), np.zeros(shape[0], np.int64), ("a",), "train")
    assert colours_tell_classes(split) is False


def test_colours_that_tell_nothing_are_not_used() -> None:
    recipe, notes = adapt(recipes.general(), coloured(200, by_class=False))
    assert recipe.flat()["grey"] is recipe.augmentation.mix_channels is True
    assert "colours are not used" in notes[-1]
    recipe, notes = adapt(recipes.general(), coloured(200, by_class=True))
    assert recipe.flat()["grey"] is recipe.augmentation.mix_channels is False
    assert "colours are used" in notes[-1]


def test_colours_are_used_if_the_recipe_says_so_and_grey_images_have_none() -> None:
    assert adapt(recipes.general(grey=False), coloured(200, by_class=False))[0].flat()["grey"] is False
    assert adapt(recipes.general(), coloured(200, 1, by_class=False))[0].flat()["grey"] is False


def test_batches_of_several_processes_are_those_of_each_together() -> None:
    recipe = recipes.fast(batch_size=64, scaling="linear")
    assert for_processes(recipe, 1000, 4).batch_size == 256
    assert for_processes(recipe, 100, 4).batch_size == 100
    assert for_processes(recipe, 1000, 1) is recipe
    assert for_processes(recipes.fast(batch_size=64), 1000, 4).batch_size == 64
    # Networks with batch normalisation have batches of equal size.
    equal = for_processes(recipes.general(batch_size=64, scaling="sqrt"), 1000, 4)
    assert equal.batch_size == 250
