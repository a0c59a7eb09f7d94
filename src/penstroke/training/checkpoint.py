"""Checkpoints: folders from which an interrupted training run continues bit for bit.

A checkpoint is the folder ``RUN/checkpoints/EPOCH-STEP/`` with the model file, the other tensors of the training, its
state in JSON, and a manifest with the SHA-256 of each file. The folder gets its name after all files are on the disk.
The latest two checkpoints are kept.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save

from penstroke import storage
from penstroke.data import Dataset, training_fingerprint
from penstroke.errors import ModelError, PenstrokeError, RunError, StorageError
from penstroke.models.files import model_bytes
from penstroke.models.modules import weights_of
from penstroke.recipes import Recipe
from penstroke.runs import MODEL, Run
from penstroke.training.callbacks import Callback
from penstroke.training.history import Progress, State
from penstroke.training.interval import CheckpointInterval
from penstroke.training.snapshot import Snapshot, capture

FORMAT = "penstroke-checkpoint-2"
TENSORS, STATE, MANIFEST = "training.safetensors", "state.json", "manifest.json"
FILES = (MODEL, TENSORS, STATE)
KEPT = 2
"""Number of checkpoints that are kept."""


@dataclass(frozen=True)
class Checkpoint:
    """The content of a checkpoint that matches its manifest."""

    folder: Path
    snapshot: Snapshot
    context: dict[str, Any]
    """The state file: conditions, fingerprint of the images, size of the metrics file, and the snapshot's values."""
    recipe: Recipe


@dataclass
class Checkpointer(Callback):
    """Writes checkpoints of a run.

    Args:
        run: the run.
        data: its data.
        context: recipe, data and conditions, which each checkpoint contains.
        interval: how often checkpoints are written.
        flush: writes the metrics of all completed steps.
        last: the checkpoint from which the training was resumed.
    """

    run: Run
    data: Dataset
    context: dict[str, Any]
    interval: CheckpointInterval
    flush: Callable[[], None]
    last: Path | None = None
    """The latest checkpoint."""
    _state: State | None = None
    _fingerprint: str = ""
    _steps: int = 0
    _since: float = field(default_factory=time.monotonic)
    _cost: float = 0.0

    def on_train_start(self, state: State) -> None:
        """Keep a reference to the state."""
        self._state = state
        self._since = time.monotonic()

    def on_step_end(self, progress: Progress) -> None:  # noqa: ARG002 - the state contains more
        """Write a checkpoint if the interval has passed."""
        self._steps += 1
        if self.interval.due(self._steps, time.monotonic() - self._since, self._cost):
            self.save()

    def save(self) -> None:
        """Write a checkpoint, unless the latest one is of the current step.

        Raises:
            StorageError: the checkpoint cannot be written. Earlier checkpoints are unchanged.
            ModelError: a number of the state is not finite.
        """
        state = self._state
        assert state, "the training has started"
        folder = self.run.checkpoint_folder / f"{state.epoch:04}-{state.step:06}"
        if self.interval.never or folder == self.last:
            return
        started = time.monotonic()
        self._write(folder, state)
        self.last = folder
        for old in self.run.checkpoints()[KEPT:]:
            storage.remove_folder(old)
        self._steps, self._since = 0, time.monotonic()
        self._cost = self._since - started

    def _write(self, folder: Path, state: State) -> None:
        snapshot = capture(state)
        self.flush()
        self._fingerprint = self._fingerprint or training_fingerprint(self.data)
        context = {**self.context, "images": self._fingerprint, "metrics": self.run.metrics.size}
        description = replace(state.description, trained=self.context)
        content = {
            MODEL: model_bytes(weights_of(state.network), description),
            TENSORS: save({name: value.cpu().contiguous() for name, value in snapshot.tensors.items()}),
            STATE: _json({"format": FORMAT, **context, **snapshot.values}),
        }
        content[MANIFEST] = _manifest(content)
        storage.make_folder(folder.parent)
        storage.write_folder(folder, content)
        if _contents(folder) != content:
            storage.set_aside(folder)
            raise StorageError(f"{folder} differs from what was written.", "Check the disk.")


def latest(run: Run, report: Callable[[str], None]) -> Checkpoint | None:
    """Return the newest valid checkpoint of ``run``, or None. Invalid ones are set aside and reported.

    Args:
        run: the run.
        report: called with one sentence for each invalid checkpoint.

    Raises:
        RunError: a checkpoint cannot be opened.
        StorageError: an invalid checkpoint cannot be set aside.
    """
    for folder in run.checkpoints():
        try:
            checkpoint = read(folder)
            if checkpoint.recipe != run.recipe():
                raise ModelError(f"The checkpoint {folder} belongs to another recipe.")
        except ModelError as error:
            report(f"{error.message} It was renamed to {storage.set_aside(folder)}; the previous one is used.")
        else:
            return checkpoint
    return None


def read(folder: Path) -> Checkpoint:
    """Return the checkpoint in ``folder``.

    Raises:
        ModelError: the checkpoint does not match its manifest, or is invalid.
        RunError: a file of the checkpoint cannot be opened.
    """
    content = _contents(folder)
    if content.pop(MANIFEST, None) != _manifest(content) or content.keys() != set(FILES):
        raise ModelError(f"The checkpoint {folder} is damaged: its files do not match its manifest.")
    try:
        state = json.loads(content[STATE])
        if state["format"] != FORMAT:
            raise ModelError(f"The checkpoint {folder} has the format {state['format']}, not {FORMAT}.")
        if folder.name != f"{state['epoch']:04}-{state['step']:06}":
            raise ModelError(f"The checkpoint {folder} belongs to epoch {state['epoch']}, step {state['step']}.")
        snapshot = Snapshot(load(content[MODEL]), load(content[TENSORS]), state)
        return Checkpoint(folder, snapshot, state, Recipe.from_json(state["recipe"]))
    except ModelError:
        raise
    except (SafetensorError, PenstrokeError, KeyError, TypeError, RecursionError, ValueError) as error:
        raise ModelError(f"The checkpoint {folder} is invalid: {error}.") from error


def _contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a checkpoint, without those that are missing or not regular files."""
    contents = {}
    for name in (*FILES, MANIFEST):
        path = folder / name
        try:
            if path.is_file() and not path.is_symlink():
                contents[name] = path.read_bytes()
        except OSError as error:
            raise RunError(
                f"{path} cannot be read: {error.strerror}.", "Check the disk and its permissions."
            ) from error
    return contents


def _manifest(files: Mapping[str, bytes]) -> bytes:
    """Return the content of the manifest of ``files``. It is compared byte by byte, so it need not be trusted."""
    sums = {
        name: {"bytes": len(files[name]), "sha256": hashlib.sha256(files[name]).hexdigest()} for name in sorted(files)
    }
    return _json({"format": FORMAT, "files": sums})


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
