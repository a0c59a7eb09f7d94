"""A run folder is complete, is never overwritten, and is trained by one process at a time."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from campaigns.plans import Count, Fail
from support.small import files_below

from penstroke import recipes, runs
from penstroke.errors import ModelError, RunError, StorageError
from penstroke.runs import Run
from penstroke.storage import disk


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a new run without a model."""
    return runs.create("a", {"threads": 2}, tmp_path / "a", recipes.book(), data={"source": "mnist5k"})


def test_a_new_run_is_running_and_complete(tmp_path: Path) -> None:
    run = runs.create("a", {"threads": 2}, tmp_path / "a", recipes.fast(), checkpoint_every="30s")
    assert files_below(run.path).keys() == {"environment.json", "recipe.json", "run.json"}
    assert run.record.state == "running"
    assert run.record.checkpoint_every == "30s"
    assert run.environment() == {"threads": 2}
    assert run.recipe() == recipes.fast()
    assert run.is_training
    assert not run.finished


def test_a_run_without_a_recipe_is_not_a_training(tmp_path: Path) -> None:
    run = runs.create("weights", {}, tmp_path / "a", imported={"kind": "textbook"})
    assert not run.is_training
    assert run.record.imported == {"kind": "textbook"}
    with pytest.raises(RunError, match=r"recipe\.json cannot be read"):
        run.recipe()


def test_runs_are_created_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [runs.create("book", {}).path for _ in range(2)] == [Path("runs/book"), Path("runs/book-2")]


def test_an_error_while_a_run_is_created_leaves_no_files(tmp_path: Path) -> None:
    count = Count()
    with disk.watched(count):
        runs.create("a", {}, tmp_path / "a", recipes.book())
    for at in range(3, len(count.kinds)):  # the first two make the folder, and the last one comes after run.json
        with disk.watched(Fail(at, 28)), pytest.raises(StorageError):
            runs.create("b", {}, tmp_path / "b", recipes.book())
        assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_an_update_changes_only_what_is_given(run: Run) -> None:
    created = run.record.created
    run.update(state="failed", error={"kind": "model", "message": "m", "remedy": "r"})
    run.update(state="running", error=None)
    record = run.record
    assert (record.state, record.error, record.created) == ("running", None, created)
    assert record.data == {"source": "mnist5k"}
    assert "error" not in json.loads((run.path / "run.json").read_text())


@pytest.mark.parametrize("values", [{"state": "dancing"}, {"epochs": 3}, {"no_such_field": 1}])
def test_an_invalid_update_writes_nothing(values: dict[str, object], run: Run) -> None:
    before = files_below(run.path)
    with pytest.raises((ValueError, TypeError)):
        run.update(**values)
    assert files_below(run.path) == before


@pytest.mark.parametrize("content", ["", "{", "[]", "[" * 100_000, "\x00", '{"epochs": 1e999}', '{"epochs": 3}'])
def test_a_damaged_run_is_an_error(content: str, run: Run) -> None:
    for name in ("run.json", "recipe.json", "environment.json"):
        (run.path / name).write_text(content)
    with pytest.raises(RunError, match=r"run\.json"):
        _ = run.record
    with pytest.raises(RunError, match=r"recipe\.json"):
        run.recipe()
    if content != '{"epochs": 3}':
        with pytest.raises(RunError, match=r"environment\.json"):
            run.environment()
    with pytest.raises(ModelError, match="has no model"):
        runs.model_file(run.path)


def test_rows_of_one_kind_are_read(run: Run) -> None:
    assert list(run.rows("step")) == []
    rows: list[dict[str, Any]] = [
        {"kind": "step", "loss": 1.0},
        {"kind": "epoch", "epoch": 1},
        {"kind": "step", "loss": 0.5},
        {"loss": 2.0},
    ]
    run.metrics.append(*rows)
    assert [row["loss"] for row in run.rows("step")] == [1.0, 0.5]
    assert list(run.rows("epoch")) == [{"kind": "epoch", "epoch": 1}]


def test_checkpoints_are_listed_newest_first(run: Run) -> None:
    assert run.checkpoints() == []
    names = ["0001-000002", "0010-000001", "0002-000010", "0002-000009"]
    for name in [*names, "0001-000002.rejected", ".0003-000001.99.partial", "notes", "1-2-3"]:
        (run.checkpoint_folder / name).mkdir(parents=True)
    assert [path.name for path in run.checkpoints()] == ["0010-000001", "0002-000010", "0002-000009", "0001-000002"]


def leftovers(run: Run) -> set[str]:
    """Put a checkpoint, a rejected one and partly written files into the run, and return the names of the latter."""
    for name in ("0001-000002", "0001-000001.rejected", ".0003-000001.99.partial"):
        (run.checkpoint_folder / name).mkdir(parents=True)
        (run.checkpoint_folder / name / "state.json").write_text("{}")
    (run.path / ".run.json.99.partial").write_text("")
    return {"checkpoints/.0003-000001.99.partial/state.json", ".run.json.99.partial"}


def test_leftovers_are_removed_and_checkpoints_of_an_unfinished_run_kept(run: Run) -> None:
    before = files_below(run.path).keys()
    partial = leftovers(run)
    run.remove_leftovers()
    assert files_below(run.path).keys() == before | {
        "checkpoints/0001-000002/state.json",
        "checkpoints/0001-000001.rejected/state.json",
    }
    assert partial


def test_checkpoints_of_a_finished_run_are_removed_and_rejected_ones_kept(run: Run) -> None:
    before = files_below(run.path).keys()
    leftovers(run)
    run.update(state="finished")
    run.remove_leftovers()
    assert files_below(run.path).keys() == before | {"checkpoints/0001-000001.rejected/state.json"}


def test_an_empty_folder_of_checkpoints_is_removed_when_finished(run: Run) -> None:
    run.checkpoint_folder.mkdir()
    run.remove_leftovers()
    assert run.checkpoint_folder.is_dir()
    run.update(state="finished")
    run.remove_leftovers()
    assert not run.checkpoint_folder.exists()


LOCK = """
import sys
from pathlib import Path
from penstroke.errors import RunError
from penstroke.runs import Run
try:
    with Run(Path(sys.argv[1])).locked_for_training():
        print("locked")
except RunError as error:
    print(error)
"""


def test_two_processes_cannot_train_one_run(run: Run) -> None:
    def other() -> str:
        done = subprocess.run([sys.executable, "-c", LOCK, run.path], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    with run.locked_for_training():
        assert other() == f"The run {run.path} is being trained by another process. Wait until it ends, or stop it."
    assert other() == "locked"


def test_the_lock_is_released_after_an_error(run: Run) -> None:
    with pytest.raises(ZeroDivisionError), run.locked_for_training():
        _ = 1 // 0
    with run.locked_for_training():
        pass


def test_the_folder_of_pictures_is_created_when_it_is_used(run: Run) -> None:
    assert not (run.path / "pictures").exists()
    assert run.pictures == run.path / "pictures"
    assert run.pictures.is_dir()


@pytest.mark.parametrize("package", ["runs", "storage", "runtime", "errors"])
def test_importing_loads_neither_torch_nor_numpy(package: str) -> None:
    code = f"import sys, penstroke.{package}; print({{'torch', 'numpy'}} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
