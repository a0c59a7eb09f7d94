"""Checkpoints: folders from which a training goes on bit for bit, whatever ended it.

A checkpoint is ``RUN/checkpoints/EPOCH-STEP/`` with the model file, the training's other tensors, its state in JSON,
and a manifest with the SHA-256 of each. It gets its name when all of that is on the disk. The latest two are kept.
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
from penstroke.data.split import Split, fingerprint
from penstroke.errors import ModelError, RunError, StorageError
from penstroke.models.files import model_bytes
from penstroke.recipes import Recipe
from penstroke.runs import MODEL, Run
from penstroke.training.history import Progress, Sink, State
from penstroke.training.snapshot import Snapshot, take

FORMAT = "penstroke-checkpoint-1"
TENSORS, STATE, MANIFEST = "training.safetensors", "state.json", "manifest.json"
FILES = (MODEL, TENSORS, STATE)
GENERATIONS = 2
"""Checkpoints that are kept."""

AT_LEAST = 10.0
"""Seconds between two checkpoints when nothing else is asked for..."""
SHARE = 0.02
"""...or more, so that writing them takes no larger share of the time than this."""


@dataclass(frozen=True)
class Pace:
    """How often a checkpoint is written; by default every 10 seconds, or less often where 2 % would go into it."""

    steps: int | None = None
    seconds: float | None = None
    never: bool = False

    def due(self, steps: int, seconds: float, cost: float) -> bool:
        """Tell whether it is time, so many steps and seconds after the last checkpoint, which took ``cost`` seconds."""
        if self.never:
            return False
        if self.steps is not None:
            return steps >= self.steps
        return seconds >= (max(AT_LEAST, cost / SHARE) if self.seconds is None else self.seconds)


@dataclass(frozen=True)
class Checkpoint:
    """What was read of a checkpoint, its manifest checked."""

    folder: Path
    snapshot: Snapshot
    context: dict[str, Any]
    """What else the state file holds: conditions, fingerprint of the images, bytes of metrics written before it."""
    recipe: Recipe


@dataclass
class Checkpointer(Sink):
    """Writes checkpoints of a run as often as ``pace`` says, and keeps the latest two."""

    run: Run
    split: Split
    """The training images."""
    context: dict[str, Any]
    """Recipe, data and conditions."""
    pace: Pace
    flush: Callable[[], None]
    """Writes the metrics of the steps done so far."""
    last: Path | None = None
    """The latest checkpoint."""
    _state: State | None = None
    _steps: int = 0
    _since: float = field(default_factory=time.monotonic)
    _cost: float = 0.0

    def begun(self, state: State) -> None:
        """Keep an eye on the state."""
        self._state = state
        self._since = time.monotonic()

    def stepped(self, progress: Progress) -> None:  # noqa: ARG002 - the state says more
        """Write a checkpoint if it is time."""
        self._steps += 1
        if self.pace.due(self._steps, time.monotonic() - self._since, self._cost):
            self.save()

    def save(self) -> None:
        """Write a checkpoint of where the training stands, unless that is the latest one already.

        Raises:
            StorageError: it cannot be written; those before it are as they were.
            ModelError: a number of the state is not finite.
        """
        assert self._state, "a training has begun"
        folder = self.run.checkpoints / f"{self._state.epoch:04}-{self._state.step:06}"
        if self.pace.never or folder == self.last:
            return
        begun = time.monotonic()
        snapshot = take(self._state)
        self.flush()
        context = {**self.context, "images": self._images(), "metrics": self.run.metrics.size}
        content = {
            MODEL: model_bytes(self._state.model, replace(self._state.description, trained=self.context)),
            TENSORS: save({name: value.cpu().contiguous() for name, value in snapshot.tensors.items()}),
            STATE: _json({"format": FORMAT, **context, **snapshot.values}),
        }
        content[MANIFEST] = _manifest(content)
        storage.make_folder(folder.parent)
        storage.write_folder(folder, content)
        if _contents(folder) != content:
            storage.set_aside(folder)
            raise StorageError(f"{folder} was not kept by the disk as written.", "Check the disk.")
        self.last = folder
        for old in self.run.generations()[GENERATIONS:]:
            storage.remove_folder(old)
        self._steps, self._since = 0, time.monotonic()
        self._cost = self._since - begun

    def _images(self) -> str:
        if "images" not in self.context:
            self.context["images"] = fingerprint(self.split)
        return str(self.context["images"])


def latest(run: Run, say: Callable[[str], None]) -> Checkpoint | None:
    """Return the newest checkpoint of ``run`` that is whole, or None; bad ones are set aside, aloud through ``say``.

    Raises:
        RunError: one cannot be opened.
        StorageError: one cannot be set aside.
    """
    for folder in run.generations():
        try:
            found = read(folder)
            if found.recipe != run.recipe():
                raise ModelError(f"The checkpoint {folder} is of another recipe.")
        except ModelError as fault:
            say(f"{fault.message} It is kept as {storage.set_aside(folder)}, and the one before it is used.")
        else:
            return found
    return None


def read(folder: Path) -> Checkpoint:
    """Return the checkpoint in ``folder``.

    Raises:
        ModelError: it is not whole, or not what was written there.
        RunError: it cannot be opened.
    """
    content = _contents(folder)
    if content.pop(MANIFEST, None) != _manifest(content) or content.keys() != set(FILES):
        raise ModelError(f"The checkpoint {folder} is damaged: its files are not those of its manifest.")
    try:
        state = json.loads(content[STATE])
        if state["format"] != FORMAT or folder.name != f"{state['epoch']:04}-{state['step']:06}":
            raise ModelError(f"The checkpoint {folder} is of format {state['format']}, or stands at another's place.")
        snapshot = Snapshot(load(content[MODEL]), load(content[TENSORS]), state)
        return Checkpoint(folder, snapshot, state, Recipe.from_json(state["recipe"]))
    except ModelError:
        raise
    except (SafetensorError, KeyError, TypeError, RecursionError, ValueError) as fault:
        raise ModelError(f"The checkpoint {folder} makes no sense: {fault}.") from fault


def _contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a checkpoint; what is missing, or no plain file, is left out."""
    found = {}
    for name in (*FILES, MANIFEST):
        path = folder / name
        try:
            if path.is_file() and not path.is_symlink():
                found[name] = path.read_bytes()
        except OSError as fault:
            raise RunError(
                f"{path} cannot be read: {fault.strerror}.", "Check the disk and its permissions."
            ) from fault
    return found


def _manifest(files: Mapping[str, bytes]) -> bytes:
    """Return the content of the manifest of ``files``: comparing it whole leaves nothing in it to be believed."""
    sums = {
        name: {"bytes": len(files[name]), "sha256": hashlib.sha256(files[name]).hexdigest()} for name in sorted(files)
    }
    return _json({"format": FORMAT, "files": sums})


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
