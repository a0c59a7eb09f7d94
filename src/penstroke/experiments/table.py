"""The results of an experiment as data: a row for each setting, as text, CSV, Markdown and JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstroke import runs, storage
from penstroke.evaluation import Score
from penstroke.experiments.costs import Cost, network_cost
from penstroke.experiments.plan import Experiment, Setting
from penstroke.experiments.runner import Experiments, kept_row
from penstroke.experiments.summary import Summary, summarise
from penstroke.experiments.variations import value_text
from penstroke.runs import Run


@dataclass(frozen=True)
class Outcome:
    """The result of one training."""

    experiment: Experiment
    run: Run
    state: str
    """``finished``, ``failed`` for a training that diverged, or ``missing``."""
    scores: dict[str, Score]
    """The scores of the model that is kept, by the name of the split, ``test`` or ``validation``."""
    train_loss: float | None = None
    seconds: float | None = None
    """Duration of the training steps, without the evaluations."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, one row of ``runs.csv``."""
        values: dict[str, Any] = {"run": str(self.run.path), "state": self.state}
        values |= {name: value_text(value) for name, value in self.experiment.setting.values.items()}
        values |= {"seed": self.experiment.seed, "train_loss": self.train_loss, "seconds": self.seconds}
        for name, score in self.scores.items():
            values |= {f"{name}_{key}": value for key, value in score.to_json().items()}
        return values


@dataclass(frozen=True)
class Row:
    """The results of one setting with all seeds."""

    setting: Setting
    outcomes: tuple[Outcome, ...]
    cost: Cost
    measured: str

    @property
    def accuracy(self) -> Summary:
        """The accuracies, 0..1, of the finished trainings."""
        return self._score("accuracy")

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the mean accuracy, within 0..1; None for fewer than two finished trainings."""
        found = self.accuracy.interval
        return (max(0.0, found[0]), min(1.0, found[1])) if found else None

    @property
    def loss(self) -> Summary:
        """The negative log-likelihoods of the finished trainings."""
        return self._score("loss")

    @property
    def seconds(self) -> Summary:
        """The durations of the finished trainings."""
        return summarise([outcome.seconds for outcome in self.outcomes])

    @property
    def diverged(self) -> int:
        """Number of trainings that ended with a value that is not finite; they are in no mean."""
        return sum(outcome.state == "failed" for outcome in self.outcomes)

    def _score(self, name: str) -> Summary:
        scores = [outcome.scores.get(self.measured) for outcome in self.outcomes if outcome.state == "finished"]
        return summarise([getattr(score, name) if score else None for score in scores])

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, one row of ``table.csv``. What is undefined is None."""
        accuracy = self.accuracy
        low, high = self.interval or (None, None)
        return {
            **{name: value_text(value) for name, value in self.setting.values.items()},
            "seeds": len(accuracy.values),
            "diverged": self.diverged,
            "accuracy": accuracy.mean,
            "sd": accuracy.deviation,
            "ci95_low": low,
            "ci95_high": high,
            "best": accuracy.highest,
            "worst": accuracy.lowest,
            "loss": self.loss.mean,
            "seconds": self.seconds.mean,
            "parameters": self.cost.parameters,
            "forward_flops": self.cost.forward_flops,
            "training_flops": self.cost.training_flops,
        }


