"""A run folder keeps everything, is never overwritten, and is honest about how it ended."""

import json
import os
from pathlib import Path

import pytest
from trained import files_below, short, small

from penstroke import Classifier, runs
from penstroke.errors import ModelError, RunError, StorageError
from penstroke.recipes import Recipe
from penstroke.training import Progress, Sink, StopTraining
from penstroke.training.recorder import train_run


class StopAt(Sink):
    def __init__(self, step: int) -> None:
        self.left = step

    def stepped(self, progress: Progress) -> None:
        self.left -= 1
        if not self.left:
            raise StopTraining


def test_a_run_keeps_recipe_conditions_metrics_and_model(tmp_path: Path) -> None:
    recipe = short(epochs=2, batch_size=100)
    run, fitted = train_run(recipe, small(), "cpu", tmp_path / "mine")
    assert run.path == tmp_path / "mine"
    assert run.recipe() == recipe
    conditions = json.loads((run.path / "environment.json").read_text())
    assert {"python", "packages", "processor", "cores", "device", "threads", "commit"} <= conditions.keys()
    found = run.read()
    assert found["state"] == "finished"
    assert [row["epoch"] for row in found["epochs"]] == [1, 2]
    steps, epochs = list(run.rows("step")), list(run.rows("epoch"))
    assert [(row["epoch"], row["step"]) for row in steps] == [(e, s) for e in (1, 2) for s in range(1, 21)]
    assert [row["loss"] for row in steps] == [loss for row in fitted.history.epochs for loss in row.step_losses]
    assert [row["test"] for row in epochs] == [row["test"] for row in found["epochs"]]
    described = Classifier.load(run.path).description
    assert described.test == epochs[-1]["test"]
    assert Recipe.from_json(described.trained["recipe"]) == recipe
    assert described.trained["finished"] is True


def test_a_stopped_run_says_it_is_unfinished_and_keeps_its_steps(tmp_path: Path) -> None:
    run, _ = train_run(short(batch_size=100), small(), "cpu", tmp_path / "a", [StopAt(7)])
    assert run.read()["state"] == "unfinished"
    assert len(list(run.rows("step"))) == 7
    assert Classifier.load(run.path).description.trained["finished"] is False


def test_a_failed_run_says_why(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        train_run(short(optimizer="sgd", lr=9000.0), small(), "cpu", tmp_path / "a")
    found = runs.open_run(tmp_path / "a").read()
    assert found["state"] == "failed"
    assert "went wrong" in found["error"]["message"]
    with pytest.raises(ModelError, match="has no model"):
        Classifier.load(tmp_path / "a")


def test_an_existing_run_is_never_touched(tmp_path: Path) -> None:
    first, _ = train_run(short(batch_size=500), small(), "cpu", tmp_path / "a")
    before = files_below(first.path)
    second, _ = train_run(short(batch_size=500, seed=1), small(), "cpu", tmp_path / "a")
    assert second.path == tmp_path / "a-2"
    assert files_below(first.path) == before


def test_the_latest_run_with_a_model_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match="There is no run with a model"):
        runs.latest()
    for name in ("zebra", "ape"):
        train_run(short(batch_size=500), small(), "cpu", Path("runs") / name)
    runs.create("empty", {})
    (tmp_path / "runs" / "rubbish").mkdir()
    (tmp_path / "runs" / "broken").mkdir()
    (tmp_path / "runs" / "broken" / "run.json").write_text("{")
    assert runs.latest().path == Path("runs/ape")
    assert [run.path.name for run in runs.list_runs()] == ["zebra", "ape", "empty"]


@pytest.mark.parametrize("content", ["", "{", "[]", "[" * 100_000, "\x00", '{"epochs": 1e999}'])
def test_a_half_written_run_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(content)
    (tmp_path / "recipe.json").write_text(content)
    run = runs.open_run(tmp_path)
    with pytest.raises((RunError, ValueError)):
        run.recipe()
    with pytest.raises(ModelError, match="has no model"):
        Classifier.load(tmp_path)


def test_metrics_cut_by_a_crash_are_read_as_far_as_they_go(tmp_path: Path) -> None:
    run, _ = train_run(short(batch_size=500), small(), "cpu", tmp_path / "a")
    content = run.metrics.path.read_bytes()
    run.metrics.path.write_bytes(content[: content.index(b'"step": 3')])
    assert len(list(run.rows("step"))) == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="Permission denied"):
        train_run(short(), small(), "cpu", tmp_path / "a")


def test_no_room_on_the_disk_leaves_no_half_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.replace

    def full(source: Path, target: Path) -> None:
        if Path(target).name == runs.MODEL:
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StorageError, match=r"model\.safetensors: No space left.*Free some room"):
        train_run(short(batch_size=500), small(), "cpu", tmp_path / "a")
    assert not [name for name in files_below(tmp_path) if "model" in name]
