"""Training in several processes: the same result as in one, for every kind of recipe; restarts after kills."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.server import free_port

from benchmarks import elastic
from benchmarks.processes import children
from penstroke import recipes, runs
from penstroke.errors import UsageError
from penstroke.runs import Run
from penstroke.training import World
from penstroke.training.launch import launch

PROGRAM = Path(__file__).with_name("distributed_fit.py")
SMALL = {"epochs": 1, "batch_size": 64}
RECIPES = {
    "book": recipes.book(**SMALL),
    "fast": recipes.fast(**SMALL, validation=0.1),
    "robust": recipes.robust(**SMALL, optimizer="sgd", lr=0.05, precision="float32"),
    "weighted": recipes.book(**SMALL, class_weights="balanced", optimizer="adam", lr=0.001, network="patchnet"),
    "general": recipes.general(**SMALL, channels=(16, 16, 32), optimizer="sgd", lr=0.05, precision="float32"),
    "one image in the last batch": recipes.book(epochs=1, batch_size=134, optimizer="adam", lr=0.001),
    "accumulated": recipes.book(**SMALL, accumulate=3, optimizer="adam", lr=0.001, class_weights="balanced"),
}
SCALED = {
    "scaled": recipes.fast(batch_size=32, lr=0.02, head_lr=0.004, scaling="linear", scaling_warmup=0.0),
    "by hand": recipes.fast(batch_size=64, lr=0.04, head_lr=0.008),
}
"""A recipe whose batches and learning rate grow with the number of processes, and what it is in two."""
STOPPED = {"stopped": (3, 0), "stopped norm": (3, 0), "stopped last": (7, 0)}
"""Trainings that are stopped, and their steps and epochs."""
TOLERANCE = 1e-4
"""Largest relative difference of weights; the sums of parts are rounded in another order."""


def train_in(size: int, folder: Path) -> list[dict[str, dict[str, Any]]]:
    """Train all recipes in ``size`` processes, and return the results of each process by recipe."""
    folder.mkdir()
    every = RECIPES | SCALED
    (folder / "recipes.json").write_text(json.dumps({name: recipe.to_json() for name, recipe in every.items()}))
    variables = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    processes = [
        subprocess.Popen(
            [sys.executable, str(PROGRAM), str(folder / "recipes.json"), str(folder)],
            env={**os.environ, "OMP_NUM_THREADS": "1", **variables, "RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]
    errors = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * size, errors
    return [
        {name: torch.load(folder / f"{name}-{rank}.pt") for name in [*every, *STOPPED, "own loss"]}
        for rank in range(size)
    ]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[dict[str, dict[str, Any]]]]:
    """Return the results of 1, 2 and 3 processes."""
    folder = tmp_path_factory.mktemp("distributed")
    return {size: train_in(size, folder / str(size)) for size in (1, 2, 3)}


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("size", [2, 3])
def test_several_processes_train_what_one_trains(results: Any, name: str, size: int) -> None:
    (expected,) = (each[name] for each in results[1])
    for found in (each[name] for each in results[size]):
        assert found["correct"] == expected["correct"] or abs(found["correct"][0] - expected["correct"][0]) <= 3
        for losses, wanted in zip(found["losses"], expected["losses"], strict=True):
            torch.testing.assert_close(torch.tensor(losses), torch.tensor(wanted), rtol=1e-3, atol=1e-4)
        assert_close(found["weights"], expected["weights"])


def assert_close(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    for key, weight in expected.items():
        assert (found[key] - weight).float().norm() <= TOLERANCE * weight.float().norm() + 1e-6, key


@pytest.mark.parametrize("name", STOPPED)
@pytest.mark.parametrize("size", [2, 3])
def test_a_request_of_one_process_stops_all_after_the_same_step(results: Any, name: str, size: int) -> None:
    (expected,) = (each[name] for each in results[1])
    for found in (each[name] for each in results[size]):
        assert (found["steps"], found["epochs"]) == (expected["steps"], expected["epochs"]) == STOPPED[name]
        assert_close(found["weights"], expected["weights"])


@pytest.mark.parametrize("size", [2, 3])
def test_a_loss_of_the_caller_gets_the_whole_batch(results: Any, size: int) -> None:
    (expected,) = (each["own loss"] for each in results[1])
    for found in (each["own loss"] for each in results[size]):
        torch.testing.assert_close(
            torch.tensor(found["losses"]), torch.tensor(expected["losses"]), rtol=1e-3, atol=1e-4
        )
        assert_close(found["weights"], expected["weights"])


def test_a_scaled_recipe_has_larger_batches_and_learning_rates(results: Any) -> None:
    (expected,) = (each["by hand"] for each in results[1])
    for found in (each["scaled"] for each in results[2]):
        assert len(found["losses"][0]) == len(expected["losses"][0]) == 7
        torch.testing.assert_close(
            torch.tensor(found["losses"]), torch.tensor(expected["losses"]), rtol=1e-3, atol=1e-4
        )
    assert len(results[3][0]["scaled"]["losses"][0]) == 5
    assert len(results[1][0]["scaled"]["losses"][0]) == 13


@pytest.mark.parametrize("name", [*RECIPES, "scaled", *STOPPED, "own loss"])
def test_all_processes_have_the_same_bits(results: Any, name: str) -> None:
    for size in (2, 3):
        first, *others = (each[name] for each in results[size])
        for other in others:
            assert other.get("losses") == first.get("losses")
            assert all(torch.equal(weight, other["weights"][key]) for key, weight in first["weights"].items())


def test_a_launch_is_read_from_the_environment() -> None:
    assert launch({}).world == World()
    assert launch({}).job is None
    found = launch({"RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "TORCHELASTIC_RUN_ID": "a"})
    assert (found.world, found.local_rank, found.job, found.restarts, found.leads) == (World(3, 8), 1, "a", 0, False)
    again = launch({"RANK": "0", "WORLD_SIZE": "1", "TORCHELASTIC_RUN_ID": "none", "TORCHELASTIC_RESTART_COUNT": "2"})
    assert again.leads
    assert again.restarts == 2
    assert str(os.getppid()) in str(again.job), "without a name, the launcher identifies the job"
    two = launch({"RANK": "0", "WORLD_SIZE": "4", "GROUP_WORLD_SIZE": "2", "TORCHELASTIC_USE_AGENT_STORE": "True"})
    assert (two.machines, two.kept_store) == (2, True)
    with pytest.raises(UsageError, match="RANK is 'first'; it must be a number"):
        launch({"RANK": "first", "WORLD_SIZE": "1"})
    with pytest.raises(UsageError, match="rank is 2; it must be from 0 to 1"):
        launch({"RANK": "2", "WORLD_SIZE": "2"})


SHORT = ("fast", "--data", "mnist5k", "--epochs", "6", "--batch-size", "64", "--checkpoint-every", "5")
"""A training of some seconds."""


class Torchrun:
    """A training in two processes that are started by ``torchrun``.

    Args:
        folder: working directory.
        options: further options of the training.
        job: name of the launch.
        program: the program and its first arguments.
    """

    def __init__(
        self,
        folder: Path,
        *options: str,
        job: str = "",
        size: int = 2,
        restarts: int = 3,
        program: tuple[str, ...] = ("penstroke",),
    ) -> None:
        launcher = ["--nproc-per-node", str(size), "--max-restarts", str(restarts), "--monitor-interval", "0.1"]
        launcher += ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{free_port()}"]
        launcher += ["--rdzv-id", job] if job else []
        command = [sys.executable, "-m", "torch.distributed.run", *launcher, "-m", *program, "train", *options]
        self.process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,
        )  # fmt: skip

    def wait(self) -> str:
        """Wait for the end, and return the output."""
        output, _ = self.process.communicate(timeout=240)
        assert self.process.returncode == 0, output
        return output

    def workers(self) -> list[int]:
        """Return the process numbers of the workers."""
        return children(self.process.pid)


@pytest.fixture
def torchrun(tmp_path: Path) -> Iterator[Any]:
    """Return a function that starts a training with ``torchrun``; what still runs at the end is killed."""
    started: list[Torchrun] = []

    def start(out: str, words: tuple[str, ...] = SHORT, **arguments: Any) -> Torchrun:
        started.append(Torchrun(tmp_path, *words, "--out", out, **arguments))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            os.killpg(each.process.pid, signal.SIGKILL)


def wait_for_checkpoint(run: Run) -> None:
    deadline = time.monotonic() + 60
    while not (runs.is_run(run.path) and run.checkpoints()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_killed_process_costs_one_interval_and_changes_nothing(torchrun: Any, tmp_path: Path) -> None:
    output = torchrun("whole").wait()
    assert output.count("run: whole") == 1, "one process prints"
    killed = torchrun("killed")
    wait_for_checkpoint(Run(tmp_path / "killed"))
    os.kill(killed.workers()[-1], signal.SIGKILL)
    output = killed.wait()
    whole, again = Run(tmp_path / "whole"), Run(tmp_path / "killed")
    assert again.finished
    assert not (tmp_path / "killed-2").exists(), "the same run is continued"
    assert len(again.record.resumed) == 1, output
    assert whole.model_path.read_bytes() == again.model_path.read_bytes(), "bit for bit"


def test_a_job_that_is_started_again_continues_with_another_number_of_processes(torchrun: Any, tmp_path: Path) -> None:
    program = ("benchmarks.logged_training", str(tmp_path / "log"))
    plain = (*SHORT, "--shift", "0")  # images that are not augmented are recognised
    first = torchrun("run", plain, job="night", program=program)
    wait_for_checkpoint(Run(tmp_path / "run"))
    first.process.send_signal(signal.SIGTERM)
    first.process.communicate(timeout=120)
    run = Run(tmp_path / "run")
    assert run.record.state == "unfinished"
    torchrun("run", plain, job="night", size=1, program=program).wait()
    assert run.finished
    assert [row["epoch"] for row in run.record.epochs] == list(range(1, 7))
    used = elastic.images_of_steps(tmp_path / "log")
    assert (used["epochs"], used["images of each epoch"], used["steps"]) == (6, [4000], 6 * 63)
    assert used["images not used once"] == used["repeated steps with other images"] == 0
    differ = run.record.resumed[0]["differ"]
    assert "processes: 2 then, 1 now" in differ


@pytest.mark.campaign
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_random_kills_of_processes_and_machines_change_nothing(tmp_path: Path) -> None:
    figures = elastic.kills(tmp_path, count=50, epochs=140)
    print(json.dumps(figures, indent=1))
    assert sum(figures["kills"].values()) == 50
    assert figures["equal model files"], "bit for bit"
    assert figures["intervals lost"] == 0, "the latest checkpoint is continued"


@pytest.mark.campaign
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_other_numbers_of_processes_use_each_image_once(tmp_path: Path) -> None:
    figures = elastic.sizes(tmp_path)
    print(json.dumps(figures, indent=1))
    assert figures["processes"] == [4, 2, 3]
    assert len(figures["resumptions"]) == 2
    assert (figures["epochs"], figures["images of each epoch"]) == (6, [4000])
    assert figures["images not used once"] == figures["repeated steps with other images"] == 0
    others = figures["correct images of other seeds"]
    assert abs(figures["correct images"] - np.mean(others)) <= 3 * max(3.0, np.std(others, ddof=1))
