"""One run folder.

It holds ``run.json`` (state, data, results), ``recipe.json``, ``environment.json``, ``metrics.jsonl`` (a line for each
step and each epoch), ``model.safetensors``, ``evaluations/``, ``pictures/``, and ``checkpoints/`` until the training is
finished.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from penstroke import storage
from penstroke.errors import RunError, StorageError, UsageError
from penstroke.recipes import Recipe
from penstroke.runs.record import DAMAGED, RunRecord, read_object, read_record, write_record

HOME = Path("runs")
"""The folder for runs when no path is given, relative to the current folder."""
MODEL = "model.safetensors"
RECIPE = "recipe.json"
ENVIRONMENT = "environment.json"


@dataclass(frozen=True)
class Run:
    """A run folder. Its files are read when they are used.

    Args:
        path: the folder.
    """

    path: Path

    @property
    def record(self) -> RunRecord:
        """The content of ``run.json``, read again at every access.

        Raises:
            RunError: ``run.json`` is missing or invalid.
        """
        return read_record(self.path)

    def update(self, **values: Any) -> None:
        """Change fields of ``run.json``. The value None removes an optional field.

        Raises:
            RunError: the existing ``run.json`` is missing or invalid.
            StorageError: ``run.json`` cannot be written.
        """
        write_record(self.path, replace(self.record, **values))

    @property
    def finished(self) -> bool:
        """Whether all epochs of the recipe were trained."""
        return self.record.state == "finished"

    @property
    def is_training(self) -> bool:
        """Whether the run comes from a training run; False for imported weights."""
        return (self.path / RECIPE).is_file()

    def recipe(self) -> Recipe:
        """Return the recipe of the training.

        Raises:
            RunError: the recipe is missing or invalid.
        """
        path = self.path / RECIPE
        values = read_object(path)
        try:
            return Recipe.from_json(values)
        except UsageError as error:
            raise RunError(f"{path} is invalid: {error.message}", DAMAGED) from error

    def environment(self) -> dict[str, Any]:
        """Return the conditions when the run was created, as returned by ``runtime.environment``.

        Raises:
            RunError: the conditions are missing or invalid.
        """
        return read_object(self.path / ENVIRONMENT)

    @property
    def metrics(self) -> storage.JsonLines:
        """The file with a line for each step and each epoch."""
        return storage.JsonLines(self.path / "metrics.jsonl")

    def rows(self, kind: str) -> Iterator[dict[str, Any]]:
        """Yield the lines of ``metrics.jsonl`` of one kind, `step` or `epoch`, up to a line cut by a crash."""
        return (row for row in self.metrics.rows() if row.get("kind") == kind)

    @property
    def model_path(self) -> Path:
        """The model file, which need not exist."""
        return self.path / MODEL

    @property
    def pictures(self) -> Path:
        """The folder for plots and pictures, created if it is missing.

        Raises:
            StorageError: the folder cannot be created.
        """
        return storage.make_folder(self.path / "pictures")

    @property
    def checkpoint_folder(self) -> Path:
        """The folder with the checkpoints, which need not exist."""
        return self.path / "checkpoints"

    def checkpoints(self) -> list[Path]:
        """Return the folders whose name is that of a checkpoint, EPOCH-STEP, newest first."""
        folders = self.checkpoint_folder.glob("[0-9]*-[0-9]*") if self.checkpoint_folder.is_dir() else ()
        named = [folder for folder in folders if folder.name.replace("-", "", 1).isdigit()]
        return sorted(named, key=lambda folder: [int(part) for part in folder.name.split("-")], reverse=True)

    @contextmanager
    def locked_for_training(self, patience: float = 0.0) -> Iterator[None]:
        """Prevent other processes from training this run within the block. The lock of a killed process is released.

        Args:
            patience: seconds to wait for another process.

        Raises:
            RunError: another process still trains this run.
            StorageError: the lock cannot be written.
        """
        message = f"The run {self.path} is being trained by another process."
        with storage.locked(self.path, message, patience=patience):
            yield

    def remove_leftovers(self) -> None:
        """Remove partly written files of killed processes, and the checkpoints if the training is finished.

        Rejected checkpoints are kept. Call it only while no other process trains the run.
        """
        if self.finished:
            for folder in self.checkpoints():
                storage.remove_folder(folder)
        storage.clear_leftovers(self.checkpoint_folder)
        if self.finished and self.checkpoint_folder.is_dir() and not any(self.checkpoint_folder.iterdir()):
            storage.remove_folder(self.checkpoint_folder)
        storage.clear_leftovers(self.path)


def create(
    name: str, environment: dict[str, Any], out: Path | None = None, recipe: Recipe | None = None, **values: Any
) -> Run:
    """Create a new run folder. An existing folder is never changed; the next free name is used instead.

    Args:
        name: name of the folder in ``runs/``.
        environment: the conditions, as returned by ``runtime.environment``.
        out: the folder to create instead of ``runs/NAME``.
        recipe: the recipe of the training, if there is one.
        values: other fields of the ``RunRecord``, such as the data.

    Raises:
        StorageError: the folder cannot be written. No partial folder is left.
    """
    created = datetime.now(UTC).isoformat(timespec="microseconds")
    record = RunRecord(state="running", created=created, **values)
    run = Run(storage.new_folder(out or HOME / name))
    try:
        storage.write_json(run.path / ENVIRONMENT, environment)
        if recipe:
            storage.write_json(run.path / RECIPE, recipe.to_json())
        write_record(run.path, record)  # last: a folder with run.json is a complete run
    except StorageError:
        storage.remove_folder(run.path)
        raise
    return run
