"""``penstroke test [RUN]``: measure a model on a test set."""

from pathlib import Path
from typing import TYPE_CHECKING

from penstroke.cli.options import Data, Device, Json, RunArgument, Threads
from penstroke.cli.output import Result, escape_control, percent, table, warn
from penstroke.cli.shared import configure_backend, open_classifier, open_data, warn_if_too_many_threads
from penstroke.errors import StorageError

if TYPE_CHECKING:
    from penstroke.data import Dataset
    from penstroke.evaluation import Report


def run_test(
    run: RunArgument = None,
    /,
    *,
    data: Data = None,
    device: Device = "auto",
    threads: Threads = None,
    json: Json = False,  # noqa: ARG001 - read by `app.run`
) -> Result:
    """Evaluate a model on test images, store the evaluation in its run, and return the metrics."""
    from penstroke.evaluation import evaluate

    warn_if_too_many_threads(threads, "test")
    classifier, path = open_classifier(run, device, threads)
    configure_backend(classifier, threads)
    dataset = open_data(classifier, data)
    report = evaluate(classifier, dataset.test)
    _store(path, dataset, report)
    value = {"run": str(path), "data": dataset.card.name} | report.to_json()
    return Result(value, escape_control(_text(path, dataset.card.name, report)))


def _text(path: Path, data: str, report: "Report") -> str:
    low, high = report.accuracy_ci95
    score = report.score
    lines = [
        f"{path} on {data}: {score.correct}/{score.total} correct ({percent(score.accuracy)}, "
        f"95 % interval {percent(low)} to {percent(high)}), loss {score.loss:.4f}"
    ]
    if report.abstained:
        lines.append(
            f"the model abstains on {report.abstained} images ({percent(report.abstained / score.total)}); "
            "the metrics use its most probable class there"
        )
    rows = [
        [row.label, str(row.total), str(row.correct), percent(row.recall), percent(row.precision)]
        for row in report.per_class
    ]
    return "\n".join([*lines, table(["class", "images", "correct", "recall", "precision"], rows)])


def _store(path: Path, data: "Dataset", report: "Report") -> None:
    """Store the evaluation in the run. For a model file, nothing is stored."""
    from penstroke import runs
    from penstroke.data import fingerprint

    if not runs.is_run(path):
        return
    values = {"data": data.card.name, "fingerprint": fingerprint(data.test)} | report.to_json()
    try:
        runs.save_evaluation(runs.Run(path), data.card.name, report.log_probs, report.labels, values)
    except StorageError as error:
        warn(f"the evaluation is not stored in the run: {error.message}")
