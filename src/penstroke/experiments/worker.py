"""A process that trains runs, one after another, for the program that started it.

It reads one JSON task per line from its input, and answers each with one JSON line. If the task wants it, it also
writes a line after each epoch, and reads a line that says whether to continue. When the input is closed, which
also happens when the program is killed, the current training stops after its step and writes a checkpoint.
"""

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from penstroke import runs, runtime, storage
from penstroke.data import Dataset
from penstroke.errors import PenstrokeError, RunError
from penstroke.experiments.source import Source
from penstroke.recipes import Recipe
from penstroke.runs import Run
from penstroke.runs.run import ENVIRONMENT, RECIPE
from penstroke.training import Callback, EpochRow, Progress, StopTraining
from penstroke.training.recorder import resume_run, train_run

PATIENCE = 60.0
"""Seconds to wait for a run that a process of an interrupted experiment still trains."""

LONG = 86_400.0
"""The same for a run that another experiment trains at the same time."""


class StopWhenAlone(Callback):
    """Stops a training when ``event`` is set."""

    def __init__(self, event: threading.Event) -> None:
        self._event = event

    def on_step_end(self, progress: Progress) -> None:  # noqa: ARG002 - the training can stop after any step
        """Stop if the input is closed."""
        if self._event.is_set():
            raise StopTraining


class ReportEpochs(Callback):
    """Writes the results of each epoch, and stops the training if the answer says so.

    Args:
        answers: the lines of the input; None when it is closed.
    """

    def __init__(self, answers: "SimpleQueue[str | None]") -> None:
        self._answers = answers

    def on_epoch_end(self, row: EpochRow) -> None:
        """Write the results, and read the answer."""
        answer_with({"epoch": row.to_json()})
        line = self._answers.get()
        if line is None or not json.loads(line)["continue"]:
            raise StopTraining


def answer_with(value: dict[str, Any]) -> None:
    """Write a line. If nobody reads it, the closed input ends this process."""
    with suppress(BrokenPipeError):
        print(json.dumps(value), flush=True)


@cache
def load_data(source: Source) -> Dataset:
    """Return the dataset of a source, read once."""
    return source.load()


def train_one(task: dict[str, Any], callbacks: list[Callback]) -> None:
    """Train or resume the run of one task.

    Raises:
        PenstrokeError: see ``train_run`` and ``resume_run``.
    """
    path, recipe = Path(task["path"]), Recipe.from_json(task["recipe"])
    data = load_data(Source.from_json(task["source"]))
    patience = LONG if task["epochs"] else PATIENCE
    with reserved(path, patience):
        if not runs.is_run(path):
            remove_beginning(path)
            train_run(recipe, data, device=task["device"], out=path, callbacks=callbacks)
            return
        run = Run(path)
        with run.locked_for_training(patience):
            pass  # a command that trains this run alone has ended
        if not run.finished:
            resume_run(run, data, device=task["device"], callbacks=callbacks)


@contextmanager
def reserved(path: Path, patience: float = 0.0) -> Iterator[None]:
    """Prevent the processes of other experiments from training a run within the block, also before the run exists.

    Args:
        path: folder of the run.
        patience: seconds to wait for another process.

    Raises:
        RunError: another process still trains the run.
        StorageError: the lock cannot be written.
    """
    locks = storage.make_folder(path.parent / ".locks")
    message = f"The run {path} is being trained by another process."
    with storage.locked(locks, message, file=path.name, patience=patience):
        yield


def remove_beginning(path: Path) -> None:
    """Remove the folder of a run whose process was killed while it created the folder.

    Raises:
        RunError: the folder has other files.
    """
    if not path.is_dir():
        return
    others = [file.name for file in path.iterdir() if file.name not in (RECIPE, ENVIRONMENT) and file.name[0] != "."]
    if others:
        raise RunError(f"{path} is not a run folder: it has {others[0]}.", "Use another folder, or remove this one.")
    storage.remove_folder(path)


def main() -> None:
    """Train until the input is closed."""
    tasks: SimpleQueue[str | None] = SimpleQueue()
    closed = threading.Event()

    def read() -> None:
        for line in sys.stdin:
            tasks.put(line)
        closed.set()
        tasks.put(None)

    threading.Thread(target=read, daemon=True).start()
    stop = StopWhenAlone(closed)
    configured = False
    # `closed` is tested first: a training that waited for an answer has already taken the None out of the queue.
    while not closed.is_set() and (line := tasks.get()) is not None:
        task = json.loads(line)
        if not configured:
            runtime.configure(task["threads"])
            configured = True
        error = None
        try:
            train_one(task, [stop, ReportEpochs(tasks)] if task["epochs"] else [stop])
        except PenstrokeError as problem:
            error = problem.to_json()
        answer_with({"error": error})


if __name__ == "__main__":
    main()
