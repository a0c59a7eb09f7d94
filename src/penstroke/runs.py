"""What a run folder holds: everything that one training left behind.

``run.json`` (state, data, results), ``recipe.json``, ``environment.json``, ``metrics.jsonl`` (a line for each step and
each epoch), ``model.safetensors``, ``pictures/``, and ``checkpoints/`` until it is finished. This module knows nothing
of networks or of training.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from penstroke import storage
from penstroke.errors import ModelError, RunError, StorageError, UsageError
from penstroke.recipes import Recipe
from penstroke.untrusted import is_plain, open_contained, read_json, reason

HOME = Path("runs")
"""Where runs are made and looked for when no path is named: in the present folder."""

MODEL = "model.safetensors"
MAX_LINE = 1 << 20
"""Bytes of the longest line of ``metrics.jsonl`` that is read."""
_DAMAGED = "The run is damaged; take another."


@dataclass(frozen=True)
class Run:
    """A run folder. Nothing is read before it is asked for."""

    path: Path

    @property
    def model_path(self) -> Path:
        """The file with the model."""
        return self.path / MODEL

    @property
    def pictures(self) -> Path:
        """The folder with plots and pictures, made if it is missing."""
        return storage.make_folder(self.path / "pictures")

    @property
    def checkpoints(self) -> Path:
        """The folder with the checkpoints, which need not be there."""
        return self.path / "checkpoints"

    def generations(self) -> list[Path]:
        """Return the folders that have a checkpoint's name, EPOCH-STEP, newest first."""
        found = self.checkpoints.glob("[0-9]*-[0-9]*") if self.checkpoints.is_dir() else ()
        named = [folder for folder in found if folder.name.replace("-", "", 1).isdigit()]
        return sorted(named, key=lambda folder: [int(part) for part in folder.name.split("-")], reverse=True)

    @property
    def metrics(self) -> storage.JsonLines:
        """The file with a line for each step and each epoch."""
        return storage.JsonLines(self.path / "metrics.jsonl")

    def read(self) -> dict[str, Any]:
        """Return ``run.json``: state, creation time, data, results.

        Raises:
            RunError: it is missing or makes no sense.
        """
        return _read_json(self.path / "run.json")

    @property
    def finished(self) -> bool:
        """Whether it was trained to its end."""
        return self.read().get("state") == "finished"

    @property
    def is_training(self) -> bool:
        """Whether it came from a recipe; an imported one did not."""
        return (self.path / "recipe.json").is_file()

    def update(self, **values: Any) -> None:
        """Put ``values`` into ``run.json``, which is replaced whole; None takes out what was there."""
        kept = {name: value for name, value in (self.read() | values).items() if value is not None}
        storage.write_json(self.path / "run.json", kept)

    @contextmanager
    def training(self) -> Iterator[None]:
        """Keep other processes from training this run within the block; a process that dies lets go.

        Raises:
            RunError: another one is training it.
        """
        lock = FileLock(self.path / ".lock")
        with storage.explained(self.path):
            try:
                lock.acquire(timeout=0)
            except Timeout:
                raise RunError(
                    f"The run {self.path} is being trained by another process.", "Wait until that ends, or stop it."
                ) from None
            except NotImplementedError:
                pass  # a file system without locks: better unguarded than not at all
        try:
            yield
        finally:
            lock.release()

    def tidy(self) -> None:
        """Remove what killed processes left half-written, and the checkpoints if the run is finished.

        What was set aside stays. Only while nobody else trains the run.
        """
        if self.finished:
            for folder in self.generations():
                storage.remove_folder(folder)
        storage.clear_leftovers(self.checkpoints)
        if self.finished and self.checkpoints.is_dir() and not any(self.checkpoints.iterdir()):
            storage.remove_folder(self.checkpoints)
        storage.clear_leftovers(self.path)

    def recipe(self) -> Recipe:
        """Return the recipe as it was trained.

        Raises:
            RunError: it is missing, or cannot be.
        """
        path = self.path / "recipe.json"
        values = _read_json(path)
        try:
            return Recipe.from_json(values)
        except UsageError as fault:
            raise RunError(f"{path} holds no recipe: {fault.message.rstrip('.')}.", _DAMAGED) from fault

    def environment(self) -> dict[str, Any]:
        """Return the conditions under which it was begun."""
        return _read_json(self.path / "environment.json")

    def rows(self, kind: str) -> Iterator[dict[str, Any]]:
        """Yield the lines of ``metrics.jsonl`` of one kind, `step` or `epoch`; a line cut by a crash ends them."""
        try:
            file = open_contained(self.metrics.path)
        except OSError:
            return
        with file:
            while line := file.readline(MAX_LINE):
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError):
                    return
                if isinstance(row, dict) and row.get("kind") == kind:
                    yield row


