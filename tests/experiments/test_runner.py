"""Sweeps resume after kills and signals, and give the table of an uninterrupted one."""

import csv
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstroke import recipes, runs
from penstroke.errors import DataError, RunError, UsageError
from penstroke.experiments import build_plan, open_experiments, parse_variation, runner
from penstroke.experiments.worker import remove_beginning
from penstroke.experiments.workers import Conditions
from penstroke.runs import Run


def results(folder: Path) -> list[dict[str, str]]:
    """Return the rows of ``table.csv`` and ``runs.csv`` without the measured times and the folder."""
    rows = []
    for name in ("table.csv", "runs.csv"):
        with open(folder / name, newline="") as file:
            for row in csv.DictReader(file):
                rows.append({key: value for key, value in row.items() if key not in ("seconds", "run")})
    return rows


@pytest.mark.parametrize(
    ("settings", "seeds", "kills"), [(2, 2, 1), pytest.param(10, 2, 5, marks=pytest.mark.campaign)]
)
def test_a_killed_sweep_gives_the_same_table(
    settings: int, seeds: int, kills: int, sweep: Callable[..., Any], tmp_path: Path
) -> None:
    whole = sweep("whole", settings, seeds).finish()
    assert whole.returncode == 0, whole.stderr
    killed = sweep("killed", settings, seeds)
    for number in range(kills):
        code, _ = killed.stop_after(1 if number else 2, signal.SIGKILL)
        assert code == -signal.SIGKILL
    before = {path.parent: path.stat().st_mtime_ns for path in (tmp_path / "killed").glob("*/model.safetensors")}
    finished = {folder for folder in before if Run(folder).finished}
    assert 0 < len(finished) < settings * seeds
    done = killed.finish()
    assert done.returncode == 0, done.stderr
    assert f"{len(finished)} of {settings * seeds} trainings in {tmp_path / 'killed'} are done" in done.stderr
    assert results(tmp_path / "killed") == results(tmp_path / "whole")
    assert all((folder / "model.safetensors").stat().st_mtime_ns == before[folder] for folder in finished)
    for folder in (tmp_path / "whole").glob("*_seed-*"):
        model = (folder / runs.MODEL).read_bytes()
        assert model == (tmp_path / "killed" / folder.name / runs.MODEL).read_bytes(), "bit for bit"


@pytest.mark.parametrize("finished", [0, 3])
def test_the_number_of_threads_does_not_depend_on_the_trainings_that_are_left(
    finished: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another number of threads gives other bits."""
    experiments = open_experiments(build_plan(recipes.book(), seeds=4), tmp_path / "a", "mnist5k", 100)
    done = list(experiments.plan.experiments())[:finished]
    monkeypatch.setattr(type(experiments), "done", lambda self, each: each in done)
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    used = []

    class Started(Exception):
        pass

    def start(conditions: Conditions) -> None:
        used.append(conditions)
        raise Started

    monkeypatch.setattr(runner, "Workers", start)
    with pytest.raises(Started):
        runner.run_experiments(experiments, Conditions(device="cpu"))
    assert [(each.jobs, each.threads) for each in used] == [(4 - finished, 1)]


def test_a_signal_stops_all_processes_after_a_checkpoint(sweep: Callable[..., Any], tmp_path: Path) -> None:
    code, rest = sweep("short", 1, 2).stop_after(1, signal.SIGTERM)
    assert code == 143
    assert "stopped; run the same command again to continue" in rest
    assert "Traceback" not in rest
    states = [Run(path.parent).record.state for path in (tmp_path / "short").glob("*/run.json")]
    assert set(states) <= {"finished", "unfinished"}


def test_diverged_trainings_are_counted_and_not_repeated(command: Callable[..., Any], tmp_path: Path) -> None:
    words = ("sweep", "--vary", "lr=0.05,9999", "--optimizer", "sgd", "--images", 400, "--epochs", 1)
    sweep = command(*words, "--data", "mnist5k", "--out", tmp_path / "a", "--json")
    done = sweep.finish()
    assert done.returncode == 0, done.stderr
    good, bad = json.loads(done.stdout)["rows"]
    assert (good["seeds"], good["diverged"], bad["seeds"], bad["diverged"]) == (1, 0, 0, 1)
    assert bad["accuracy"] is None
    assert good["sd"] is good["ci95_low"] is None
    base = recipes.book(optimizer="sgd", epochs=1)
    experiments = open_experiments(build_plan(base, [parse_variation("lr=0.05,9999")]), tmp_path / "a", "mnist5k", 400)
    assert all(map(experiments.done, experiments.plan.experiments()))
    assert "| undefined | undefined |" in (tmp_path / "a/table.md").read_text()


def test_a_folder_of_another_experiment_is_rejected(tmp_path: Path) -> None:
    plan = build_plan(recipes.book())
    open_experiments(plan, tmp_path / "a", "mnist5k", 100)
    open_experiments(plan, tmp_path / "a", "mnist5k", 100)
    with pytest.raises(RunError, match=r"100 images of mnist5k \(28x28\), and this one uses 200 images"):
        open_experiments(plan, tmp_path / "a", "mnist5k", 200)


def test_a_run_of_another_recipe_is_rejected(sample_run: Run, tmp_path: Path) -> None:
    experiments = open_experiments(build_plan(recipes.book(epochs=3)), tmp_path, "mnist5k")
    (experiment,) = experiments.plan.experiments()
    assert not experiments.done(experiment)
    (tmp_path / "seed-0").symlink_to(sample_run.path)
    with pytest.raises(RunError, match="another recipe"):
        experiments.done(experiment)


def test_settings_that_do_not_fit_the_images_are_rejected_before_training(tmp_path: Path) -> None:
    plan = build_plan(recipes.book(), [parse_variation("kernel_sizes=3x3,27x3")])
    with pytest.raises(UsageError, match="With kernel_sizes 27x3: Convolution 2 gets 2x2"):
        open_experiments(plan, tmp_path / "a", "mnist5k")
    with pytest.raises(DataError, match="number of training images is 5001"):
        open_experiments(build_plan(recipes.book()), tmp_path / "a", "mnist5k", 5001)
    assert not (tmp_path / "a").exists()


def test_only_folders_of_runs_are_removed(tmp_path: Path) -> None:
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun/recipe.json").write_text("{}")
    (tmp_path / "own").mkdir()
    (tmp_path / "own/thesis.txt").write_text("text")
    remove_beginning(tmp_path / "missing")
    remove_beginning(tmp_path / "begun")
    assert not (tmp_path / "begun").exists()
    with pytest.raises(RunError, match=r"it has thesis\.txt"):
        remove_beginning(tmp_path / "own")
    assert (tmp_path / "own/thesis.txt").exists()
