"""Tuning: a search of recipe fields by Optuna, on the validation split. Imports Optuna.

The study is a file in the folder of the tuning, or in a database. Several processes, also on several machines with a
common file system, may search together. Each trial is an ordinary run; that of a killed process is resumed from its
checkpoint.
"""

import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from penstroke import storage
from penstroke.errors import RunError, UsageError
from penstroke.experiments.database import connected, open_database
from penstroke.experiments.plan import Experiment, Plan, Setting
from penstroke.experiments.ranges import Range, applicable, check_ranges, value_of
from penstroke.experiments.runner import Experiments, kept_row, open_experiments
from penstroke.experiments.source import Source
from penstroke.experiments.worker import reserved
from penstroke.experiments.workers import Conditions, Workers
from penstroke.recipes import Recipe
from penstroke.recipes.fields import CHOICES
from penstroke.runs import Run
from penstroke.training.adapt import adapt_to

FILE = "study.journal"
NAME = "penstroke"
FORMAT = 1
"""Version of what the study holds about the tuning; a study of another version is rejected."""
COUNTED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
Report = Callable[[FrozenTrial, str], None]


@dataclass(frozen=True)
class Tuning:
    """A search of ranges of fields.

    Args:
        base: the recipe of all other fields; it has a validation split.
        ranges: what is searched.
        experiments: the data and the folder of the runs; its plan holds the base alone.
        study: the trials so far.
    """

    base: Recipe
    ranges: tuple[Range, ...]
    experiments: Experiments
    study: "optuna.Study"

    def experiment(self, trial: FrozenTrial) -> Experiment:
        """Return the training of a trial."""
        by_name = {found.field: found for found in self.ranges}
        values = {name: value_of(by_name[name], value) for name, value in trial.params.items()}
        recipe, _ = adapt_to(self.adapted.replace(**values), self.experiments.data)
        return Experiment(Setting(values, recipe), self.base.seed)

    @property
    def adapted(self) -> Recipe:
        """The base with the values that it leaves to the training images."""
        return self.experiments.plan.settings[0].recipe

    def run(self, trial: FrozenTrial) -> Run:
        """Return the run of a trial, which need not exist."""
        return self.experiments.run(self.experiment(trial))

    @property
    def trials(self) -> list[FrozenTrial]:
        """The trials that were not given up, in the order in which they were started."""
        return self.study.get_trials(states=COUNTED)

    def best(self) -> FrozenTrial | None:
        """Return the finished trial with the highest accuracy; None if there is none."""
        finished = self.study.get_trials(states=(TrialState.COMPLETE,))
        return max(finished, key=lambda trial: trial.value or 0.0, default=None)


@connected()
def open_tuning(
    base: Recipe,
    ranges: tuple[Range, ...],
    folder: Path,
    source: Source | str = "auto",
    progress: Any = None,
    database: str | None = None,
) -> Tuning:
    """Load the data, and open or create the study.

    Args:
        base: the recipe of all other fields.
        ranges: what is searched.
        folder: folder of the runs.
        source: what the data are loaded from.
        progress: see ``load``.
        database: URL of a database for the study, as SQLAlchemy defines it, such as ``postgresql://HOST/NAME``; None
            uses a file in ``folder``. The study has the name of the folder.

    Raises:
        UsageError: a range is invalid, or the recipe has no validation split or reads the test split.
        RunError: the study belongs to another tuning, or cannot be read, or its database stops answering.
        MissingExtraError: the driver of the database is missing.
        DataError, StorageError: see ``open_experiments``.
    """
    if base.validation is None or base.evaluation.test_each_epoch:
        raise UsageError(
            "Tuning needs a validation split, and does not use the test split.",
            "Add --validation 0.1 --no-test-each-epoch.",
        )
    check_ranges(base, ranges)
    plan = Plan((Setting({}, base),), (base.seed,), tuple(found.field for found in ranges))
    experiments = open_experiments(plan, folder, source, progress=progress)
    return Tuning(base, ranges, experiments, _study(_opened(folder, database), base, ranges))


