"""Training into a run folder: ``fit``, with its metrics, checkpoints, model and results written to a run."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from penstroke import runs, storage
from penstroke.data import Dataset, absolute_source, fingerprint, training_fingerprint
from penstroke.errors import DataError, PenstrokeError, RunError, StorageError, UsageError
from penstroke.models.files import model_bytes
from penstroke.models.modules import check_network, weights_of
from penstroke.recipes import Recipe
from penstroke.runs import Run
from penstroke.runtime import choose_device, enough_memory, training_dtype
from penstroke.training.adapt import adapt_to
from penstroke.training.callbacks import Callback, check_callbacks
from penstroke.training.checkpoint import Checkpoint, Checkpointer, latest
from penstroke.training.conditions import changed_conditions, check_processes, training_conditions
from penstroke.training.distillation import open_teacher
from penstroke.training.fitted import Fitted
from penstroke.training.history import EpochRow, Progress
from penstroke.training.init import Init
from penstroke.training.interval import CheckpointInterval
from penstroke.training.loop import fit
from penstroke.training.snapshot import Snapshot
from penstroke.training.start import check_statistics
from penstroke.training.world import World

FLUSH_EVERY = 1000
"""Steps that are kept in memory before they are written."""


class Recorder(Callback):
    """Writes the metrics of all steps and epochs to a run, many steps at a time."""

    def __init__(self, run: Run) -> None:
        self._metrics = run.metrics
        self._steps: list[Progress] = []

    def on_step_end(self, progress: Progress) -> None:
        """Keep the step. Its loss is read later, because reading waits for the device."""
        self._steps.append(progress)
        if len(self._steps) == FLUSH_EVERY:
            self.flush()

    def on_epoch_end(self, row: EpochRow) -> None:
        """Write the steps of the epoch and its results."""
        self.flush()
        self._metrics.append({"kind": "epoch"} | row.to_json())

    def flush(self) -> None:
        """Write the steps that are kept in memory."""
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
class _Training:
    """The arguments that a new training run and a resumed one have in common."""

    recipe: Recipe
    data: Dataset
    device: str
    callbacks: Sequence[Callback]
    interval: CheckpointInterval
    conditions: dict[str, Any]
    init: Init | None
    world: World


def train_run(
    recipe: Recipe,
    data: Dataset,
    *,
    device: str = "auto",
    out: Path | None = None,
    callbacks: Sequence[Callback] = (),
    interval: CheckpointInterval = CheckpointInterval(),  # noqa: B008 - frozen
    report: Callable[[str], None] = lambda _: None,
    init: Init | None = None,
    world: World = World(),  # noqa: B008 - frozen
    job: str | None = None,
) -> tuple[Run, Fitted]:
    """Train as ``fit`` does, and record everything in a new run folder.

    If a callback stops the training, the run has a model and the state `unfinished`. If the training fails, the run has
    the state `failed` and records the reason. ``resume_run`` continues both, and runs that were killed.

    Args:
        recipe: the complete description of the training.
        data: the data to train on.
        device: see ``fit``.
        out: folder of the run; if it exists, the next free name is used.
        callbacks: notified of each step and epoch.
        interval: how often checkpoints are written.
        report: called with one sentence for each value of the recipe that is chosen by the training images.
        init: what the training takes from another model: see ``init.plan``.
        world: number of processes. This process has the rank 0; the others call ``follow_run``.
        job: name of the launch of these processes, which the run records.

    Raises:
        UsageError, ModelError, DataError: see ``fit``.
        StorageError: the run cannot be written.
        ProcessError: another process has ended.
    """
    check_callbacks(callbacks)
    used = choose_device(device)
    conditions = training_conditions(str(used), world)
    # Checked before the run folder is created, so that an invalid call creates none.
    _, channels, height, width = data.train.images.shape
    recipe, notes = adapt_to(recipe, data)
    if recipe.precision == "auto" and training_dtype("auto", used) == torch.bfloat16:
        notes.append("training computes in bfloat16, for which this device has instructions (--precision float32)")
    for note in notes:
        report(note)
    check_network(recipe.network, (channels, height, width), len(data.train.classes))
    check_statistics(recipe.mean, recipe.std, channels)
    if recipe.teacher:
        open_teacher(recipe.teacher, data.train, used)
    values = {"data": _source(data), "checkpoint_every": str(interval), "init": init.to_json() if init else None}
    values["job"] = job
    run = runs.create(recipe.name, conditions, out, recipe, **values)
    with run.locked_for_training():
        return run, _train(run, _Training(recipe, data, device, callbacks, interval, conditions, init, world), None)


def resume_run(
    run: Run,
    data: Dataset,
    *,
    device: str = "auto",
    callbacks: Sequence[Callback] = (),
    interval: CheckpointInterval | None = None,
    report: Callable[[str], None] = lambda _: None,
    world: World = World(),  # noqa: B008 - frozen
) -> Fitted:
    """Continue a run from its latest valid checkpoint. The result equals that of an uninterrupted run, bit for bit.

    Args:
        run: a run that is not finished.
        data: the data that it was trained on.
        device: see ``fit``.
        callbacks: notified of each step and epoch from now on.
        interval: how often checkpoints are written; None keeps the interval of the run.
        report: called with one sentence for each of these: where the run resumes, which checkpoints are invalid, and
            which conditions differ, so that the result may differ, too.
        world: see ``train_run``. The number of processes may be another one than before.

    Raises:
        RunError: the run is finished, is being trained, or was trained on other images; or it has no checkpoint, and
            the model that it starts from is missing or has changed.
        UsageError, ModelError, DataError, StorageError: see ``train_run``.
    """
    check_callbacks(callbacks)
    conditions = training_conditions(str(choose_device(device)), world)
    with run.locked_for_training():
        if run.finished:
            raise RunError(f"The run {run.path} is finished: there is nothing to resume.")
        recorded: dict[str, Any] = dict(run.record.data or {})
        given = _source(data)
        for added in ("outliers", "corrections"):
            if given.get(added) != recorded.get(added):
                raise RunError(
                    f"The {added} are not those that {run.path} was trained with.", "Restore them, or train a new run."
                )
        interval = interval or _recorded_interval(run)
        run.remove_leftovers()
        checkpoint = latest(run, report)
        check_processes(run.recipe(), checkpoint.context["conditions"] if checkpoint else conditions, world)
        init = Init.from_json(run.record.init) if run.record.init else None
        if init and checkpoint is None:
            init = init.reopened()
        differ = changed_conditions(run, checkpoint, data, conditions) if checkpoint else []
        position = checkpoint.snapshot.values if checkpoint else {}
        after = f"epoch {position['epoch']}, step {position['step']}" if checkpoint else None
        report(f"{run.path} resumes after {after}" if after else f"{run.path} has no checkpoint and restarts")
        if differ:
            report(f"the result may differ from that of an uninterrupted run: {'; '.join(differ)}")
        run.metrics.cut(int(checkpoint.context["metrics"]) if checkpoint else 0)
        resumed = {"after": after, "when": datetime.now(UTC).isoformat(timespec="seconds"), "differ": differ}
        run.update(state="running", error=None, checkpoint_every=str(interval), resumed=[*run.record.resumed, resumed])
        training = _Training(run.recipe(), data, device, callbacks, interval, conditions, init, world)
        return _train(run, training, checkpoint)


def follow_run(data: Dataset, *, world: World, device: str = "auto", callbacks: Sequence[Callback] = ()) -> Fitted:
    """Train with the process of rank 0, which calls ``train_run`` or ``resume_run`` and writes the run.

    Args:
        data: the same data.
        world: rank of this process and number of processes.
        device: see ``fit``.
        callbacks: notified of each step and epoch.

    Raises:
        UsageError, ModelError, DataError: see ``fit``; the training images may differ from those of rank 0.
        ProcessError: another process has ended.
    """
    recipe, init, start = _agreed(world, data)
    return fit(recipe, data, init=init, device=device, callbacks=callbacks, progress=False, start=start, world=world)


def _agreed(
    world: World, data: Dataset, recipe: Recipe | None = None, init: Init | None = None, start: Snapshot | None = None
) -> tuple[Recipe, Init | None, Snapshot | None]:
    """Return what the process of rank 0 trains.

    Raises:
        DataError: the training images of a process differ from those of rank 0.
    """
    images = training_fingerprint(data) if world.size > 1 else ""
    recipe, init, start, expected = world.from_first((recipe, init, start, images))
    if world.any(images != expected):
        raise DataError(
            "The training images of the processes differ.", "Give all of them the same data (--data, PENSTROKE_DATA)."
        )
    assert recipe is not None, "rank 0 has a recipe"
    return recipe, init, start


def _recorded_interval(run: Run) -> CheckpointInterval:
    """Return the interval in ``run.json``.

    Raises:
        RunError: the interval is invalid.
    """
    try:
        return CheckpointInterval.parse(run.record.checkpoint_every or "auto")
    except UsageError as error:
        raise RunError(f"The run {run.path} is damaged: {error.message}", "Give the interval again.") from error


def _train(run: Run, training: _Training, checkpoint: Checkpoint | None) -> Fitted:
    """Train a run from its start or from a checkpoint, and write the results."""
    recorder = Recorder(run)
    context = {"recipe": training.recipe.to_json(), "data": run.record.data, "conditions": training.conditions}
    if training.init:
        context["init"] = training.init.to_json()
    checkpointer = Checkpointer(
        run, training.data, context, training.interval, recorder.flush, checkpoint.folder if checkpoint else None
    )
    callbacks = [recorder, checkpointer, *training.callbacks]
    try:
        recipe, init, start = _agreed(
            training.world, training.data, training.recipe, training.init, checkpoint.snapshot if checkpoint else None
        )
        for callback in training.callbacks:
            callback.on_run_start(run, training.data)
        with enough_memory("Use a smaller network (--channels, --hidden) or smaller batches (--batch-size)."):
            fitted = fit(
                recipe, training.data, init=init, device=training.device, callbacks=callbacks, progress=False,
                start=start, world=training.world,
            )  # fmt: skip
        recorder.flush()
        if not fitted.history.finished:
            checkpointer.save()
        fitted = _write_results(run, fitted, context)
    except PenstrokeError as error:
        failure = _with_checkpoint(error, run, checkpointer.last)
        with suppress(StorageError):  # a full disk must not hide the original error
            run.update(state="failed", error=failure.to_json())
        for callback in training.callbacks:
            callback.on_run_end(run, None)
        raise failure from error
    if fitted.history.finished:
        run.remove_leftovers()
    for callback in training.callbacks:
        callback.on_run_end(run, fitted)
    return fitted


def _write_results(run: Run, fitted: Fitted, context: dict[str, Any]) -> Fitted:
    """Write the model and the results, and return the fitted model with them in its description."""
    rows = [row.to_json() for row in fitted.history.epochs]
    finished = fitted.history.finished
    # No times: equal training runs write equal files.
    trained = {
        "recipe": context["recipe"],
        "data": context["data"],
        "epochs": len(rows),
        "finished": finished,
        "environment": context["conditions"],
    }
    if "init" in context:
        trained["init"] = context["init"]
    kept = fitted.history.kept_row
    kept_epoch = kept.epoch if kept and kept.epoch < len(rows) else None
    if kept_epoch:
        trained["kept_epoch"] = kept_epoch
    test = kept.test.to_json() if kept and kept.test else None
    description = replace(fitted.description, trained=trained, test=test)
    storage.write_bytes(run.model_path, model_bytes(weights_of(fitted.model), description))
    state: runs.State = "finished" if finished else "unfinished"
    run.update(state=state, epochs=rows, seconds=fitted.history.seconds, kept_epoch=kept_epoch)
    return replace(fitted, description=description)


def _with_checkpoint(error: PenstrokeError, run: Run, last: Path | None) -> PenstrokeError:
    """Return ``error`` with a remedy that mentions the latest checkpoint, if there is one."""
    if last is None:
        return error
    if isinstance(error, StorageError):
        return type(error)(error.message, f"{error.remedy} Then resume with `penstroke train --resume {run.path}`.")
    return type(error)(error.message, f"{error.remedy} The latest checkpoint is {last}.")


def _source(data: Dataset) -> dict[str, Any]:
    """Return what ``run.json`` records about the data: name, user's request, source to load it from, notes."""
    value: dict[str, Any] = {
        "name": data.card.name,
        "requested": data.requested,
        "source": absolute_source(data),
        "notes": list(data.notes),
        "fingerprint": fingerprint(data.train),
    }
    if data.outliers:
        found = data.outliers
        value["outliers"] = {"folder": found.source, "images": len(found.images), "sha256": found.sha256}
    if data.corrections:
        added = data.corrections
        value["corrections"] = {"folder": added.folder, "images": len(added.split), "sha256": added.sha256}
    return value | ({"options": data.options} if data.options else {})
