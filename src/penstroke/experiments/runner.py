"""Train the runs of a plan in parallel processes. Finished runs are skipped, and unfinished ones are resumed.

Each process is a new Python interpreter with its own threads; see ``worker``. The state of an experiment is in its run
folders alone, so that it survives a kill at any time.
"""

from collections.abc import Callable
from concurrent.futures import as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from penstroke import runs, storage
from penstroke.data import Dataset, absolute_source, training_fingerprint
from penstroke.data.sources import load_options
from penstroke.errors import PenstrokeError, RunError
from penstroke.experiments.plan import Experiment, Plan
from penstroke.experiments.source import Source
from penstroke.experiments.workers import DIVERGED, Conditions, Workers
from penstroke.models.modules import check_network
from penstroke.runs import Run, RunRecord
from penstroke.runs.record import read_object
from penstroke.training.adapt import adapt_to

FILE = "experiment.json"
Report = Callable[[Experiment, int], None]


def kept_row(record: RunRecord) -> dict[str, Any]:
    """Return the results of the epoch whose weights a finished run keeps: the last one, or the best."""
    return record.epochs[(record.kept_epoch or len(record.epochs)) - 1]


@dataclass(frozen=True)
class Experiments:
    """The trainings of a plan on one dataset, in one folder.

    Args:
        plan: the trainings.
        folder: the folder of the experiment; the runs are in it.
        data: the dataset, with the training images that are used.
        source: what each process loads them from.
    """

    plan: Plan
    folder: Path
    data: Dataset
    source: Source

    def run(self, experiment: Experiment) -> Run:
        """Return the run of an experiment, which need not exist."""
        return Run(self.folder / experiment.name)

    def done(self, experiment: Experiment) -> bool:
        """Return whether the run is finished, or failed in a way that depends on its recipe alone.

        Raises:
            RunError: the run is damaged, or has another recipe.
        """
        run = self.run(experiment)
        if not runs.is_run(run.path):
            return False
        if run.recipe() != experiment.recipe:
            raise RunError(
                f"{run.path} is a run of another recipe than this experiment.", "Choose another folder with --out."
            )
        record = run.record
        return record.state == "finished" or (
            record.state == "failed" and record.error is not None and record.error["kind"] == DIVERGED
        )


def open_experiments(
    plan: Plan, folder: Path, source: Source | str = "auto", images: int | None = None, progress: Any = None
) -> Experiments:
    """Load the data, check that every setting fits it, and open or create the folder of an experiment.

    Args:
        plan: the trainings.
        folder: the folder, new or from an interrupted experiment with the same data. Several plans may share one.
        source: the data, or the argument of ``load``. An experiment that is continued without a size or without
            ``skip_broken`` has those with which it was started.
        images: train on this number of images, stratified; None for all, or for the number in ``source``.
        progress: called for each piece of a download.

    Raises:
        UsageError, DataError: the data are missing or invalid, or a setting does not fit them.
        RunError: the folder belongs to an experiment with other training images.
        StorageError: the folder cannot be written.
    """
    path = folder / FILE
    before = read_object(path) if path.is_file() else None
    source = Source(source, images) if isinstance(source, str) else source
    if before is not None:
        known = _options(path, before)
        size, skip_broken = source.size or known["size"], source.skip_broken or known["skip_broken"]
        source = replace(source, size=size, skip_broken=skip_broken)
    data = source.load(progress)
    _, channels, height, width = data.train.images.shape
    settings = tuple(replace(each, recipe=adapt_to(each.recipe, data)[0]) for each in plan.settings)
    plan = replace(plan, settings=settings)
    for setting in plan.settings:
        try:
            check_network(setting.recipe.network, (channels, height, width), len(data.train.classes))
        except PenstrokeError as error:
            raise type(error)(f"With {setting.label}: {error.message}", error.remedy) from error
    used: dict[str, Any] = {
        "data": data.card.name,
        "images": len(data.train),
        "fingerprint": training_fingerprint(data),
    }
    used["shape"] = f"{width}x{height}"
    if before is not None:
        _check_data(path, before, used)
    else:
        storage.make_folder(folder)
        storage.write_json(path, used | {"options": data.options})
    # Other processes may have another current folder.
    return Experiments(plan, folder, data, replace(source, data=absolute_source(data)))


def _options(path: Path, before: dict[str, Any]) -> dict[str, Any]:
    """Return the options with which the data of an experiment were read."""
    try:
        return load_options(before.get("options") or {})
    except ValueError as error:
        raise RunError(f"{path} is damaged: {error}.", "Choose another folder with --out.") from error


def _described(used: dict[str, Any]) -> str:
    return f"{used.get('images')} images of {used.get('data')} ({used.get('shape', 'of unknown size')})"


def _check_data(path: Path, before: dict[str, Any], used: dict[str, Any]) -> None:
    if before.get("fingerprint") != used["fingerprint"]:
        raise RunError(
            f"{path.parent} holds an experiment on {_described(before)}, and this one uses {_described(used)}.",
            "Choose another folder with --out, or use the same data.",
        )


def run_experiments(
    experiments: Experiments,
    conditions: Conditions = Conditions(),  # noqa: B008 - frozen
    report: Report = lambda *_: None,
) -> None:
    """Train all runs of an experiment that are not done.

    A training that diverges is done, too: its run has the state `failed`. If this process is stopped or killed, the
    trainings stop after their step and write a checkpoint; calling this again continues them.

    Args:
        experiments: the trainings.
        conditions: number of processes, threads and device.
        report: called after each training, with the number of those that are left.

    Raises:
        RunError: a run has another recipe, another process works in the folder, or a process ended.
        PenstrokeError: a training failed for a reason other than its recipe, such as a full disk.
    """
    with storage.locked(experiments.folder, f"Another process works on {experiments.folder}."):
        waiting = [each for each in experiments.plan.experiments() if not experiments.done(each)]
        if not waiting:
            return
        # The number of threads changes the bits of a training, so it must not depend on how many are left.
        conditions = conditions.resolved(len(experiments.plan))
        conditions = replace(conditions, jobs=min(conditions.jobs or 1, len(waiting)))
        left = len(waiting)
        with Workers(conditions) as workers:

            def train(experiment: Experiment) -> None:
                path = experiments.run(experiment).path
                workers.train(experiment.recipe, path, experiments.source)

            futures = {workers.threads.submit(train, each): each for each in waiting}
            for future in as_completed(futures):
                future.result()
                left -= 1
                report(futures[future], left)