def create(
    name: str, environment: dict[str, Any], out: Path | None = None, recipe: Recipe | None = None, **values: Any
) -> Run:
    """Make a new run folder; one that exists is never written to, the next free name is taken.

    Args:
        name: what the folder in ``runs/`` is called.
        environment: the conditions, from ``runtime.environment``.
        out: the folder wanted, instead of ``runs/NAME``.
        recipe: what is about to be trained, if anything is.
        values: what else ``run.json`` holds, such as the data.

    Raises:
        StorageError: there is no room or no permission.
    """
    run = Run(storage.new_folder(out or HOME / name))
    created = datetime.now(UTC).isoformat(timespec="microseconds")
    try:
        storage.write_json(run.path / "environment.json", environment)
        if recipe:
            storage.write_json(run.path / "recipe.json", recipe.to_json())
        # Last: a folder is a run from here on, and then all else is there.
        storage.write_json(run.path / "run.json", {"state": "running", "created": created, **values})
    except StorageError:
        storage.remove_folder(run.path)
        raise
    return run


def is_run(path: Path) -> bool:
    """Tell whether ``path`` is a run folder."""
    return is_plain(path / "run.json")


def open_run(path: Path) -> Run:
    """Return the run at ``path``.

    Raises:
        RunError: there is no such folder, or it is no run.
    """
    remedy = "Name a run folder made by `penstroke train`, or leave it out to take the latest in ./runs."
    if is_run(path):
        return Run(path)
    try:
        path.stat()
    except (OSError, ValueError) as fault:
        raise RunError(f"There is no run folder {path}.", remedy) from fault
    raise RunError(f"{path} is no run folder: it has no run.json.", remedy)


def list_runs(home: Path = HOME) -> list[Run]:
    """Return the runs in ``home`` with a readable ``run.json``, oldest first."""
    found: list[tuple[str, Run]] = []
    try:
        paths = sorted(home.iterdir())
    except OSError:
        paths = []
    for path in paths:
        try:
            found.append((str(Run(path).read()["created"]), Run(path)))
        except (RunError, KeyError):
            continue
    return [run for _, run in sorted(found, key=lambda pair: pair[0])]


def latest(home: Path = HOME) -> Run:
    """Return the newest run in ``home`` that has a model.

    Raises:
        RunError: there is none.
    """
    ready = [run for run in list_runs(home) if is_plain(run.model_path)]
    if not ready:
        raise RunError(
            f"There is no run with a model in {home}/ yet.",
            "Make one with `penstroke train`, or name a run folder or a model file.",
        )
    return ready[-1]


def to_resume(place: Path | None = None, home: Path = HOME) -> Run:
    """Return the run at ``place``, or else the latest in ``home`` that is not finished, or else the latest.

    Raises:
        RunError: there is none, or it is no training.
    """
    if place is not None:
        run = open_run(place)
        if not run.is_training:
            raise RunError(f"The run {place} was not trained here: there is nothing to resume.")
        return run
    trainings = [run for run in list_runs(home) if run.is_training]
    if not trainings:
        raise RunError(f"There is no run in {home}/ to resume.", "Begin one with `penstroke train`.")
    return next((run for run in reversed(trainings) if not run.finished), trainings[-1])


def model_file(place: str | Path | None) -> Path:
    """Return the path of the model in a run folder, or of a model file, or of the latest run's model.

    Raises:
        RunError: there is no such run, or it has no model yet.
        ModelError: there is no such file.
    """
    if place is None:
        return latest().model_path
    path = Path(place)
    if path.suffix == ".safetensors" or is_plain(path):
        return path
    run = open_run(path)
    if not is_plain(run.model_path):
        raise ModelError(f"The run {path} has no model: it ended before one was written.", "Take another run.")
    return run.model_path


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = read_json(path)
    except OSError as fault:
        raise RunError(f"{path} cannot be read: {reason(fault)}.", _DAMAGED) from fault
    except ValueError as fault:
        raise RunError(f"{path} cannot be used: {fault}.", _DAMAGED) from fault
    if not isinstance(value, dict):
        raise RunError(f"{path} holds {type(value).__name__}, and must hold a JSON object.", _DAMAGED)
    return value
