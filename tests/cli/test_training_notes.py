"""The note on a network that has not learned."""

import dataclasses

import numpy as np
import pytest

from penstroke import Dataset, fit, recipes
from penstroke.cli.training_notes import warn_before, warn_if_guessing, warn_of_class_weights
from penstroke.evaluation import Score
from penstroke.training import Fitted


@pytest.fixture(scope="module")
def shapes() -> Dataset:
    """Return 180 images of three classes that differ in the position of a bright column."""
    labels = np.arange(180) % 3
    images = np.random.default_rng(0).integers(0, 40, (180, 1, 24, 24), np.uint8)
    for index, label in enumerate(labels):
        images[index, 0, :, 4 + 8 * label] = 220
    return Dataset.from_arrays(images, labels, classes=("left", "middle", "right"))


def fitted_with(validation: Score | None, fitted: Fitted) -> Fitted:
    """Return a fitted model whose last epoch has another validation score."""
    row = dataclasses.replace(fitted.history.epochs[-1], validation=validation)
    return dataclasses.replace(fitted, history=dataclasses.replace(fitted.history, epochs=[row]))


@pytest.fixture(scope="module")
def untrained(shapes: Dataset) -> Fitted:
    """Return a network whose weights a learning rate near zero has left unchanged, with a training loss of log(3)."""
    return fit(recipes.fast(lr=1e-9, head_lr=1e-9), shapes, progress=False)


@pytest.mark.parametrize(
    ("correct", "total", "note"),
    [
        (135, 180, None),  # 75 %, although the training loss is that of guessing
        (9, 12, None),
        (6, 18, "has not learned: its accuracy is 33.33 % on 18 validation images (95 % interval 16.3 to 56.3 %)"),
        (8, 18, "may not have learned: its accuracy is 44.44 % on 18 validation images"),
        (0, 18, "has not learned"),
    ],
)
def test_the_validation_accuracy_is_compared_with_chance(
    correct: int, total: int, note: str | None, shapes: Dataset, untrained: Fitted, capsys: pytest.CaptureFixture[str]
) -> None:
    warn_if_guessing(fitted_with(Score(1.09, correct, total), untrained), shapes)
    printed = capsys.readouterr().err
    if note is None:
        assert not printed
    else:
        assert note in printed
        assert "always choosing the commonest class gives 33.33 %; try a smaller learning rate (--lr)" in printed


def test_without_validation_the_accuracy_on_training_images_counts(
    shapes: Dataset, untrained: Fitted, capsys: pytest.CaptureFixture[str]
) -> None:
    warn_if_guessing(untrained, shapes)
    assert "on 180 training images" in capsys.readouterr().err
    fitted = fit(recipes.fast(batch_size=20, epochs=4, shift=0), shapes, progress=False)
    assert fitted.history.epochs[0].train_loss > 0.3
    warn_if_guessing(fitted, shapes)
    assert not capsys.readouterr().err


def test_chance_is_the_share_of_the_commonest_class(shapes: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    labels = (np.arange(180) % 10 == 0).astype(int)
    data = Dataset.from_arrays(shapes.train.images, labels, classes=("often", "seldom"))
    fitted = fit(recipes.fast(lr=1e-9, head_lr=1e-9, epochs=1), data, progress=False)
    warn_if_guessing(fitted_with(Score(0.5, 90, 100), fitted), data)
    assert "commonest class gives 90.00 %" in capsys.readouterr().err


def test_a_balanced_network_is_compared_with_a_random_choice(
    shapes: Dataset, untrained: Fitted, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = (np.arange(180) % 10 == 0).astype(int)
    data = Dataset.from_arrays(shapes.train.images, labels, classes=("often", "seldom"))
    warn_if_guessing(fitted_with(Score(0.5, 85, 100), untrained), data, balanced=True)
    assert not capsys.readouterr().err
    warn_if_guessing(fitted_with(Score(0.7, 50, 100), untrained), data, balanced=True)
    assert "a random choice gives 50.00 %" in capsys.readouterr().err


def test_a_model_without_a_rejection_threshold_is_reported(shapes: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    assert fit(recipes.fast(validation=0.1), shapes, progress=False).classifier().threshold == 0
    warn_before(recipes.fast(batch_size=30, epochs=9), shapes)
    assert not capsys.readouterr().err
    warn_before(recipes.fast(validation=0.1, batch_size=30, epochs=9), shapes)
    assert "needs at least 100 validation images, and there are 18" in capsys.readouterr().err
    warn_before(recipes.fast(validation=0.5, batch_size=30, epochs=9), twice(shapes))
    assert not capsys.readouterr().err


def test_few_images_of_a_class_and_few_steps_are_reported(shapes: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    few = Dataset.from_arrays(shapes.train.images[:27], shapes.train.labels[:27], classes=("a", "b", "c"))
    warn_before(recipes.general(), few)
    printed = capsys.readouterr().err
    assert "classes with fewer than 10 training images: a 9, b 9, c 9; " in printed
    assert "steps" not in printed
    warn_before(recipes.general(epochs=15, scale_epochs=False), shapes)
    assert "note: the training has 30 steps" not in capsys.readouterr().err
    warn_before(recipes.general(epochs=15, scale_epochs=False), few)
    assert "note: the training has 15 steps, which may be too few" in capsys.readouterr().err


def test_few_correct_images_prove_nothing(
    shapes: Dataset, untrained: Fitted, capsys: pytest.CaptureFixture[str]
) -> None:
    data = Dataset.from_arrays(shapes.train.images, np.arange(180) % 2)
    warn_if_guessing(fitted_with(Score(0.1, 2, 2), untrained), data)
    expected = "note: 2 validation images, all correct, do not show whether the network has learned; use more images\n"
    assert capsys.readouterr().err == expected


def twice(data: Dataset) -> Dataset:
    """Return a dataset with each training image twice."""
    return Dataset.from_arrays(np.repeat(data.train.images, 2, 0), np.repeat(data.train.labels, 2))


def test_class_weights_are_reported(shapes: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    labels = (np.arange(180) % 10 == 0).astype(int)
    data = Dataset.from_arrays(shapes.train.images, labels, classes=("often", "seldom"))
    warn_of_class_weights("none", data)
    assert not capsys.readouterr().err
    warn_of_class_weights("balanced", data)
    expected = "note: weights of the classes in the loss: seldom 5 (18 images), often 0.556 (162 images)\n"
    assert capsys.readouterr().err == expected


def test_larger_batches_of_several_processes_are_reported(shapes: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = recipes.fast(batch_size=8, epochs=20, scaling="sqrt")
    warn_before(recipe, shapes, 4)
    assert "4 processes compute batches of 32; learning rates are multiplied by 2" in capsys.readouterr().err
    warn_before(recipe, shapes)
    warn_before(recipe.replace(scaling="none"), shapes, 4)
    assert not capsys.readouterr().err