def _opened(folder: Path, database: str | None) -> tuple[str, "optuna.Study"]:
    """Return what messages call the study, and the study, opened or created.

    Raises:
        RunError: the file or the database cannot be read.
        MissingExtraError: the driver of the database is missing.
        StorageError: the file cannot be written.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    options: dict[str, Any] = {"load_if_exists": True, "direction": "maximize"}
    options["pruner"] = optuna.pruners.MedianPruner(n_startup_trials=4)
    if database is not None:
        title = f"The study {folder.name} in the database"
        return title, optuna.create_study(storage=open_database(database), study_name=folder.name, **options)
    path = folder / FILE
    with storage.explained(path), _readable(path):
        # Optuna writes its journal itself: it adds whole lines under a lock.
        journal = JournalStorage(JournalFileBackend(str(path)))
        return str(path), optuna.create_study(storage=journal, study_name=NAME, **options)


def _study(opened: tuple[str, "optuna.Study"], base: Recipe, ranges: tuple[Range, ...]) -> "optuna.Study":
    """Return a study, after its description is checked or, of a new study, written."""
    path, study = opened
    with _readable(path):
        known = dict(study.user_attrs)
    described = {"format": FORMAT, "base": base.to_json(), "ranges": [str(found) for found in ranges]}
    missing = described.keys() - known.keys()
    if missing and study.trials:
        raise RunError(
            f"{path} is damaged: it has trials, and no {', '.join(sorted(missing))}.",
            "Choose another folder with --out.",
        )
    if known.get("format", FORMAT) != FORMAT:
        raise RunError(
            f"{path} is a study of version {known.get('format')}; this version of Penstroke reads {FORMAT}.",
            "Choose another folder with --out.",
        )
    for name, value in described.items():
        if known.get(name, value) != value and (name != "base" or Recipe.from_json(known[name]) != base):
            raise RunError(
                f"{path} is a study of another recipe or of other ranges: {' '.join(known.get('ranges', []))}.",
                "Choose another folder with --out, or give the same recipe, options and ranges.",
            )
    for name in missing:  # of a new study, or of one whose process was killed here
        study.set_user_attr(name, described[name])
    return study


@contextmanager
def _readable(path: str | Path) -> Iterator[None]:
    """Convert the exceptions of Optuna for a file that it cannot read."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AssertionError, optuna.exceptions.OptunaError) as error:
        raise RunError(
            f"{path} is damaged, or from another version of Optuna: {type(error).__name__} {error}.",
            "Choose another folder with --out.",
        ) from error


@connected()
def tune(
    tuning: Tuning,
    trials: int,
    conditions: Conditions = Conditions(),  # noqa: B008 - frozen
    report: Report = lambda *_: None,
) -> None:
    """Search until the study has ``trials`` trials, those of earlier calls and other processes included.

    A trial whose accuracy after an epoch is below the median of the earlier ones at that epoch is pruned.

    Args:
        tuning: the search.
        trials: number of trials in all.
        conditions: number of processes, threads and device.
        report: called after each trial with the trial and its state in words.

    Raises:
        RunError: the database of the study stops answering. The trainings stop after their step.
        PenstrokeError: a training failed for a reason other than its recipe.
    """
    _retry_abandoned(tuning)
    left = trials - len(tuning.trials)
    if left <= 0:
        return
    conditions, lock = conditions.resolved(trials), Lock()
    with Workers(conditions) as workers:
        arguments = (tuning, trials, workers, lock, report)
        futures = [workers.threads.submit(_search, *arguments) for _ in range(conditions.jobs or 1)]
        for future in as_completed(futures):
            future.result()


