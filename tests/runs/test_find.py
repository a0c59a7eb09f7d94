"""The latest run with a model is found, newer runs without one are reported, and the one to resume is chosen."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from penstroke import recipes, runs
from penstroke.errors import ModelError, RunError
from penstroke.runs import Run

ERROR = {"kind": "model", "message": "The loss is infinite.", "remedy": "Lower the learning rate."}
Make = Callable[..., Run]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return a function that makes a run, with a file in place of a model."""

    def made(name: str, *, model: bool = False, recipe: bool = True, **values: Any) -> Run:
        run = runs.create(name, {}, tmp_path / "runs" / name, recipes.book() if recipe else None)
        run.update(**values)
        if model:
            run.model_path.write_bytes(b"model")
        return run

    return made


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def names(found: list[Run]) -> list[str]:
    return [run.path.name for run in found]


def damage(run: Run, year: int) -> None:
    """Make ``run.json`` invalid, last changed in ``year``."""
    path = run.path / "run.json"
    path.write_text("{")
    seconds = datetime(year, 1, 1, tzinfo=UTC).timestamp()
    os.utime(path, (seconds, seconds))


def test_runs_are_listed_in_the_order_of_their_creation(make: Make, home: Path) -> None:
    assert runs.list_runs(home) == []
    for name in ("zebra", "ape", "cat"):
        make(name)
    (home / "rubbish").mkdir()
    (home / "file").write_text("")
    damage(make("broken"), 2020)
    assert names(runs.list_runs(home)) == ["zebra", "ape", "cat"]
    assert runs.list_runs(home / "zebra" / "run.json") == []


def test_the_latest_run_with_a_model_is_found(make: Make, home: Path) -> None:
    make("zebra", model=True)
    make("ape", model=True)
    make("empty")
    damage(make("broken", model=True), 2099)
    assert runs.latest(home).path.name == "ape"


def test_the_latest_run_is_searched_in_the_current_folder(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make("a", model=True)
    make("b")
    monkeypatch.chdir(tmp_path)
    assert runs.latest().path == Path("runs/a")
    assert names([run for run, _ in runs.skipped()]) == ["b"]


def test_without_a_model_the_error_names_the_runs(make: Make, home: Path) -> None:
    with pytest.raises(RunError, match=r"runs/ has no run with a model\. Make one"):
        runs.latest(home)
    make("a", state="failed", error=ERROR)
    with pytest.raises(RunError, match=r"with a model\. .*runs/a: it failed: The loss is infinite\. Make one"):
        runs.latest(home)
    for name in "bcd":
        make(name)
    with pytest.raises(RunError, match=r"with a model\. .*runs/d: it has no model.* .*runs/c: .* .*runs/b: ") as caught:
        runs.latest(home)
    assert "runs/a" not in caught.value.message


def test_newer_runs_without_a_model_are_reported_with_the_reason(make: Make, home: Path) -> None:
    make("too-old", state="failed", error=ERROR)
    make("latest", model=True)
    make("failed", state="failed", error=ERROR)
    make("killed")
    make("deleted", state="finished")
    damage(make("damaged"), 2099)
    reasons = {run.path.name: why for run, why in runs.skipped(home)}
    assert list(reasons) == ["damaged", "deleted", "killed", "failed"], "newest first"
    assert reasons["failed"] == "it failed: The loss is infinite"
    assert "killed before a model was written" in reasons["killed"]
    assert reasons["deleted"] == "its model file is missing"
    assert reasons["damaged"].startswith("it is damaged: ")
    assert "line 1" in reasons["damaged"]


def test_older_runs_are_not_reported(make: Make, home: Path) -> None:
    make("killed")
    damage(make("damaged"), 2020)
    make("latest", model=True)
    assert runs.skipped(home) == []


def test_all_runs_are_reported_if_none_has_a_model(make: Make, home: Path) -> None:
    make("a")
    make("b")
    assert names([run for run, _ in runs.skipped(home)]) == ["b", "a"]
    assert runs.skipped(home / "missing") == []


def test_a_path_that_is_not_a_run_is_an_error(make: Make, home: Path, tmp_path: Path) -> None:
    run = make("a")
    assert runs.open_run(run.path) == run
    assert runs.is_run(run.path)
    with pytest.raises(RunError, match=r"The run folder .*missing does not exist\. Name a run folder"):
        runs.open_run(home / "missing")
    with pytest.raises(RunError, match=r"The run folder .* does not exist"):
        runs.open_run(Path("a" * 5000))
    with pytest.raises(RunError, match=r"is not a run folder: it has no run\.json"):
        runs.open_run(tmp_path)
    assert not runs.is_run(tmp_path)


def test_a_model_is_named_by_run_file_or_not_at_all(make: Make, home: Path) -> None:
    run = make("a", model=True)
    other = home / "weights"
    other.write_bytes(b"")
    assert runs.model_file(run.path) == run.model_path
    assert runs.model_file(str(run.path)) == run.model_path
    assert runs.model_file(other) == other
    assert runs.model_file("missing.safetensors") == Path("missing.safetensors")
    with pytest.raises(ModelError, match="has no model: it ended before one was written"):
        runs.model_file(make("b").path)
    with pytest.raises(RunError, match=r"The run folder .* does not exist"):
        runs.model_file(home / "missing")


def test_an_unfinished_run_is_resumed_before_a_later_finished_one(make: Make, home: Path) -> None:
    for name, state in (("a", "finished"), ("b", "running"), ("c", "finished")):
        make(name, state=state)
    make("imported", recipe=False, state="imported")
    assert runs.to_resume(home=home).path.name == "b"
    Run(home / "b").update(state="finished")
    assert runs.to_resume(home=home).path.name == "c"


def test_only_a_training_can_be_resumed(make: Make, home: Path) -> None:
    imported = make("imported", recipe=False, state="imported")
    with pytest.raises(RunError, match=r"has no run to resume\. Start one"):
        runs.to_resume(home=home)
    with pytest.raises(RunError, match="has no recipe: there is no training to resume"):
        runs.to_resume(imported.path)
    training = make("a")
    assert runs.to_resume(training.path) == training


def test_a_link_to_another_run_is_not_a_run_of_this_folder(make: Make, home: Path) -> None:
    make("good", model=True)
    (home / "link").mkdir()
    (home / "link" / "run.json").symlink_to("../good/run.json")
    (home / "cycle").symlink_to("cycle")
    (home / "pipe").mkdir()
    os.mkfifo(home / "pipe" / "run.json")
    assert names(runs.list_runs(home)) == ["good"]


def test_a_misspelt_run_gets_a_suggestion(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make("book")
    make("fast-2")
    monkeypatch.chdir(tmp_path)
    for word, suggestion in (("runs/bok", "runs/book"), ("book", "runs/book"), ("runs/fast-3", "runs/fast-2")):
        with pytest.raises(RunError) as caught:
            runs.open_run(Path(word))
        assert caught.value.remedy.startswith(f"Did you mean {suggestion}? Name a run folder")
    with pytest.raises(RunError) as caught:
        runs.open_run(Path("runs/zzzz"))
    assert caught.value.remedy.startswith("Name a run folder")


def test_a_killed_run_with_a_checkpoint_can_be_continued(make: Make) -> None:
    run = make("killed")
    with pytest.raises(ModelError, match=r"has no model.*Use another run\."):
        runs.model_file(run.path)
    (run.checkpoint_folder / "1-20").mkdir(parents=True)
    with pytest.raises(ModelError, match=rf"has no model.* Continue it with `penstroke train --resume {run.path}`\."):
        runs.model_file(run.path)
