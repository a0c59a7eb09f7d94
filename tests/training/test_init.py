"""Training that starts from the weights of another model."""

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from campaigns.tiny import EVERY_4_STEPS, StopAfter, data, recipe
from torch import nn

from penstroke import Classifier, Dataset, recipes
from penstroke.errors import ModelError, RunError, UsageError
from penstroke.models import read_model, write_model
from penstroke.networks import ConvNet
from penstroke.training import Callback, Fitted, Progress, State, fit, resume_run, train_run
from penstroke.training.init import Init, open_source, plan

LETTERS = tuple("abcdefghij")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the model file of a short training on ten digits."""
    path = tmp_path_factory.mktemp("source") / "model.safetensors"
    fit(recipe(epochs=1), data(), device="cpu").save(path)
    return path


@pytest.fixture(scope="module")
def letters() -> Dataset:
    """Return the tiny dataset with other class names."""
    return Dataset.from_arrays(data().train.images, data().train.labels, classes=LETTERS)


class Weights(Callback):
    """Keeps a copy of the weights before the first step and after each step."""

    def __init__(self) -> None:
        self.steps: list[dict[str, torch.Tensor]] = []

    def on_train_start(self, state: State) -> None:
        self.state = state
        self.keep()

    def on_step_end(self, progress: Progress) -> None:
        self.keep()

    def keep(self) -> None:
        self.steps.append({name: value.clone() for name, value in self.state.network.state_dict().items()})


def untested(**changes: Any) -> recipes.Recipe:
    return recipe(test_each_epoch=False, **changes)


def test_all_layers_are_loaded_for_the_same_classes(source: Path) -> None:
    seen = Weights()
    fitted = fit(recipe(epochs=1), data(), init=source, device="cpu", callbacks=[seen])
    description, weights = read_model(source)
    for name, value in seen.steps[0].items():
        assert np.array_equal(value.numpy(), weights[name]), name
    assert fitted.description.mean == description.mean


def test_the_head_is_new_for_other_classes(source: Path, letters: Dataset) -> None:
    scratch, loaded = Weights(), Weights()
    fit(untested(epochs=1), letters, device="cpu", callbacks=[scratch])
    fit(untested(epochs=1), letters, init=source, device="cpu", callbacks=[loaded])
    _, weights = read_model(source)
    assert np.array_equal(loaded.steps[0]["cn1.weight"].numpy(), weights["cn1.weight"])
    assert np.array_equal(loaded.steps[0]["fc1.weight"].numpy(), weights["fc1.weight"])
    assert torch.equal(loaded.steps[0]["fc2.weight"], scratch.steps[0]["fc2.weight"])
    assert not np.array_equal(loaded.steps[0]["fc2.weight"].numpy(), weights["fc2.weight"])


def test_the_order_of_the_classes_counts(source: Path) -> None:
    order = tuple(reversed("0123456789"))
    reordered = Dataset.from_arrays(data().train.images, data().train.labels, classes=order)
    assert plan(open_source(source), recipe().network, reordered.train).new == ("fc2",)


def test_layers_of_other_shapes_are_new_and_the_statistics_are_then_measured(source: Path) -> None:
    colour = Dataset.from_arrays(np.repeat(data().train.images, 3, axis=1), data().train.labels)
    found = plan(open_source(source), recipe().network, colour.train)
    assert (found.loaded, found.new) == (("cn2", "fc1", "fc2"), ("cn1",))
    assert found.mean is None
    fitted = fit(recipe(epochs=1, mean=0.25, test_each_epoch=False), colour, init=source, device="cpu")
    assert fitted.description.mean == (0.25,) * 3


def test_the_statistics_of_the_model_are_kept_with_its_first_layer(source: Path, letters: Dataset) -> None:
    fitted = fit(untested(epochs=1, mean=0.25, std=0.5), letters, init=source, device="cpu")
    assert (fitted.description.mean, fitted.description.std) == ((0.1302,), (0.3069,))
    assert fitted.model.state_dict()["normalise.mean"].item() == pytest.approx(0.1302)


def test_the_network_of_the_model_is_used_with_the_name_of_a_recipe(source: Path) -> None:
    fitted = fit("fast", data(), init=source, device="cpu")
    assert fitted.description.network == recipe().network
    assert fit("fast", data(), init="ready", device="cpu").description.network == recipes.robust().network


@pytest.mark.parametrize(
    ("make", "message", "remedy"),
    [
        (lambda: (recipes.fast(), data(), {}), "is 'patchnet', and that of .* is 'convnet'", "Omit the options of"),
        (lambda: (recipe(network=ConvNet(channels=(5, 7), hidden=9)), data(), {}), "cn1.weight is .5, 1, 3, 3. here "
         "and .2, 1, 3, 3. there", "--channels"),
        (lambda: (recipe(), data(), {"freeze": 0.5}), "nothing would be trained", "Omit it"),
        (lambda: (recipe(), data(), {"freeze": 1.5}), "freeze is 1.5", "0.5"),
        (lambda: (recipe(), data(), {"init": None, "freeze": 0.5}), "starts from random weights", "--init"),
    ],
)  # fmt: skip
def test_what_does_not_apply_is_named(
    make: Callable[[], tuple[Any, Dataset, dict[str, Any]]], message: str, remedy: str, source: Path
) -> None:
    chosen, images, options = make()
    with pytest.raises(UsageError, match=message) as caught:
        fit(chosen, images, **({"init": source} | options))
    assert remedy in caught.value.remedy


def test_other_sizes_without_a_common_layer_are_named(source: Path) -> None:
    small = Dataset.from_arrays(np.zeros((20, 12, 12, 3), np.uint8), np.arange(20) % 3)
    with pytest.raises(UsageError, match=r"images of 3x12x12.*images of 1x28x28") as caught:
        fit(recipe(network=ConvNet(channels=(2, 5), hidden=8)), small, init=source)
    assert "--size 28x28" in caught.value.remedy


def test_sources_that_are_not_models_are_rejected(source: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="does not exist"):
        fit(recipe(), data(), init=tmp_path / "missing")
    with pytest.raises(ModelError, match="ONNX file"):
        fit(recipe(), data(), init=tmp_path / "model.onnx")
    (tmp_path / "a.safetensors").write_bytes(source.read_bytes()[:-1])
    with pytest.raises(ModelError, match="truncated"):
        fit(recipe(), data(), init=tmp_path / "a.safetensors")


def test_a_classifier_in_memory_and_the_bundled_model_are_sources() -> None:
    fitted = fit(recipe(epochs=1), data(), device="cpu")
    again = open_source(fitted.classifier())
    assert (again.name, again.title) == ("", "the given model")
    assert open_source(Classifier.load("ready")).sha256 == open_source("ready").sha256
    assert open_source("ready").name == "ready"
    assert open_source("ready").sha256 != again.sha256


def test_an_own_module_starts_from_another_one() -> None:
    def module(classes: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, classes))

    first = fit(recipe(epochs=1), data(), network=module(10), device="cpu").classifier()
    found = plan(open_source(first), module(10), data().train)
    assert (found.loaded, found.new) == (("network.1", "network.2", "network.4"), ())
    three = Dataset.from_arrays(data().train.images, data().train.labels % 3)
    found = plan(open_source(first), module(3), three.train)
    assert found.new == ("network.4",)
    seen = Weights()
    fit(untested(epochs=1), three, network=module(3), init=first, freeze=1.0, device="cpu", callbacks=[seen])
    assert torch.equal(seen.steps[-1]["network.2.running_mean"], seen.steps[0]["network.2.running_mean"])
    assert seen.steps[0]["network.2.running_mean"].any()


OPTIMIZERS: list[dict[str, Any]] = [
    {"optimizer": "adadelta"},
    {"optimizer": "adam", "lr": 0.002},
    {"optimizer": "adamw", "lr": 0.002, "weight_decay": 0.1},
    {"optimizer": "muon", "lr": 0.05, "momentum": 0.5},
    {"optimizer": "rmsprop", "lr": 0.002, "momentum": 0.5},
    {"optimizer": "sgd", "lr": 0.05, "momentum": 0.5, "weight_decay": 0.01},
]


@pytest.mark.parametrize("changes", OPTIMIZERS, ids=lambda changes: changes["optimizer"])
def test_loaded_layers_are_frozen_until_their_time(changes: dict[str, Any], source: Path, letters: Dataset) -> None:
    seen = Weights()
    fit(untested(**changes), letters, init=source, freeze=0.5, device="cpu", callbacks=[seen])  # two epochs of nine
    start, *steps = seen.steps
    assert len(steps) == 18
    for number, weights in enumerate(steps):
        for name in ("cn1.weight", "cn2.bias", "fc1.weight"):
            assert torch.equal(weights[name], start[name]) == (number < 9), (number, name)
    assert not torch.equal(steps[0]["fc2.weight"], start["fc2.weight"])


@pytest.mark.parametrize("changes", OPTIMIZERS, ids=lambda changes: changes["optimizer"])
def test_separate_optimizers_compute_what_one_computes(
    changes: dict[str, Any], source: Path, letters: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fraction of the training below half a step freezes nothing, but divides the weights between optimizers."""
    whole, divided = Weights(), Weights()
    fit(untested(**changes), letters, init=source, device="cpu", callbacks=[whole])
    fit(untested(**changes), letters, init=source, freeze=0.01, device="cpu", callbacks=[divided])
    assert len(divided.state.optimizers) == 2 * len(whole.state.optimizers)
    for name, value in whole.steps[-1].items():
        assert torch.allclose(value, divided.steps[-1][name], atol=1e-6), name


