"""A training run of a tenth of a second that uses all parts of a large one, and the parts of its result to compare."""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from support.small import shortened

from penstroke import recipes, runs
from penstroke.data import Dataset, load
from penstroke.errors import RunError
from penstroke.networks import ConvNet
from penstroke.recipes import Recipe
from penstroke.runs import Run
from penstroke.training import Callback, CheckpointInterval, EpochRow, Progress, StopTraining
from penstroke.training.history import State
from penstroke.training.recorder import resume_run, train_run
from penstroke.training.snapshot import capture

EVERY_4_STEPS = CheckpointInterval.parse("4")


@cache
def data() -> Dataset:
    """Return 96 training and 50 test images of the bundled sample."""
    return shortened(load("mnist5k"), 96, 50)


def recipe(**changes: Any) -> Recipe:
    """Return a recipe with two epochs of nine steps; the last batch of an epoch is smaller than the others."""
    network = ConvNet(channels=(2, 3), hidden=8)
    return recipes.book(**{"name": "tiny", "network": network, "batch_size": 11, "shift": 1, **changes})


@dataclass
class StopAfter(Callback):
    """Stops a training run after a number of steps."""

    steps: int

    def on_step_end(self, progress: Progress) -> None:
        self.steps -= 1
        if not self.steps:
            raise StopTraining


@dataclass
class Watch(Callback):
    """Writes a hash of the state of the optimizers to ``path`` after each epoch."""

    path: Path
    _state: State | None = None

    def on_train_start(self, state: State) -> None:
        self._state = state

    def on_epoch_end(self, row: EpochRow) -> None:
        assert self._state
        tensors = sorted(capture(self._state).tensors.items())
        numbers = [name.encode() + value.numpy().tobytes() for name, value in tensors if "losses" not in name]
        self.path.write_text(f"{row.epoch} {hashlib.sha256(b''.join(numbers)).hexdigest()}")


def train_or_resume(
    home: Path, what: Recipe, callbacks: tuple[Callback, ...] = (), interval: CheckpointInterval = EVERY_4_STEPS
) -> Run:
    """Train in ``home``, or resume the training that was started there, and return its run."""
    watch = Watch(home / "optimizers")
    try:
        run = runs.to_resume(home=home)
    except RunError:
        return train_run(
            what, data(), device="cpu", out=home / "run", callbacks=(watch, *callbacks), interval=interval
        )[0]
    if run.finished:
        run.remove_leftovers()
    else:
        resume_run(run, data(), device="cpu", callbacks=(watch, *callbacks), interval=interval)
    return run


def outcome(run: Run) -> dict[str, Any]:
    """Return everything that must not depend on interruptions: all results but times."""
    lines = [json.loads(line) for line in run.metrics.path.read_text().splitlines()]
    record = run.record
    return {
        "state": record.state,
        "weights": {name: value.numpy().tobytes() for name, value in load_file(run.model_path).items()},
        "optimizers": (run.path.parent / "optimizers").read_text(),
        "metrics": [_without_times(line) for line in lines],
        "epochs": [_without_times(row) for row in record.epochs],
    }


def _without_times(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if not name.endswith("seconds")}


def leftovers(home: Path) -> list[str]:
    """Return the hidden files below ``home`` that a killed or failed process did not finish or remove."""
    return [str(path) for path in home.rglob(".*") if path.name != ".lock"]
