"""Tuning: resumption after kills, studies that cannot be continued, and what is written."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from penstroke import recipes
from penstroke.errors import RunError, UsageError
from penstroke.experiments.ranges import parse_range
from penstroke.experiments.source import Source
from penstroke.experiments.tuning import FILE, Tuning, importances, open_tuning, tune
from penstroke.experiments.worker import reserved
from penstroke.recipes import Recipe

BASE = recipes.book(validation=0.1, test_each_epoch=False, epochs=2, batch_size=50)
RANGES = (parse_range("lr=0.05..5"),)


def opened(folder: Path, base: Recipe = BASE, *ranges: str) -> Tuning:
    return open_tuning(base, tuple(map(parse_range, ranges)) or RANGES, folder, Source("mnist5k", 300))


def test_a_killed_search_resumes(command: Callable[..., Any], tmp_path: Path) -> None:
    sizes = ("--images", 300, "--epochs", 1, "--channels", 4, 8, "--batch-size", 20, "--data", "mnist5k")
    words = ("tune", "--range", "lr=0.05..5", "--range", "hidden=8..32", *sizes, "--out", tmp_path / "t", "--jobs", 2)
    code, _ = command(*words, "--trials", 100).stop_after(2, signal.SIGKILL)
    assert code == -signal.SIGKILL
    done = command(*words, "--trials", 4, "--json").finish()
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert len(found["trials"]) >= 4
    assert {trial["state"] for trial in found["trials"]} <= {"complete", "pruned"}
    assert len({trial["run"] for trial in found["trials"]}) == len(found["trials"])
    best = max((trial for trial in found["trials"] if trial["accuracy"] is not None), key=lambda row: row["accuracy"])
    assert found["best"]["accuracy"] == best["accuracy"]
    recipe = Recipe.from_toml(found["config"])
    assert (recipe.optimizer.lr, recipe.validation is None) == (found["best"]["lr"], False)
    assert (tmp_path / "t/trials.png").is_file()


def test_the_running_trial_of_a_dead_process_is_queued_again(tmp_path: Path) -> None:
    tuning = opened(tmp_path)
    lost = tuning.study.ask()
    value = lost.suggest_float("lr", 0.05, 5, log=True)
    with pytest.raises(StopIteration):
        tune(tuning, 1, report=_stop)
    (again,) = opened(tmp_path).trials
    assert again.params["lr"] == value
    states = [trial.state for trial in tuning.study.trials]
    assert states == [TrialState.FAIL, TrialState.COMPLETE]


def test_a_trial_whose_run_another_process_begins_is_left_to_it(tmp_path: Path) -> None:
    tuning = opened(tmp_path)
    trial = tuning.study.ask()
    trial.suggest_float("lr", 0.05, 5, log=True)
    with reserved(tuning.run(tuning.study.trials[0]).path):
        tune(tuning, 1)
    assert [found.state for found in tuning.study.trials] == [TrialState.RUNNING]


def _stop(*_: object) -> None:
    raise StopIteration


def test_enough_trials_are_not_continued(tmp_path: Path) -> None:
    tuning = opened(tmp_path)
    trial = tuning.study.ask()
    trial.suggest_float("lr", 0.05, 5, log=True)
    tuning.study.tell(trial, 0.9)
    tune(tuning, 1)
    assert len(tuning.study.trials) == 1
    best = tuning.best()
    assert best
    assert best.value == 0.9
    assert importances(tuning.study) == {}


@pytest.mark.parametrize(
    "base", [recipes.book(), recipes.book(validation=0.1), recipes.fast(), recipes.fast(test_each_epoch=True)]
)
def test_only_a_validation_split_decides(base: Recipe, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Tuning needs a validation split, and does not use the test split"):
        opened(tmp_path, base)


def test_a_study_of_other_ranges_or_recipes_is_rejected(tmp_path: Path) -> None:
    opened(tmp_path)
    opened(tmp_path)
    with pytest.raises(RunError, match=r"another recipe or of other ranges: lr=0\.05\.\.5"):
        opened(tmp_path, BASE, "lr=0.05..4")
    with pytest.raises(RunError, match="another recipe or of other ranges"):
        opened(tmp_path, BASE.replace(hidden=5))


def test_a_study_of_another_version_is_rejected(tmp_path: Path) -> None:
    opened(tmp_path).study.set_user_attr("format", 99)
    with pytest.raises(RunError, match="is a study of version 99; this version of Penstroke reads 1"):
        opened(tmp_path)


@pytest.mark.parametrize("content", [b"not a study\n", b'{"op_code": 77}\n', b"[1]\n", b"\x80\x04\x95\n"])
def test_a_damaged_study_is_rejected(content: bytes, tmp_path: Path) -> None:
    opened(tmp_path / "good")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / FILE).write_bytes(content)
    with pytest.raises(RunError, match="is damaged, or from another version of Optuna"):
        opened(tmp_path / "bad")


def test_a_study_cut_at_any_line_is_completed_or_rejected(tmp_path: Path) -> None:
    study = opened(tmp_path / "whole").study
    lines = (tmp_path / "whole" / FILE).read_bytes().splitlines(keepends=True)
    for count in range(len(lines) + 1):
        place = tmp_path / f"cut-{count}"
        place.mkdir()
        (place / FILE).write_bytes(b"".join(lines[:count]))
        assert opened(place).study.user_attrs == study.user_attrs
    trial = study.ask()
    study.tell(trial, 0.5)
    lines = (tmp_path / "whole" / FILE).read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if b"ranges" not in line]
    assert len(kept) == len(lines) - 1
    (tmp_path / "whole" / FILE).write_bytes(b"".join(kept))
    with pytest.raises(RunError, match="is damaged: it has trials, and no ranges"):
        opened(tmp_path / "whole")


def test_importances_tell_fields_that_matter_from_others() -> None:
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda trial: trial.suggest_float("a", 0, 1) + 0 * trial.suggest_float("b", 0, 1), n_trials=60)
    found = importances(study)
    assert found["a"] > 0.8 > found["b"]
