"""A small sweep as a command that can be killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from penstroke import recipes
from penstroke.experiments import build_plan, open_experiments, parse_variation
from penstroke.experiments.runner import Experiments
from penstroke.experiments.worker import train_one


class Command:
    """A command of Penstroke in another process.

    Args:
        words: its arguments.
    """

    def __init__(self, *words: object) -> None:
        self.words = [sys.executable, "-m", "penstroke", *map(str, words)]
        self.environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def finish(self) -> "subprocess.CompletedProcess[str]":
        """Run to the end."""
        return subprocess.run(self.words, capture_output=True, text=True, env=self.environment)

    def stop_after(self, lines: int, number: signal.Signals) -> tuple[int, str]:
        """Send a signal after some lines of progress, and return the exit code and the rest of stderr."""
        with subprocess.Popen(
            self.words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=self.environment
        ) as process:
            assert process.stderr
            seen = 0
            while seen < lines and (line := process.stderr.readline()):
                seen += line[0].isdigit() or line.startswith("trial ")
            process.send_signal(number)
            rest = process.stderr.read()  # ends when the workers have ended, too
            return process.wait(), rest


@pytest.fixture
def command() -> Callable[..., Command]:
    """Return the class of commands."""
    return Command


@pytest.fixture
def sweep(tmp_path: Path) -> Callable[..., Command]:
    """Return a function that makes a sweep of settings and seeds, each of which trains for a fraction of a second."""

    def make(folder: str, settings: int, seeds: int, *more: object) -> Command:
        hidden = ",".join(str(8 + number) for number in range(settings))
        sizes = ("--images", 600, "--epochs", 2, "--batch-size", 20, "--channels", 4, 8, "--jobs", 2)
        words = ("--vary", f"hidden={hidden}", "--seeds", seeds, "--data", "mnist5k", "--out", tmp_path / folder)
        return Command("sweep", *words, *sizes, *more)

    return make


@pytest.fixture(scope="session")
def experiments(tmp_path_factory: pytest.TempPathFactory) -> Experiments:
    """Return an experiment with two settings, of which one has a seed without a run. Do not change its folder."""
    plan = build_plan(recipes.book(epochs=1, batch_size=50), [parse_variation("hidden=4,8")], seeds=2)
    opened = open_experiments(plan, tmp_path_factory.mktemp("sweep"), "mnist5k", 500)
    for experiment in list(plan.experiments())[:-1]:
        task = {"path": str(opened.run(experiment).path), "recipe": experiment.recipe.to_json(), "epochs": False}
        train_one(task | {"source": opened.source.to_json(), "device": "cpu"}, [])
    return opened
