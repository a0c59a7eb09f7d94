"""The training loop: step, epoch, fit."""

import dataclasses
import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.small import head

from penstroke import recipes
from penstroke.data import Dataset
from penstroke.errors import DataError, ModelError, UsageError
from penstroke.evaluation import evaluate
from penstroke.inference import Classifier
from penstroke.models.description import Description
from penstroke.networks import ConvNet
from penstroke.recipes import Recipe
from penstroke.training import Callback, EpochRow, Progress, StopTraining, World, fit, train_run
from penstroke.training.callbacks import CallbackGroup

RecipeFunction = Callable[..., Recipe]


@pytest.fixture
def weights(small: Dataset, short_recipe: RecipeFunction) -> Callable[..., dict[str, torch.Tensor]]:
    return lambda **changes: fit(short_recipe(**changes), small, device="cpu").model.state_dict()


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


def test_the_network_learns(sample: Dataset, short_recipe: RecipeFunction) -> None:
    fitted = fit(short_recipe(), sample, device="cpu")
    (row,) = fitted.history.epochs
    assert row.test is not None
    assert row.test.accuracy > 0.88
    first, last = row.step_losses[:10], row.step_losses[-10:]
    assert sum(last) < sum(first) / 3


def test_one_seed_gives_identical_weights_and_another_does_not(
    weights: Callable[..., dict[str, torch.Tensor]],
) -> None:
    first = weights()
    torch.randn(7)  # what ran before does not matter
    assert same(first, weights())
    assert not same(first, weights(seed=1))


class Draws(Callback):
    def on_step_end(self, progress: Progress) -> None:
        torch.randn(progress.step)


def test_random_numbers_drawn_by_a_callback_do_not_change_the_result(
    small: Dataset, short_recipe: RecipeFunction, weights: Callable[..., dict[str, torch.Tensor]]
) -> None:
    disturbed = fit(short_recipe(), small, device="cpu", callbacks=[Draws()])
    assert same(weights(), disturbed.model.state_dict())


def test_equal_training_runs_write_equal_files(small: Dataset, tmp_path: Path) -> None:
    recipe = recipes.fast(validation=0.1, batch_size=100)
    sums = set()
    for name in "ab":
        run, fitted = train_run(recipe, small, device="cpu", out=tmp_path / name)
        sums.add(hashlib.sha256(run.model_path.read_bytes()).hexdigest())
        fitted.save(tmp_path / "again.safetensors")
        sums.add(hashlib.sha256((tmp_path / "again.safetensors").read_bytes()).hexdigest())
    assert len(sums) == 1


class Watch(Callback):
    def __init__(self, stop_at: int = 10**9) -> None:
        self.steps: list[Progress] = []
        self.rows: list[EpochRow] = []
        self.stop_at = stop_at

    def on_step_end(self, progress: Progress) -> None:
        self.steps.append(progress)
        if len(self.steps) == self.stop_at:
            raise StopTraining

    def on_epoch_end(self, row: EpochRow) -> None:
        self.rows.append(row)


def test_callbacks_are_notified_of_every_step_and_epoch(small: Dataset) -> None:
    watch = Watch()
    history = fit(recipes.book(batch_size=64), small, device="cpu", callbacks=[watch]).history
    assert history.finished
    assert history.epochs == watch.rows
    assert [(p.epoch, p.step, p.images) for p in watch.steps[:2]] == [(1, 1, 64), (1, 2, 128)]
    assert [(p.epoch, p.step, p.images) for p in watch.steps[-1:]] == [(2, 32, 2000)]
    losses = [p.loss.item() for p in watch.steps if p.epoch == 2]
    assert losses == pytest.approx(watch.rows[1].step_losses)
    sizes = [64] * 31 + [16]
    mean = sum(loss * size for loss, size in zip(losses, sizes, strict=True)) / 2000
    assert watch.rows[1].train_loss == pytest.approx(mean)


def test_a_stopped_training_is_unfinished_and_has_a_model(small: Dataset) -> None:
    watch, other = Watch(stop_at=40), Watch()
    fitted = fit(recipes.book(batch_size=64), small, device="cpu", callbacks=[watch, other])
    assert not fitted.history.finished
    assert len(watch.steps) == 40
    assert len(other.steps) == 40, "all callbacks are notified of the last step"
    assert [row.epoch for row in fitted.history.epochs] == [1]
    assert not fitted.model.training
    assert repr(fitted).startswith("Fitted(convnet, 1 epoch, stopped, training loss ")


@pytest.mark.parametrize("method", ["on_train_start", "on_epoch_end"])
def test_a_training_can_be_stopped_between_steps(method: str, small: Dataset, short_recipe: RecipeFunction) -> None:
    class Stop(Callback):
        pass

    def stop(self: Callback, argument: object) -> None:
        raise StopTraining

    setattr(Stop, method, stop)
    fitted = fit(short_recipe(batch_size=500), small, device="cpu", callbacks=[Stop()])
    assert not fitted.history.finished
    assert len(fitted.history.epochs) == (method == "on_epoch_end")


