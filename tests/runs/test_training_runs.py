"""A training run leaves a complete run, and the run records how the training ended."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support.small import files_below

from penstroke import Classifier, runs
from penstroke.data import Dataset
from penstroke.errors import ModelError, StorageError, UsageError
from penstroke.recipes import Recipe
from penstroke.training import Callback, Progress, StopTraining
from penstroke.training.recorder import train_run

ShortRecipe = Callable[..., Recipe]


class StopAt(Callback):
    def __init__(self, step: int) -> None:
        self.left = step

    def on_step_end(self, progress: Progress) -> None:
        self.left -= 1
        if not self.left:
            raise StopTraining


def test_a_run_keeps_recipe_conditions_metrics_and_model(
    small: Dataset, short_recipe: ShortRecipe, tmp_path: Path
) -> None:
    recipe = short_recipe(epochs=2, batch_size=100)
    run, fitted = train_run(recipe, small, device="cpu", out=tmp_path / "mine")
    assert run.path == tmp_path / "mine"
    assert run.recipe() == recipe
    conditions = run.environment()
    assert {"python", "packages", "processor", "cores", "device", "threads", "commit"} <= conditions.keys()
    record = run.record
    assert record.state == "finished"
    assert run.finished
    assert run.is_training
    assert record.data
    assert record.data["source"] == small.card.name
    assert record.seconds
    assert [row["epoch"] for row in record.epochs] == [1, 2]
    steps, epochs = list(run.rows("step")), list(run.rows("epoch"))
    assert [(row["epoch"], row["step"]) for row in steps] == [(e, s) for e in (1, 2) for s in range(1, 21)]
    assert [row["loss"] for row in steps] == [loss for row in fitted.history.epochs for loss in row.step_losses]
    assert [row["test"] for row in epochs] == [row["test"] for row in record.epochs]
    description = Classifier.load(run.path).description
    assert description.test == epochs[-1]["test"]
    assert Recipe.from_json(description.trained["recipe"]) == recipe
    assert description.trained["finished"] is True


def test_a_stopped_run_is_unfinished_and_keeps_its_steps(
    small: Dataset, short_recipe: ShortRecipe, tmp_path: Path
) -> None:
    run, _ = train_run(short_recipe(batch_size=100), small, device="cpu", out=tmp_path / "a", callbacks=[StopAt(7)])
    assert run.record.state == "unfinished"
    assert len(list(run.rows("step"))) == 7
    assert Classifier.load(run.path).description.trained["finished"] is False


def test_a_failed_run_records_the_error(small: Dataset, short_recipe: ShortRecipe, tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        train_run(short_recipe(optimizer="sgd", lr=9000.0), small, device="cpu", out=tmp_path / "a")
    record = runs.open_run(tmp_path / "a").record
    assert record.state == "failed"
    assert record.error
    assert record.error["kind"] == "model"
    assert "step" in record.error["message"]
    with pytest.raises(ModelError, match="has no model"):
        Classifier.load(tmp_path / "a")


def test_an_existing_run_is_never_changed(small: Dataset, short_recipe: ShortRecipe, tmp_path: Path) -> None:
    first, _ = train_run(short_recipe(batch_size=500), small, device="cpu", out=tmp_path / "a")
    before = files_below(first.path)
    second, _ = train_run(short_recipe(batch_size=500, seed=1), small, device="cpu", out=tmp_path / "a")
    assert second.path == tmp_path / "a-2"
    assert files_below(first.path) == before


def test_metrics_cut_by_a_crash_are_read_up_to_the_cut(
    small: Dataset, short_recipe: ShortRecipe, tmp_path: Path
) -> None:
    run, _ = train_run(short_recipe(batch_size=500), small, device="cpu", out=tmp_path / "a")
    content = run.metrics.path.read_bytes()
    run.metrics.path.write_bytes(content[: content.index(b'"step": 3')])
    assert len(list(run.rows("step"))) == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_named(small: Dataset, short_recipe: ShortRecipe, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="Permission denied"):
        train_run(short_recipe(), small, device="cpu", out=tmp_path / "a")


def test_a_full_disk_leaves_no_partial_model(
    small: Dataset, short_recipe: ShortRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.replace

    def full(source: Path, target: Path) -> None:
        if Path(target).name == runs.MODEL:
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StorageError, match=r"model\.safetensors: No space left.*Free some space"):
        train_run(short_recipe(batch_size=500), small, device="cpu", out=tmp_path / "a")
    assert not [name for name in files_below(tmp_path) if "model" in name]


@pytest.mark.parametrize("content", ["", "{", "[]", "\x00"])
def test_a_damaged_run_without_a_model_is_an_error(content: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(ModelError, match="has no model"):
        Classifier.load(tmp_path)


def test_statistics_that_do_not_match_the_channels_create_no_run(
    small: Dataset, short_recipe: ShortRecipe, tmp_path: Path
) -> None:
    for name in ("mean", "std"):
        with pytest.raises(UsageError, match=f"{name} has 3 values; the images have 1 channel\\."):
            train_run(short_recipe(**{name: (0.1, 0.2, 0.3)}), small, device="cpu", out=tmp_path / "a")
    assert not list(tmp_path.iterdir())
