"""Train the runs of a plan in parallel processes. Finished runs are skipped, and unfinished ones are resumed.

Each process is a new Python interpreter with its own threads; see ``worker``. The state of an experiment is in its run
folders alone, so that it survives a kill at any time.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from penstroke import runs, storage
from penstroke.data import CARDS, Dataset, fingerprint, load
from penstroke.errors import PenstrokeError, RunError
from penstroke.experiments.plan import Experiment, Plan
from penstroke.experiments.subset import shorter_dataset
from penstroke.experiments.workers import DIVERGED, Conditions, Workers
from penstroke.models.modules import check_network
from penstroke.runs import Run, RunRecord
from penstroke.runs.record import read_object
from penstroke.synthesis import check_augmentation
from penstroke.training.adapt import adapt
from penstroke.training.start import split_validation

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
        data: the dataset, with ``images`` of its training images.
        images: number of training images, or None for all.
    """

    plan: Plan
    folder: Path
    data: Dataset
    images: int | None

    def run(self, experiment: Experiment) -> Run:
        """Return the run of an experiment, which need not exist."""
        return Run(self.folder / experiment.name)

    @property
    def source(self) -> str:
        """What the data are loaded from: the name of a card, or the absolute path of a folder."""
        name = self.data.card.name
        return name if name in CARDS else str(Path(self.data.requested).expanduser().resolve())

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
    plan: Plan, folder: Path, source: str = "auto", images: int | None = None, progress: Any = None
) -> Experiments:
    """Load the data, check that every setting fits it, and open or create the folder of an experiment.

    Args:
        plan: the trainings.
        folder: the folder, new or from an interrupted experiment with the same data. Several plans may share one.
        source: the data; see ``load``.
        images: train on this number of images, stratified; None for all.
        progress: called for each piece of a download.

    Raises:
        UsageError, DataError: the data are missing or invalid, or a setting does not fit them.
        RunError: the folder belongs to an experiment with other training images.
        StorageError: the folder cannot be written.
    """
    data = shorter_dataset(load(source, progress=progress), images)
    _, channels, height, width = data.train.images.shape
    train, _ = split_validation(data, plan.settings[0].recipe.validation)
    plan = replace(plan, settings=tuple(replace(each, recipe=adapt(each.recipe, train)[0]) for each in plan.settings))
    for setting in plan.settings:
        try:
            check_network(setting.recipe.network, (channels, height, width), len(data.train.classes))
            check_augmentation(setting.recipe.augmentation, data.train)
        except PenstrokeError as error:
            raise type(error)(f"With {setting.label}: {error.message}", error.remedy) from error
    used = {"data": data.card.name, "images": len(data.train), "fingerprint": fingerprint(data.train)}
    path = folder / FILE
    if path.is_file():
        _check_data(path, used)
    else:
        storage.make_folder(folder)
        storage.write_json(path, used)
    return Experiments(plan, folder, data, images)


def _check_data(path: Path, used: dict[str, Any]) -> None:
    before = read_object(path)
    if before.get("fingerprint") != used["fingerprint"]:
        raise RunError(
            f"{path.parent} holds an experiment on {before.get('images')} images of {before.get('data')}, and this one "
            f"uses {used['images']} images of {used['data']}.",
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
    with _locked(experiments.folder):
        waiting = [each for each in experiments.plan.experiments() if not experiments.done(each)]
        if not waiting:
            return
        conditions = conditions.resolved(len(waiting))
        left = len(waiting)
        with Workers(conditions) as workers:

            def train(experiment: Experiment) -> None:
                path = experiments.run(experiment).path
                workers.train(experiment.recipe, path, experiments.source, experiments.images)

            futures = {workers.threads.submit(train, each): each for each in waiting}
            for future in as_completed(futures):
                future.result()
                left -= 1
                report(futures[future], left)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    lock = FileLock(folder / ".lock")
    with storage.explained(folder):
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise RunError(f"Another process works on {folder}.", "Wait until it ends, or stop it.") from None
        except NotImplementedError:
            pass  # the file system does not support locks
    try:
        yield
    finally:
        lock.release()
