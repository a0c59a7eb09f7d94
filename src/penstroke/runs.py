"""What a run folder holds: everything that one training left behind.

``run.json`` (state, data, results), ``recipe.json``, ``environment.json``, ``metrics.jsonl`` (a line for each step and
each epoch), ``model.safetensors`` and ``pictures/``. This module knows nothing of networks or of training.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from penstroke import storage
from penstroke.errors import ModelError, RunError, UsageError
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
    def metrics(self) -> storage.JsonLines:
        """The file with a line for each step and each epoch."""
        return storage.JsonLines(self.path / "metrics.jsonl")

    def read(self) -> dict[str, Any]:
        """Return ``run.json``: state, creation time, data, results.

        Raises:
            RunError: it is missing or makes no sense.
        """
        return _read_json(self.path / "run.json")

    def update(self, **values: Any) -> None:
        """Put ``values`` into ``run.json``, which is replaced whole."""
        storage.write_json(self.path / "run.json", self.read() | values)

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


def create(name: str, environment: dict[str, Any], out: Path | None = None, **values: Any) -> Run:
    """Make a new run folder; one that exists is never written to, the next free name is taken.

    Args:
        name: what the folder in ``runs/`` is called.
        environment: the conditions, from ``runtime.environment``.
        out: the folder wanted, instead of ``runs/NAME``.
        values: what else ``run.json`` holds, such as the data.

    Raises:
        StorageError: there is no room or no permission.
    """
    run = Run(storage.new_folder(out or HOME / name))
    storage.write_json(run.path / "environment.json", environment)
    created = datetime.now(UTC).isoformat(timespec="microseconds")
    storage.write_json(run.path / "run.json", {"state": "running", "created": created, **values})
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
