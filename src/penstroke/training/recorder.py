"""A training that leaves a run folder behind: ``fit``, with everything kept."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from penstroke import runs
from penstroke.data import CARDS, Dataset
from penstroke.data.split import fingerprint
from penstroke.errors import PenstrokeError, RunError, StorageError
from penstroke.models.build import shapes
from penstroke.models.files import save_model
from penstroke.recipes import Recipe
from penstroke.runs import Run
from penstroke.runtime import choose_device, differences, enough_memory, environment
from penstroke.training.checkpoint import Checkpoint, Checkpointer, Pace, latest
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


@dataclass(frozen=True)
class _Plan:
    """What a new training and a resumed one share."""

    recipe: Recipe
    data: Dataset
    device: str
    sinks: Sequence[Sink]
    pace: Pace
    conditions: dict[str, Any]


def train_run(
    recipe: Recipe,
    data: Dataset,
    device: str = "auto",
    out: Path | None = None,
    sinks: Sequence[Sink] = (),
    pace: Pace = Pace(),  # noqa: B008 - frozen
) -> tuple[Run, Fitted]:
    """Train as ``fit`` does, and keep everything in a new run folder.

    A training that a sink ends early leaves a run with a model, in the state `unfinished`; one that fails leaves a
    run in the state `failed`, with the reason. ``resume_run`` goes on with either, or with one that was killed.

    Args:
        recipe: the whole description of the training.
        data: what to train on.
        device: as for ``fit``.
        out: the folder wanted; the next free name is taken if it exists.
        sinks: told of every step and epoch.
        pace: how often a checkpoint is written.

    Raises:
        UsageError, ModelError, DataError: as ``fit`` does.
        StorageError: the run cannot be written.
    """
    conditions = environment(choose_device(device))
    _, channels, height, width = data.train.images.shape
    shapes(recipe.network, (channels, height, width), len(data.train.classes))  # a fault now leaves no run behind
    run = runs.create(recipe.name, conditions, out, recipe, data=_source(data))
    with run.training():
        return run, _train(run, _Plan(recipe, data, device, sinks, pace, conditions), None)


def resume_run(
    run: Run,
    data: Dataset,
    device: str = "auto",
    sinks: Sequence[Sink] = (),
    pace: Pace = Pace(),  # noqa: B008 - frozen
    say: Callable[[str], None] = lambda _: None,
) -> Fitted:
    """Go on with a run at its latest whole checkpoint, to what it would have been without the break, bit for bit.

    Args:
        run: not finished.
        data: what it was trained on.
        device: as for ``fit``.
        sinks: told of every step and epoch from there on.
        pace: how often a checkpoint is written.
        say: told where it goes on, which checkpoints are bad, and which conditions differ, so that the promise fails.

    Raises:
        RunError: the run is finished, or being trained, or its images are not those of ``data``.
        UsageError, ModelError, DataError, StorageError: as for ``train_run``.
    """
    conditions = environment(choose_device(device))
    with run.training():
        if run.finished:
            raise RunError(f"The run {run.path} is finished: there is nothing to resume.")
        run.tidy()
        found = latest(run, say)
        differ = _differences(run, found, data, conditions) if found else []
        place = f"epoch {found.snapshot.values['epoch']}, step {found.snapshot.values['step']}" if found else None
        say(f"{run.path} goes on after {place}" if place else f"{run.path} has no checkpoint and begins anew")
        if differ:
            say(f"the result may differ from that of an unbroken run: {'; '.join(differ)}")
        run.metrics.cut(int(found.context["metrics"]) if found else 0)
        resumed = {"after": place, "when": datetime.now(UTC).isoformat(timespec="seconds"), "differ": differ}
        run.update(state="running", error=None, resumed=[*run.read().get("resumed", []), resumed])
        return _train(run, _Plan(run.recipe(), data, device, sinks, pace, conditions), found)


def _differences(run: Run, found: Checkpoint, data: Dataset, conditions: dict[str, Any]) -> list[str]:
    """Return in words what keeps a resumed training from being the unbroken one.

    Raises:
        RunError: the images are others.
    """
    if found.context["images"] != fingerprint(data.train):
        raise RunError(
            f"The training images are not those that {run.path} was trained on.",
            "Put the images back as they were, or train anew.",
        )
    lost = int(found.context["metrics"]) - run.metrics.size
    more = [f"{run.metrics.path.name} lacks {lost} bytes"] if lost > 0 else []
    return differences(found.context["conditions"], conditions) + more


def _train(run: Run, plan: _Plan, found: Checkpoint | None) -> Fitted:
    """Train a run from its beginning or from a checkpoint to its end, and keep what comes of it."""
    source = run.read()["data"]
    recorder = Recorder(run)
    context = {"recipe": plan.recipe.to_json(), "data": source, "conditions": plan.conditions}
    checkpointer = Checkpointer(
        run, plan.data.train, context, plan.pace, recorder.flush, found.folder if found else None
    )
    sinks = [recorder, checkpointer, *plan.sinks]
    try:
        with enough_memory("Take a smaller network (--channels, --hidden) or smaller batches (--batch-size)."):
            fitted = fit(plan.recipe, plan.data, plan.device, sinks, found.snapshot if found else None)
        recorder.flush()
        if not fitted.history.finished:
            checkpointer.save()
        fitted = _keep(run, fitted, context)
    except PenstrokeError as fault:
        told = _with_checkpoint(fault, run, checkpointer.last)
        error = {"kind": told.kind, "message": told.message, "remedy": told.remedy}
        with suppress(StorageError):  # a full disk must not hide the reason
            run.update(state="failed", error=error)
        raise told from fault
    if fitted.history.finished:
        run.tidy()
    return fitted


def _keep(run: Run, fitted: Fitted, context: dict[str, Any]) -> Fitted:
    """Write the model and the results, and return the training with them in its description."""
    rows = [row.to_json() for row in fitted.history.epochs]
    finished = fitted.history.finished
    trained = {
        "recipe": context["recipe"],
        "data": context["data"],
        "epochs": len(rows),
        "finished": finished,
        "environment": context["conditions"],
    }
    description = replace(fitted.description, trained=trained, test=rows[-1]["test"] if rows else None)
    save_model(run.model_path, fitted.model, description)
    run.update(state="finished" if finished else "unfinished", epochs=rows, seconds=fitted.history.seconds)
    return replace(fitted, description=description)


def _with_checkpoint(fault: PenstrokeError, run: Run, last: Path | None) -> PenstrokeError:
    """Return ``fault`` with what can be done about it now that there is a checkpoint."""
    if last is None:
        return fault
    if isinstance(fault, StorageError):
        return type(fault)(fault.message, f"{fault.remedy} Then go on with `penstroke train --resume {run.path}`.")
    return type(fault)(fault.message, f"{fault.remedy} The last good checkpoint is {last}.")


def _source(data: Dataset) -> dict[str, Any]:
    """Return what a run keeps of its data: name, what the user asked for, what loads it again, notes."""
    name = data.card.name
    # What later commands load again without being told: a card by its name, a folder by its whole path.
    again = name if name in CARDS else str(Path(data.requested).expanduser().resolve())
    return {"name": name, "requested": data.requested, "source": again, "notes": list(data.notes)}