def trained(path: Path, images: Dataset, init: Init, *callbacks: Callback, **changes: Any) -> tuple[Any, Fitted]:
    return train_run(
        untested(**changes), images, device="cpu", out=path, callbacks=callbacks, interval=EVERY_4_STEPS, init=init
    )


@pytest.mark.parametrize("changes", [*OPTIMIZERS, {"keep": "average"}, {"validation": 0.2}], ids=str)
def test_a_resumed_run_equals_an_uninterrupted_one_without_the_source(
    changes: dict[str, Any], source: Path, letters: Dataset, tmp_path: Path
) -> None:
    copy = tmp_path / "source.safetensors"
    copy.write_bytes(source.read_bytes())
    init = plan(open_source(copy), recipe().network, letters.train, freeze=0.4)
    whole, _ = trained(tmp_path / "whole", letters, init, **changes)
    run, _ = trained(tmp_path / "parts", letters, init, StopAfter(3), **changes)
    copy.unlink()
    for steps in (3, 6):  # the first of them within the frozen part
        resume_run(run, letters, device="cpu", callbacks=[StopAfter(steps)], interval=EVERY_4_STEPS)
        assert run.record.state == "unfinished"
    fitted = resume_run(run, letters, device="cpu")
    assert run.model_path.read_bytes() == whole.model_path.read_bytes()
    assert fitted.description.mean == (0.1302,)


