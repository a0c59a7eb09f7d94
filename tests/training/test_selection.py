"""The weights that are kept, early stopping, and that both depend on validation images alone."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from campaigns.tiny import StopAfter, data, leftovers, outcome, recipe, train_or_resume

from penstroke import recipes
from penstroke.data import Dataset, Split
from penstroke.errors import ModelError, UsageError
from penstroke.inference import Classifier
from penstroke.recipes import Recipe
from penstroke.training import Callback, EpochRow, Progress, State, StopTraining, fit, train_run
from penstroke.training.selection import DECAY
from penstroke.training.snapshot import capture, restore


def unstable(**changes: Any) -> Recipe:
    """Return a recipe whose validation loss rises and falls."""
    return recipe(**{"validation": 0.2, "epochs": 4, "lr": 20.0, "test_each_epoch": False, "batch_size": 16, **changes})


class Weights(Callback):
    """Copies the weights after each step and epoch."""

    def __init__(self) -> None:
        self.steps: list[dict[str, torch.Tensor]] = []
        self.epochs: list[dict[str, torch.Tensor]] = []

    def on_train_start(self, state: State) -> None:
        self.state = state

    def _copy(self) -> dict[str, torch.Tensor]:
        return {name: value.clone() for name, value in self.state.network.state_dict().items()}

    def on_step_end(self, progress: Progress) -> None:
        self.steps.append(self._copy())

    def on_epoch_end(self, row: EpochRow) -> None:
        self.epochs.append(self._copy())


def same(kept: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(kept[name], value) for name, value in expected.items())


def test_best_keeps_the_weights_of_the_lowest_validation_loss() -> None:
    seen = Weights()
    fitted = fit(unstable(keep="best"), data(), device="cpu", callbacks=[seen])
    longer = fit(unstable(epochs=5), data(), device="cpu").history
    losses = [row.validation.loss for row in longer.epochs if row.validation and not row.calibrated]
    rows = fitted.history.epochs
    assert [row.epoch for row in rows] == [1, 2, 3, 4]
    kept = fitted.history.kept
    assert kept == 1 + int(np.argmin(losses)) < 4, "the seed must be one where the last epoch is not the best"
    assert same(fitted.model.state_dict(), seen.epochs[kept - 1])
    assert not same(fitted.model.state_dict(), seen.epochs[-1])
    assert [row.calibrated for row in rows] == [row.epoch == kept for row in rows]
    assert fitted.history.kept_row == rows[kept - 1]


def test_the_results_of_the_kept_epoch_are_those_of_the_model(tmp_path: Path) -> None:
    run, fitted = train_run(unstable(keep="best", test_each_epoch=True), data(), device="cpu", out=tmp_path / "run")
    kept = fitted.history.kept
    assert kept
    assert run.record.kept_epoch == kept
    classifier = Classifier.load(run.path)
    assert classifier.description.trained["kept_epoch"] == kept
    log_probs = classifier.log_probs(data().test.images)
    loss = -log_probs[np.arange(50), data().test.labels].mean()
    assert run.record.epochs[kept - 1]["test"]["loss"] == pytest.approx(loss, rel=1e-5)
    assert classifier.description.test == run.record.epochs[kept - 1]["test"]


def test_average_keeps_a_moving_average_of_the_weights_after_each_step() -> None:
    seen = Weights()
    fitted = fit(recipe(keep="average"), data(), device="cpu", callbacks=[seen])
    expected = {name: value.double() for name, value in seen.steps[0].items()}
    for step, weights in enumerate(seen.steps[1:], 2):
        decay = min(DECAY, (1 + step) / (10 + step))
        for name, value in weights.items():
            expected[name] = decay * expected[name] + (1 - decay) * value.double()
    kept = fitted.model.state_dict()
    for name, value in expected.items():
        torch.testing.assert_close(kept[name].double(), value, rtol=1e-5, atol=1e-6)
    assert not same(kept, seen.epochs[-1])
    assert same(seen.epochs[-1], fit(recipe(), data(), device="cpu").model.state_dict()), "training is unchanged"


def test_patience_ends_the_training_and_the_run_is_finished(tmp_path: Path) -> None:
    whole = fit(unstable(epochs=8), data(), device="cpu").history
    losses = [row.validation.loss for row in whole.epochs[:-1] if row.validation]
    last = next(n for n in range(2, 8) if n - (1 + int(np.argmin(losses[:n]))) >= 2)
    run, fitted = train_run(unstable(epochs=8, patience=2), data(), device="cpu", out=tmp_path / "run")
    rows = fitted.history.epochs
    assert len(rows) == last < 8, "the seed must be one where the loss stops falling"
    assert fitted.history.finished
    assert run.finished
    assert fitted.history.kept == last, "patience alone keeps the last weights"
    assert rows[-1].calibrated
    _, best = train_run(unstable(epochs=8, patience=2, keep="best"), data(), device="cpu", out=tmp_path / "best")
    assert best.history.kept == last - 2


VARIANTS: list[dict[str, Any]] = [
    {"keep": "best"},
    {"keep": "best", "patience": 2},
    {"keep": "average", "validation": 0.0, "epochs": 2},
    {"keep": "average", "patience": 1, "optimizer": "sgd", "lr": 0.5},
    {"patience": 1},
]


@pytest.mark.parametrize("changes", VARIANTS, ids=lambda changes: "-".join(map(str, changes.values())))
def test_an_interrupted_training_keeps_what_an_uninterrupted_one_keeps(changes: dict[str, Any], tmp_path: Path) -> None:
    what = unstable(**changes)
    whole = train_or_resume(tmp_path / "whole", what)
    expected = outcome(whole)
    for steps in (1, 3, 5):  # within an epoch, and across two
        train_or_resume(tmp_path / "parts", what, (StopAfter(steps),))
    run = train_or_resume(tmp_path / "parts", what)
    assert outcome(run) == expected
    assert run.record.kept_epoch == whole.record.kept_epoch
    assert run.model_path.read_bytes() == whole.model_path.read_bytes()
    assert not leftovers(tmp_path)


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_a_training_stopped_at_the_end_of_an_epoch_continues(epoch: int, tmp_path: Path) -> None:
    class StopAtEpoch(Callback):
        def on_epoch_end(self, row: EpochRow) -> None:
            if row.epoch == epoch:
                raise StopTraining

    what = unstable(keep="best", patience=2)
    expected = outcome(train_or_resume(tmp_path / "whole", what))
    train_or_resume(tmp_path / "parts", what, (StopAtEpoch(),))
    assert outcome(train_or_resume(tmp_path / "parts", what)) == expected


def test_kept_weights_of_another_network_are_rejected() -> None:
    seen = Weights()
    fit(recipe(keep="average"), data(), device="cpu", callbacks=[seen])
    snapshot = capture(seen.state)
    wrong = dataclasses.replace(snapshot, tensors=snapshot.tensors | {"kept.cn1.bias": torch.zeros(9)})
    with pytest.raises(ModelError, match="kept weights of the checkpoint do not match"):
        restore(seen.state, wrong)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"keep": "best"}, "keep is 'best' but there are no validation images"),
        ({"patience": 3}, "patience is 3 but there are no validation images"),
        ({"keep": "best", "patience": 3}, "keep is 'best' and patience is 3 but there are no validation images"),
        ({"keep": "first"}, "keep is 'first' but must be one of last, best, average"),
        ({"patience": -1}, "patience is -1 but must be a whole number, at least 0"),
    ],
)
def test_selection_without_validation_is_rejected(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        recipes.book(**changes)


def test_the_built_in_recipes_select_nothing_by_validation_images() -> None:
    for name in recipes.RECIPES:
        averaged = name in ("robust", "distilled", "best")
        assert recipes.get(name).selection == recipes.Selection(keep="average" if averaged else "last")
    assert recipes.book().validation is None


def test_a_recipe_without_selection_is_read() -> None:
    values = recipes.fast().to_json()
    del values["keep"], values["patience"]
    assert Recipe.from_json(values) == recipes.fast()


def sealed() -> Dataset:
    """Return a dataset whose test split cannot be read."""

    def read() -> Split:
        raise AssertionError("the test split was read")

    return Dataset(data().card, data().train, read, requested="mnist5k")


@pytest.mark.parametrize(
    "changes",
    [{}, {"keep": "best", "patience": 1}, {"keep": "average"}, {"keep": "average", "validation": 0.0}],
    ids=lambda changes: "-".join(map(str, changes.values())) or "last",
)
def test_no_training_reads_the_test_split(changes: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="was read"):
        fit(unstable(test_each_epoch=True), sealed(), device="cpu")
    run, fitted = train_run(unstable(**changes), sealed(), device="cpu", out=tmp_path / "run")
    assert fitted.history.finished
    assert run.finished


def test_the_test_split_does_not_change_what_is_kept() -> None:
    test = data().test
    noise = np.random.default_rng(0).integers(0, 256, test.images.shape, dtype=np.uint8)
    other = Dataset(data().card, data().train, lambda: dataclasses.replace(test, images=noise), requested="mnist5k")
    what = unstable(keep="best", patience=2, test_each_epoch=True)
    first, second = (fit(what, each, device="cpu") for each in (data(), other))
    assert first.history.kept == second.history.kept
    assert same(first.model.state_dict(), second.model.state_dict())