@dataclass(frozen=True)
class Table:
    """The results of an experiment.

    Args:
        rows: one for each setting, in the order of the plan.
        measured: the split that the accuracies are measured on: ``validation`` if the recipes have one, else ``test``.
        conditions: data, number of training and measured images, device, threads and versions.
    """

    rows: tuple[Row, ...]
    measured: str
    conditions: dict[str, Any]

    @property
    def outcomes(self) -> list[Outcome]:
        """The results of all trainings, setting by setting."""
        return [outcome for row in self.rows for outcome in row.outcomes]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "measured": self.measured,
            "conditions": self.conditions,
            "rows": [row.to_json() for row in self.rows],
            "runs": [outcome.to_json() for outcome in self.outcomes],
        }

    def cells(self) -> tuple[list[str], list[list[str]]]:
        """Return the header and the rows as short texts. Columns that are the same for all settings are kept."""
        fields = list(self.rows[0].setting.values)
        header = [*fields, "seeds", f"{self.measured} accuracy, %", "sd", "95 % interval", "best", "worst"]
        header += ["seconds", "parameters", "MFLOP"]
        return header, [self._cells(row, fields) for row in self.rows]

    @staticmethod
    def _cells(row: Row, fields: Sequence[str]) -> list[str]:
        accuracy = row.accuracy
        interval = row.interval
        return [
            *(value_text(row.setting.values[name]) for name in fields),
            f"{len(accuracy.values)}" + (f" ({row.diverged} diverged)" if row.diverged else ""),
            _percent(accuracy.mean),
            _percent(accuracy.deviation, 3),
            f"{_percent(interval[0])} to {_percent(interval[1])}" if interval else "undefined",
            _percent(accuracy.highest),
            _percent(accuracy.lowest),
            "undefined" if row.seconds.mean is None else f"{row.seconds.mean:.1f}",
            f"{row.cost.parameters}",
            f"{row.cost.training_flops / 1e6:.2f}",
        ]

    def notes(self) -> list[str]:
        """Return sentences that state the conditions of the figures."""
        conditions = self.conditions
        return [
            f"{conditions['data']}: trained on {conditions['train_images']} images, accuracy on "
            f"{conditions['measured_images']} {self.measured} images.",
            "Interval: 95 % of the mean over the seeds, by Student's t; it does not include the choice of the images.",
            f"Seconds: training steps without evaluation, {count(conditions['threads'], 'thread')} per training, "
            f"{conditions['processor']}. MFLOP: for one image in a training step, without the optimizer.",
        ]

    def markdown(self) -> str:
        """Return the table in Markdown, with its conditions below."""
        header, rows = self.cells()
        lines = [header, ["---"] * len(header), *rows]
        table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        return f"{table}\n\n" + "\n".join(self.notes()) + "\n"


def build_table(experiments: Experiments) -> Table:
    """Return the results of the runs that exist.

    Raises:
        RunError: a run is damaged.
    """
    plan = experiments.plan
    measured = "validation" if plan.settings[0].recipe.validation else "test"
    train = experiments.data.train
    shape = train.images.shape[1:]
    rows = []
    for setting in plan.settings:
        outcomes = tuple(_outcome(experiments, Experiment(setting, seed)) for seed in plan.seeds)
        cost = network_cost(setting.recipe.network, (shape[0], shape[1], shape[2]), len(train.classes))
        rows.append(Row(setting, outcomes, cost, measured))
    return Table(tuple(rows), measured, _conditions(experiments, rows, measured))


def _outcome(experiments: Experiments, experiment: Experiment) -> Outcome:
    run = experiments.run(experiment)
    if not runs.is_run(run.path):
        return Outcome(experiment, run, "missing", {})
    record = run.record
    if record.state != "finished" or not record.epochs:
        return Outcome(experiment, run, "failed" if record.state == "failed" else "missing", {})
    kept = kept_row(record)
    scores = {name: Score.from_json(kept[name]) for name in ("test", "validation") if kept.get(name)}
    seconds = sum(row["seconds"] for row in record.epochs)
    return Outcome(experiment, run, "finished", scores, kept["train_loss"], seconds)


def _conditions(experiments: Experiments, rows: Sequence[Row], measured: str) -> dict[str, Any]:
    """Return the conditions of the figures; those of the trainings are taken from the first finished run."""
    finished = [outcome for row in rows for outcome in row.outcomes if outcome.state == "finished"]
    environment = finished[0].run.environment() if finished else {}
    score = finished[0].scores.get(measured) if finished else None
    recipe = experiments.plan.settings[0].recipe
    held_out = score.total if score and measured == "validation" else 0
    return {
        "recipe": recipe.name,
        "data": experiments.data.card.name,
        "train_images": len(experiments.data.train) - held_out,
        "measured_images": score.total if score else None,
        "device": environment.get("device"),
        "threads": environment.get("threads"),
        "processor": environment.get("device_name"),
        "packages": environment.get("packages"),
        "commit": environment.get("commit"),
    }


def write_table(table: Table, folder: Path) -> list[Path]:
    """Write ``table.csv`` (a row for each setting), ``runs.csv`` (for each training) and ``table.md`` to ``folder``.

    Raises:
        StorageError: a file cannot be written.
    """
    paths = [
        storage.write_csv(folder / "table.csv", [row.to_json() for row in table.rows]),
        storage.write_csv(folder / "runs.csv", [outcome.to_json() for outcome in table.outcomes]),
        folder / "table.md",
    ]
    storage.write_bytes(paths[-1], table.markdown().encode())
    return paths


def count(number: int | None, what: str) -> str:
    """Return a number with a noun, in the plural unless the number is 1."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def _percent(share: float | None, digits: int = 2) -> str:
    return "undefined" if share is None else f"{100 * share:.{digits}f}"