def test_a_run_without_a_checkpoint_needs_the_same_source(source: Path, letters: Dataset, tmp_path: Path) -> None:
    copy = tmp_path / "source.safetensors"
    copy.write_bytes(source.read_bytes())
    init = plan(open_source(copy), recipe().network, letters.train, freeze=0.4)
    whole, _ = trained(tmp_path / "whole", letters, init)
    run, _ = trained(tmp_path / "parts", letters, init, StopAfter(3))
    for folder in run.checkpoints():
        folder.rename(tmp_path / folder.name)
    description, weights = read_model(copy)
    copy.unlink()
    with pytest.raises(RunError, match="cannot be read") as caught:
        resume_run(run, letters, device="cpu")
    assert "Restore the model" in caught.value.remedy
    changed = weights | {"fc1.bias": weights["fc1.bias"] + 1}
    write_model(copy, changed, description)
    with pytest.raises(RunError, match=f"The weights of {re.escape(str(copy))} have changed"):
        resume_run(run, letters, device="cpu")
    write_model(copy, weights, dataclasses.replace(description, test=None))
    resume_run(run, letters, device="cpu")
    assert run.model_path.read_bytes() == whole.model_path.read_bytes()


def test_what_was_loaded_is_recorded(source: Path, letters: Dataset, tmp_path: Path) -> None:
    init = plan(open_source(source), recipe().network, letters.train, freeze=0.25)
    run, fitted = trained(tmp_path / "run", letters, init, epochs=1)
    record = run.record.init
    assert record
    assert record["source"] == str(source.resolve())
    assert (record["loaded"], record["new"], record["freeze"]) == (["cn1", "cn2", "fc1"], ["fc2"], 0.25)
    assert record["mean"] == [0.1302]
    assert fitted.description.trained["init"] == record
    assert Init.from_json(record) == init
    assert str(init) == (
        f"the training starts from {source.resolve()}: layers loaded: cn1, cn2, fc1; new: fc2; mean and standard "
        "deviation of the pixels are those of the model; the loaded layers are frozen for 25 % of the training"
    )


def test_starting_from_a_model_of_digits_is_better_than_from_random_weights() -> None:
    images = data()
    recipe = recipes.robust(lr=0.002, head_lr=0.0005, epochs=1, distortion=0.0, outliers=0.0)
    right = []
    for init in (None, "ready"):
        log_probs = fit(recipe, images, init=init, device="cpu").classifier().log_probs(images.test.images)
        right.append((log_probs.argmax(1) == images.test.labels).mean())
    assert right[1] > 0.95 > right[0]


def test_frozen_modules_of_the_caller_stay_frozen(letters: Dataset) -> None:
    module = recipe().network.build((1, 28, 28), 10)
    own_frozen = module.get_parameter("cn1.weight").requires_grad_(False)
    own = fit(untested(epochs=1), data(), network=module, device="cpu").classifier()
    before = own_frozen.clone()
    fit(untested(epochs=1), letters, network=module, init=own, freeze=0.5, device="cpu")
    assert not own_frozen.requires_grad
    assert module.get_parameter("cn2.weight").requires_grad
    assert torch.equal(own_frozen, before)