def _retry_abandoned(tuning: Tuning) -> None:
    """Give up the running trials that no process trains, and queue their values; their runs are resumed."""
    for trial in tuning.study.get_trials(states=(TrialState.RUNNING,)):
        try:
            # If another process has chosen the values and not reserved the run yet, one of the two waits in its worker.
            with reserved(tuning.run(trial).path):
                pass
        except RunError:
            continue  # another process trains it
        with suppress(ValueError, RuntimeError):  # another process has given it up at the same time
            tuning.study.tell(trial.number, state=TrialState.FAIL)
            tuning.study.enqueue_trial(trial.params)


def _search(tuning: Tuning, trials: int, workers: Workers, lock: Lock, report: Report) -> None:
    """Train trial after trial until there are enough. Runs in a thread; ``lock`` protects the study."""
    while True:
        with lock:
            if workers.closing.is_set() or len(tuning.trials) >= trials:
                return
            trial = tuning.study.ask()
            _suggest(tuning, trial)
        experiment = tuning.experiment(_frozen(tuning, trial))
        run = tuning.experiments.run(experiment)

        def on_epoch(row: dict[str, Any], trial: Trial = trial, epochs: int = experiment.recipe.epochs) -> bool:
            with lock:
                with suppress(UpdateFinishedTrialError):  # another process has given it up before its run existed
                    trial.report(row["validation"]["accuracy"], row["epoch"])
                return row["epoch"] == epochs or not trial.should_prune()

        workers.train(experiment.recipe, run.path, tuning.experiments.source, on_epoch)
        with lock:
            if workers.closing.is_set():
                return  # the trial is resumed by the next call
            state = _tell(tuning, trial, run)
            report(_frozen(tuning, trial), state)


def _frozen(tuning: Tuning, trial: Trial) -> FrozenTrial:
    return tuning.study.trials[trial.number]


def _suggest(tuning: Tuning, trial: Trial) -> None:
    """Suggest the kinds, then the fields that apply to them.

    The random numbers are a function of the seed and the trial, so that processes that search together differ.
    """
    tuning.study.sampler = optuna.samplers.TPESampler(seed=tuning.base.seed + trial.number)
    kinds = {found.field: _value(trial, found) for found in tuning.ranges if found.field in CHOICES}
    for found in applicable(tuning.base, tuning.ranges, kinds):
        _value(trial, found)


def _value(trial: Trial, found: Range) -> Any:
    """Return the value that Optuna suggests for a range."""
    if found.choices:
        return trial.suggest_categorical(found.field, found.choices)
    assert found.low is not None
    assert found.high is not None
    if isinstance(found.low, int) and isinstance(found.high, int):
        return trial.suggest_int(found.field, found.low, found.high, log=found.log)
    return trial.suggest_float(found.field, found.low, found.high, log=found.log)


def _tell(tuning: Tuning, trial: Trial, run: Run) -> str:
    """Record the result of a trial, and return it in words."""
    record = run.record
    if record.state == "finished":
        accuracy = kept_row(record)["validation"]["accuracy"]
        tuning.study.tell(trial, accuracy, skip_if_finished=True)
        return f"validation accuracy {100 * accuracy:.2f} %"
    tuning.study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)
    if record.state == "failed":
        return "diverged"
    return f"pruned after epoch {len(record.epochs)}"


def importances(study: "optuna.Study") -> dict[str, float]:
    """Return the share of each field in the variance of the accuracies, by PED-ANOVA; empty if it is undefined.

    PED-ANOVA: Watanabe, Bansal and Hutter, 2023, https://arxiv.org/abs/2304.10255.
    """
    finished = study.get_trials(states=(TrialState.COMPLETE,))
    if len(finished) < 4 or len({trial.value for trial in finished}) < 2:
        return {}
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fields with few trials are inaccurate, which the documentation says
        try:
            found = optuna.importance.get_param_importances(study, evaluator=evaluator)
        except (ValueError, RuntimeError):
            return {}
    return {name: float(value) for name, value in found.items()}