@pytest.mark.parametrize(
    ("callbacks", "message", "remedy"),
    [
        (Watch(), r"callbacks is <.*Watch.*> \(Watch\); it must be a list", "callbacks=[callback]"),
        ([print], "callbacks contains <built-in function print>; each callback must be an instance", "Derive a class"),
        ([Watch], "callbacks contains <class", "pass an instance"),
    ],
)
def test_callbacks_of_another_type_are_rejected(small: Dataset, callbacks: Any, message: str, remedy: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        fit("fast", small, callbacks=callbacks)
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("mnist5k", r"data is 'mnist5k' \(str\); it must be a Dataset\."),
        ((1, 2), r"data is \(1, 2\) \(tuple\); it must be a Dataset\."),
    ],
)
def test_data_of_another_type_is_rejected(data: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        fit("fast", data)
    assert caught.value.remedy == (
        "Load one with penstroke.load(...), or make one with Dataset.from_folder, from_arrays or from_torch."
    )


def test_the_repr_of_a_row_leaves_out_the_losses_of_the_steps() -> None:
    row = EpochRow(epoch=1, step_losses=(0.5,) * 1000, train_loss=0.25, seconds=2.0)
    assert repr(row).startswith("EpochRow(epoch=1, train_loss=0.25, seconds=2.0, ")


def test_one_process_stops_all() -> None:
    class OtherStops(World):
        def any(self, flag: bool, *, later: bool = False) -> bool:
            return not later

    group = CallbackGroup([Watch()], OtherStops())
    for step in (1, 2):
        group.on_step_end(Progress(1, 1, step, 3, 10, 30, torch.tensor(0.0), 0.1))  # the next step tells
    with pytest.raises(StopTraining):
        group.on_step_end(Progress(1, 1, 3, 3, 30, 30, torch.tensor(0.0), 0.1))


def test_the_test_set_is_not_read_unless_the_recipe_tests_after_each_epoch(
    small: Dataset, short_recipe: RecipeFunction
) -> None:
    def opened() -> None:
        raise AssertionError("the test set was read")

    closed = Dataset(small.card, small.train, opened, requested="auto")  # type: ignore[arg-type]
    recipe = short_recipe(test_each_epoch=False, validation=0.1, batch_size=100)
    (row,) = fit(recipe, closed, device="cpu").history.epochs
    assert row.test is None
    assert row.validation is not None
    assert row.validation.total == pytest.approx(200, abs=10)
    with pytest.raises(AssertionError, match="was read"):
        fit(short_recipe(batch_size=500), closed, device="cpu")


def test_training_and_evaluation_of_a_calibrated_model_agree(small: Dataset) -> None:
    recipe = recipes.fast(validation=0.2, test_each_epoch=True, epochs=2, batch_size=50)
    fitted = fit(recipe, small, device="cpu")
    row = fitted.history.epochs[-1]
    temperature = fitted.model.state_dict()["calibration.temperature"]
    assert abs(temperature.item() - 1) > 0.01, "calibration changes the loss"
    classifier = fitted.classifier()
    assert evaluate(classifier.log_probs, small.test).score == row.test
    found = fitted.description.calibration
    assert found is not None
    assert row.validation is not None
    assert found.images == row.validation.total == 400


def test_calibration_is_saved_with_the_model(small: Dataset, tmp_path: Path) -> None:
    recipe = recipes.fast(validation=0.2, distortion=0.3, epochs=2)
    fitted = fit(recipe, small, device="cpu")
    found = fitted.description.calibration
    assert found
    assert found.images == 400
    assert 0 < found.rejected <= 3
    fitted.save(tmp_path / "model.safetensors")
    loaded = Classifier.load(tmp_path / "model.safetensors")
    assert loaded.description == fitted.description
    images = small.test.images[:200]
    assert np.array_equal(loaded.log_probs(images), fitted.classifier().log_probs(images))

    def with_threshold(threshold: float) -> Description:
        return dataclasses.replace(fitted.description, calibration=dataclasses.replace(found, threshold=threshold))

    strict = Classifier.from_module(fitted.model, with_threshold(1.0))
    assert all(prediction.abstained for prediction in strict.predict(images))
    lax = Classifier.from_module(fitted.model, with_threshold(0.0))
    assert not any(prediction.abstained for prediction in lax.predict(images))


def test_a_stopped_training_is_calibrated_too(small: Dataset) -> None:
    fitted = fit(recipes.fast(validation=0.2, batch_size=50), small, device="cpu", callbacks=[Watch(stop_at=5)])
    assert fitted.description.calibration is not None
    assert "calibration.temperature" in fitted.model.state_dict()
    assert not fitted.model.training


def test_the_validation_split_has_its_own_seed(small: Dataset, short_recipe: RecipeFunction) -> None:
    def validated(**seeds: int) -> list[str]:
        recipe = short_recipe(validation=0.2, batch_size=200, test_each_epoch=False, mean=None, std=None, **seeds)
        return [str(value) for value in fit(recipe, small, device="cpu").description.mean]

    assert validated() == validated(seed=1), "the training images are the same"
    assert validated() != validated(validation_seed=1)


def test_statistics_are_given_by_the_recipe_or_measured(small: Dataset, short_recipe: RecipeFunction) -> None:
    given = fit(short_recipe(batch_size=500), small, device="cpu").description
    measured = fit(short_recipe(batch_size=500, mean=None, std=None), small, device="cpu").description
    assert (given.mean, given.std) == ((0.1302,), (0.3069,))
    pixels = small.train.images / 255
    assert list(measured.mean) == pytest.approx([pixels.mean()], abs=1e-9)
    assert list(measured.std) == pytest.approx([pixels.std()], abs=1e-9)


def test_a_training_that_diverges_names_the_step(small: Dataset, short_recipe: RecipeFunction) -> None:
    with pytest.raises(ModelError, match=r"loss of step \d+ of epoch 1 is (nan|inf)") as caught:
        fit(short_recipe(optimizer="sgd", lr=9000.0), small, device="cpu")
    assert "--lr" in caught.value.remedy


def test_a_device_that_is_not_available_is_an_error(small: Dataset, short_recipe: RecipeFunction) -> None:
    with pytest.raises(UsageError, match="unknown"):
        fit(short_recipe(), small, device="gpu")
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="does not have"):
            fit(short_recipe(), small, device="cuda")


