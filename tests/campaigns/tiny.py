"""A training that takes a tenth of a second and goes through all that a large one does, and what came of it."""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from trained import head

from penstroke import recipes, runs
from penstroke.data import Dataset, load
from penstroke.errors import RunError
from penstroke.recipes import ConvNetSpec, Recipe
from penstroke.runs import Run
from penstroke.training import EpochRow, Progress, Sink, StopTraining
from penstroke.training.checkpoint import Pace
from penstroke.training.history import State
from penstroke.training.recorder import resume_run, train_run
from penstroke.training.snapshot import take

EVERY = 4
"""Steps between two checkpoints."""


@cache
def data() -> Dataset:
    """Return 96 training and 50 test images of the bundled sample."""
    whole = load("mnist5k")
    return Dataset(whole.card, head(whole.train, 96), lambda: head(whole.test, 50), requested="mnist5k")


def recipe(**changes: Any) -> Recipe:
    """Return a recipe with two epochs of nine steps, the last one of which is not full."""
    network = ConvNetSpec(channels=(2, 3), hidden=8)
    return recipes.book(**{"name": "tiny", "network": network, "batch_size": 11, "shift": 1, **changes})


@dataclass
class StopAfter(Sink):
    """Ends a training after so many steps."""

    steps: int

    def stepped(self, progress: Progress) -> None:
        self.steps -= 1
        if not self.steps:
            raise StopTraining


@dataclass
class Watch(Sink):
    """Writes a hash of the optimizers' state at the end of each epoch into ``path``."""

    path: Path
    _state: State | None = None

    def begun(self, state: State) -> None:
        self._state = state

    def epoch_ended(self, row: EpochRow) -> None:
        assert self._state
        tensors = sorted(take(self._state).tensors.items())
        numbers = [name.encode() + value.numpy().tobytes() for name, value in tensors if "losses" not in name]
        self.path.write_text(f"{row.epoch} {hashlib.sha256(b''.join(numbers)).hexdigest()}")


def go_on(home: Path, what: Recipe, sinks: tuple[Sink, ...] = (), pace: Pace = Pace(steps=EVERY)) -> Run:  # noqa: B008
    """Train in ``home``, or go on with the training that is there, and return its run."""
    watch = Watch(home / "optimizers")
    try:
        run = runs.to_resume(home=home)
    except RunError:
        return train_run(what, data(), "cpu", home / "run", (watch, *sinks), pace)[0]
    if run.finished:
        run.tidy()
    else:
        resume_run(run, data(), "cpu", (watch, *sinks), pace)
    return run


def outcome(run: Run) -> dict[str, Any]:
    """Return all that must be the same however often a training was broken off: everything but times."""
    lines = [json.loads(line) for line in run.metrics.path.read_text().splitlines()]
    found = run.read()
    return {
        "state": found["state"],
        "weights": {name: value.numpy().tobytes() for name, value in load_file(run.model_path).items()},
        "optimizers": (run.path.parent / "optimizers").read_text(),
        "metrics": [_without_times(line) for line in lines],
        "epochs": [_without_times(row) for row in found["epochs"]],
    }


def _without_times(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if not name.endswith("seconds")}


def litter(home: Path) -> list[str]:
    """Return what a killed or failed process left half-written below ``home``."""
    return [str(path) for path in home.rglob(".*") if path.name != ".lock"]
