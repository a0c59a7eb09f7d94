"""``penstroke compare RUN RUN...``: which of several models or recipes is more accurate, and how certain that is."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from penstroke.cli.options import DATA_HELP, Device, Json, Threads
from penstroke.cli.output import Result, escape_control, percent, table, warn
from penstroke.cli.shared import check_test_images, choose_run, configure_backend, open_data, warn_if_too_many_threads
from penstroke.errors import ModelError, PenstrokeError, StorageError, UsageError

if TYPE_CHECKING:
    from penstroke.data import Dataset
    from penstroke.evaluation import Report
    from penstroke.evaluation.verdicts import Comparison, Entrant

RunArguments = Annotated[Path, Parameter(name="run", help="Run folders, model files, ONNX files or ready.")]
TestData = Annotated[
    str | None,
    Parameter(name="--data", help=DATA_HELP, metavar="DATA", show_default="the data of the first run's training"),
]


def compare(
    *run: RunArguments,
    data: TestData = None,
    device: Device = "auto",
    threads: Threads = None,
    json: Json = False,  # noqa: ARG001 - read by `app.run`
) -> Result:
    """Compare models on the same test images, or recipes over several seeds, and return tests and verdicts."""
    from penstroke.evaluation.verdicts import compare_models, compare_recipes

    warn_if_too_many_threads(threads, "comparison")
    paths = _checked(run)
    groups = _recipes(paths)
    measured = _measure(paths, data, device, threads)
    if groups:
        entrants = [measured.entrant(name, members, seeds) for name, members, seeds in groups]
        comparisons = compare_recipes(entrants)
    else:
        entrants = [measured.entrant(str(path), (path,)) for path in paths]
        comparisons = compare_models(entrants)
    rows = [_row(entrant) for entrant in entrants]
    for row, members in zip(rows, [group[1] for group in groups] or [(path,) for path in paths], strict=True):
        row["runs"] = [str(path) for path in members]
    value = {
        "data": measured.data,
        "images": measured.images,
        "compared": "recipes" if groups else "models",
        "entrants": rows,
        "comparisons": [each.to_json() for each in comparisons],
    }
    return Result(value, escape_control(_text(measured, entrants, comparisons)))


def _checked(paths: Sequence[Path]) -> list[Path]:
    """Return the runs, each of which has a model; unfinished ones are reported.

    Raises:
        UsageError: there are fewer than two, or one is given twice.
        RunError, ModelError: a run does not exist, or has no model.
    """
    from penstroke.inference.source import members_of, model_path

    if len(paths) < 2:
        given = f"{paths[0]} is alone" if paths else "RUN is missing"
        raise UsageError(f"{given}: two or more runs are compared.", "Use `penstroke compare RUN RUN...`.")
    for number, path in enumerate(paths):
        if path.resolve() in [other.resolve() for other in paths[:number]]:
            raise UsageError(f"{path} is given more than once.", "Name different runs.")
    for path in paths:
        choose_run(path)
        for source in members_of(path) or [str(path)]:
            model_path(source)
    return list(paths)


def _recipes(paths: Sequence[Path]) -> list[tuple[str, tuple[Path, ...], tuple[int, ...]]]:
    """Return name, runs and seeds of each recipe, or nothing if models are to be compared.

    Recipes are compared if there are several of them, and several runs of one.
    """
    from penstroke import runs
    from penstroke.runs.groups import group_by_recipe

    trained = [runs.Run(path) for path in paths if runs.is_run(path) and runs.Run(path).is_training]
    groups = group_by_recipe(trained)
    if len(groups) == len(trained) or len(groups) == 1:
        return []
    if len(trained) < len(paths):
        other = next(path for path in paths if not (runs.is_run(path) and runs.Run(path).is_training))
        raise UsageError(
            f"{other} has no recipe, and other models belong to runs of the same recipe.",
            "Name only training runs to compare recipes, or one run of each recipe to compare models.",
        )
    for group in groups:
        for run in group.repeated:
            warn(f"{run.path} is left out: it has the recipe and the seed of another run")
    return [(group.name, tuple(run.path for run in group.runs), group.seeds) for group in groups]


@dataclass
class _Measured:
    """Which images each model classifies correctly."""

    data: str
    images: int
    correct: dict[Path, Any]

    def entrant(self, name: str, paths: Sequence[Path], seeds: tuple[int, ...] = ()) -> "Entrant":
        import numpy as np

        from penstroke.evaluation.verdicts import Entrant

        return Entrant(name, np.stack([self.correct[path] for path in paths]), seeds)


def _measure(paths: Sequence[Path], source: str | None, device: str, threads: int | None) -> _Measured:
    """Measure the models on one test set. Stored evaluations are used if they are newer than their model.

    Raises:
        ModelError: the models have different classes.
    """
    name = source or _data_of(paths)
    stored = {path: found for path in paths if (found := _stored(path, name))}
    prints = {fingerprint for _, fingerprint in stored.values()}
    dataset: Dataset | None = None
    if len(stored) == len(paths) and len(prints) == 1:  # the data need not be read, or exist
        reports = {path: report for path, (report, _) in stored.items()}
    else:
        dataset, reports = _evaluate_missing(paths, stored, source, device, threads)
    first = reports[paths[0]]
    for path, report in reports.items():
        if set(report.classes) != set(first.classes):
            raise ModelError(
                f"{paths[0]} and {path} have different classes: {', '.join(first.classes)}, and "
                f"{', '.join(report.classes)}.",
                "Compare models that were trained on the same classes.",
            )
    correct = {path: report.correct for path, report in reports.items()}
    return _Measured(dataset.card.name if dataset else str(name), len(first.labels), correct)


def _evaluate_missing(
    paths: Sequence[Path],
    stored: dict[Path, tuple["Report", str]],
    source: str | None,
    device: str,
    threads: int | None,
) -> tuple["Dataset", dict[Path, "Report"]]:
    """Return the dataset and a report for each model; those that are not stored are made and stored."""
    from penstroke.data import fingerprint
    from penstroke.evaluation import evaluate
    from penstroke.inference import Classifier

    first = Classifier.load(paths[0], device, threads=threads)
    dataset = open_data(first, source)
    expected = fingerprint(dataset.test)
    reports: dict[Path, Report] = {}
    for number, path in enumerate(paths, 1):
        found = _stored(path, dataset.card.name) or stored.get(path)
        if found and found[1] == expected:
            reports[path] = found[0]
            continue
        warn(f"measuring {path} on {dataset.card.name} ({number} of {len(paths)})")
        classifier = first if path == paths[0] else Classifier.load(path, device, threads=threads)
        check_test_images(classifier, dataset)
        configure_backend(classifier, threads)
        reports[path] = evaluate(classifier, dataset.test)
        _store(path, dataset, reports[path])
    return dataset, reports


def _data_of(paths: Sequence[Path]) -> str | None:
    """Return the name of the data that the first run was trained on, or None if it is not known."""
    from penstroke import runs

    record = runs.Run(paths[0]).record if runs.is_run(paths[0]) else None
    return record.data.get("name") if record and record.data else None


def _stored(path: Path, name: str | None) -> tuple["Report", str] | None:
    """Return the stored report of a run and the fingerprint of its images, unless it is missing, old or damaged."""
    from penstroke import runs
    from penstroke.evaluation.stored import read_report

    if name is None or not runs.is_run(path):
        return None
    run = runs.Run(path)
    try:
        if name not in runs.list_evaluations(run):
            return None
        made = (path / "evaluations" / name / "report.json").stat().st_mtime_ns
        if made < run.model_path.stat().st_mtime_ns:
            return None  # the training went on after the evaluation
        return read_report(run, name), str(runs.read_evaluation(run, name).values.get("fingerprint"))
    except (PenstrokeError, OSError):
        return None  # made again


def _store(path: Path, data: "Dataset", report: "Report") -> None:
    from penstroke import runs
    from penstroke.evaluation.stored import save_report

    if not runs.is_run(path):
        return
    try:
        save_report(runs.Run(path), data, report)
    except StorageError as error:
        warn(f"the evaluation is not stored in the run: {error.message}")


def _row(entrant: "Entrant") -> dict[str, Any]:
    accuracies = entrant.accuracies
    return {
        "name": entrant.name,
        "seeds": list(entrant.seeds) or None,
        "correct": [int(row.sum()) for row in entrant.correct],
        "accuracy": entrant.mean,
        "deviation": entrant.deviation,
        "lowest": min(accuracies),
        "highest": max(accuracies),
    }


def _text(measured: _Measured, entrants: "Sequence[Entrant]", comparisons: "Sequence[Comparison]") -> str:
    rows = [_row(entrant) for entrant in entrants]
    if entrants[0].seeds:
        header = ["recipe", "seeds", "mean accuracy", "deviation", "lowest", "highest"]
        cells = [
            [row["name"], str(len(row["correct"])), percent(row["accuracy"])]
            + [percent(row[key]) if row[key] is not None else "undefined" for key in ("deviation", "lowest", "highest")]
            for row in rows
        ]
        note = "Deviations and intervals are over the seeds, on these test images."
    else:
        header = ["model", "correct", "accuracy"]
        cells = [[row["name"], str(row["correct"][0]), percent(row["accuracy"])] for row in rows]
        note = "This compares models. To compare their recipes, train each with the same 6 or more seeds."
    if len(comparisons) > 1:
        note += f" p-values are adjusted for {len(comparisons)} comparisons (Holm)."
    lines = [f"{measured.data}, {measured.images} test images", table(header, cells)]
    return "\n".join([*lines, *(f"{each.verdict}\n  {each.evidence}" for each in comparisons), note])
