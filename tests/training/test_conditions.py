"""The number of processes among the conditions of a run."""

from pathlib import Path

import pytest

from penstroke import recipes
from penstroke.data import Dataset
from penstroke.errors import RunError
from penstroke.experiments.subset import shorter_dataset
from penstroke.training import Callback, Progress, StopTraining, World, resume_run, train_run
from penstroke.training.conditions import check_processes


class StopAfterTwo(Callback):
    def on_step_end(self, progress: Progress) -> None:
        if progress.step == 2:
            raise StopTraining


def test_a_run_records_the_number_of_processes(small: Dataset, tmp_path: Path) -> None:
    data = shorter_dataset(small, 300)
    recipe = recipes.fast(batch_size=50, scaling="linear")
    run, _ = train_run(recipe, data, device="cpu", out=tmp_path / "run", callbacks=[StopAfterTwo()])
    assert run.environment()["processes"] == 1
    assert run.recipe().scaling == "linear"
    with pytest.raises(RunError, match=r"depend on the number of processes .* in 1, and would be continued in 2"):
        resume_run(run, data, device="cpu", world=World(0, 2))
    assert resume_run(run, data, device="cpu").history.finished


def test_only_scaled_batches_need_the_same_number_of_processes() -> None:
    check_processes(recipes.fast(), {"processes": 4}, World(0, 2))
    check_processes(recipes.fast(scaling="sqrt"), {"processes": 2}, World(0, 2))
    check_processes(recipes.fast(scaling="sqrt"), {}, World())
    with pytest.raises(RunError, match="scaling is sqrt"):
        check_processes(recipes.fast(scaling="sqrt"), {"processes": 4}, World(0, 2))