def colour(count: int = 60, *, test: bool = False) -> Dataset:
    """Return images of 12x16 pixels in three colours, each the label of its images."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 3
    images = rng.integers(0, 80, (count, 12, 16, 3)).astype(np.uint8)
    images[np.arange(count), :, :, labels] += 150
    names = np.array(["red", "green", "blue"])[labels]
    return Dataset.from_arrays(images, names, test=(images, names) if test else None)


def test_arrays_of_colour_images_are_trained_on(tmp_path: Path) -> None:
    recipe = recipes.fast(kernel_sizes=(3, 3), strides=(2, 1), batch_size=10, epochs=4)
    fitted = fit(recipe, colour(), device="cpu")
    assert len(fitted.description.mean) == 3
    assert len(set(fitted.description.mean)) == 3, "measured for each channel"
    fitted.save(tmp_path / "model.safetensors")
    classifier = Classifier.load(tmp_path / "model.safetensors")
    predictions = classifier.predict(colour().train.images)
    truth = [colour().train.classes[label] for label in colour().train.labels]
    assert sum(found.label == label for found, label in zip(predictions, truth, strict=True)) > 50


def test_a_recipe_can_be_named(small: Dataset) -> None:
    fitted = fit("fast", small, device="cpu")
    assert fitted.description.network == recipes.fast().network
    with pytest.raises(UsageError, match="fsat"):
        fit("fsat", small, device="cpu")


def test_options_that_do_not_apply_to_the_images_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="mean has 2 values"):
        train_run(recipes.book(mean=(0.1, 0.2)), colour(), device="cpu", out=tmp_path / "run")
    with pytest.raises(UsageError, match="max-pool"):
        train_run(recipes.book(kernel_sizes=(11, 2)), colour(), device="cpu", out=tmp_path / "run")
    assert not (tmp_path / "run").exists(), "an invalid call leaves no run"


def test_a_dataset_without_a_test_split_cannot_be_tested(short_recipe: RecipeFunction) -> None:
    with pytest.raises(DataError, match="dataset 'arrays' has none") as caught:
        fit(short_recipe(), colour(), device="cpu")
    assert "test_each_epoch" in caught.value.remedy


def test_training_leaves_process_wide_settings_unchanged(small: Dataset) -> None:
    code = """
import sys, torch
from penstroke import recipes
from penstroke.data import load
from penstroke.runtime.settings import settings
from penstroke.training import fit
before, threads = settings(), torch.get_num_threads()
tiny = torch.tensor(1e-38)
fitted = fit(recipes.fast(), load("mnist5k"), device="cpu")
assert settings() == before
assert torch.get_num_threads() == threads
assert (tiny / 10).item() != 0, "denormal numbers are kept"
slow = {"torch._dynamo", "torch._inductor", "scipy", "matplotlib", "sklearn", "requests"} & set(sys.modules)
assert not slow, slow
fit(recipes.fast(), load("mnist5k"), device="cpu", tune=True)
assert settings()["prepared"]
assert settings() != before
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_package_is_imported_without_torch() -> None:
    code = """
import sys
import penstroke.training
from penstroke.training import Callback, CheckpointInterval, EpochRow, Progress, StopTraining, World
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_convnets_are_trained_on_other_shapes() -> None:
    data = colour(test=True)
    recipe = recipes.book(network=ConvNet(channels=(4, 8), hidden=16), batch_size=10, mean=None, std=None, epochs=6)
    fitted = fit(recipe, data, device="cpu")
    row = fitted.history.epochs[-1]
    assert row.test
    assert row.test.accuracy > 0.9
    assert head(data.train, 10).images.shape[1:] == fitted.description.image_shape
