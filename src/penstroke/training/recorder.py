"""A training that leaves a run folder behind: ``fit``, with everything kept."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from penstroke import runs, storage
from penstroke.data import CARDS, Dataset
from penstroke.errors import PenstrokeError
from penstroke.models.build import shapes
from penstroke.models.files import save_model
from penstroke.recipes import Recipe
from penstroke.runs import Run
from penstroke.runtime import choose_device, enough_memory, environment
from penstroke.training.history import EpochRow, Progress, Sink
from penstroke.training.loop import Fitted, fit

FLUSH_EVERY = 1000
"""Steps that are kept in memory before they are written."""


class Recorder(Sink):
    """Writes the metrics of every step and epoch into a run, many at a time."""

    def __init__(self, run: Run) -> None:
        self._metrics = run.metrics
        self._steps: list[Progress] = []

    def stepped(self, progress: Progress) -> None:
        """Keep the step, its loss unread: reading would wait for the device."""
        self._steps.append(progress)
        if len(self._steps) == FLUSH_EVERY:
            self.flush()

    def epoch_ended(self, row: EpochRow) -> None:
        """Write the epoch's steps and its row."""
        self.flush()
        self._metrics.append({"kind": "epoch"} | row.to_json())

    def flush(self) -> None:
        """Write the steps kept so far."""
        if not self._steps:
            return
        losses = torch.stack([step.loss for step in self._steps]).tolist()
        self._metrics.append(
            *(
                {"kind": "step", "epoch": step.epoch, "step": step.step, "loss": loss, "lr": step.lr}
                for step, loss in zip(self._steps, losses, strict=True)
            )
        )
        self._steps.clear()


def train_run(
    recipe: Recipe,
    data: Dataset,
    device: str = "auto",
    out: Path | None = None,
    sinks: Sequence[Sink] = (),
) -> tuple[Run, Fitted]:
    """Train as ``fit`` does, and keep everything in a new run folder.

    A training that a sink ends early leaves a run with a model, in the state `unfinished`; one that fails leaves a
    run in the state `failed`, with the reason.

    Args:
        recipe: the whole description of the training.
        data: what to train on.
        device: as for ``fit``.
        out: the folder wanted; the next free name is taken if it exists.
        sinks: told of every step and epoch.

    Raises:
        UsageError, ModelError, DataError: as ``fit`` does.
        StorageError: the run cannot be written.
    """
    conditions = environment(choose_device(device))
    _, channels, height, width = data.train.images.shape
    shapes(recipe.network, (channels, height, width), len(data.train.classes))  # a fault now leaves no run behind
    source = _source(data)
    run = runs.create(recipe.name, conditions, out, data=source)
    storage.write_json(run.path / "recipe.json", recipe.to_json())
    recorder = Recorder(run)
    try:
        with enough_memory("Take a smaller network (--channels, --hidden) or smaller batches (--batch-size)."):
            fitted = fit(recipe, data, device, [recorder, *sinks])
    except PenstrokeError as fault:
        run.update(state="failed", error={"kind": fault.kind, "message": fault.message, "remedy": fault.remedy})
        raise
    recorder.flush()
    rows = [row.to_json() for row in fitted.history.epochs]
    last_test = rows[-1]["test"] if rows else None
    trained: dict[str, Any] = {
        "recipe": recipe.to_json(),
        "data": source,
        "epochs": len(rows),
        "finished": fitted.history.finished,
        "environment": conditions,
    }
    fitted = dataclasses.replace(
        fitted, description=dataclasses.replace(fitted.description, trained=trained, test=last_test)
    )
    save_model(run.model_path, fitted.model, fitted.description)
    state = "finished" if fitted.history.finished else "unfinished"
    run.update(state=state, epochs=rows, seconds=fitted.history.seconds)
    return run, fitted


def _source(data: Dataset) -> dict[str, Any]:
    """Return what a run keeps of its data: name, what the user asked for, what loads it again, notes."""
    name = data.card.name
    # What later commands load again without being told: a card by its name, a folder by its whole path.
    again = name if name in CARDS else str(Path(data.requested).expanduser().resolve())
    return {"name": name, "requested": data.requested, "source": again, "notes": list(data.notes)}
