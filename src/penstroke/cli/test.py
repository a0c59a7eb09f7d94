"""``penstroke test [RUN]``: measure a model on a test set."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter, Token

from penstroke.cli.options import Data, Device, Json, RunArgument, Threads, number
from penstroke.cli.output import Result, escape_control, percent, warn
from penstroke.cli.shared import (
    check_test_images,
    configure_backend,
    open_classifier,
    open_data,
    warn_if_too_many_threads,
)
from penstroke.errors import CheckFailed, MissingExtraError, StorageError, UsageError, require_extra

WORST = 24
"""Number of most confident mistakes in the JSON values and in the plot."""

if TYPE_CHECKING:
    from penstroke.data import Dataset, Split
    from penstroke.evaluation import CorruptionErrors, Report
    from penstroke.inference import Classifier


def _share(type_: Any, tokens: Sequence[Token]) -> float:  # noqa: ARG001 - the signature of a converter
    """Return a fraction from 0 to 1."""
    value = number(tokens[0])
    if not 0 <= value <= 1:
        raise UsageError(f"{tokens[0].keyword} is {tokens[0].value}: it must be from 0 to 1.", "For 98.5 %, use 0.985.")
    return value


Csv = Annotated[
    Path | None,
    Parameter(name="--csv", help="CSV file to write, with a row per image.", metavar="FILE", show_default=False),
]
RequireAccuracy = Annotated[
    float | None,
    Parameter(
        name="--require-accuracy",
        help="Exit with code 5 if the accuracy is lower; 0.985 is 98.5 %.",
        metavar="SHARE",
        converter=_share,
        show_default=False,
    ),
]
WithoutDisputed = Annotated[
    bool,
    Parameter(
        name="--without-disputed",
        help="Also give the accuracy without 15 images of MNIST whose labels people did not confirm.",
        negative="",
        show_default=False,
    ),
]
Corruptions = Annotated[
    bool,
    Parameter(
        name="--corruptions",
        help="Also measure images with 16 kinds of damage in 5 severities (a minute or two on MNIST).",
        negative="",
        show_default=False,
    ),
]
NoPlots = Annotated[
    bool, Parameter(name="--no-plots", help="Draw no plots in RUN/pictures.", negative="", show_default=False)
]


def run_test(
    run: RunArgument = None,
    /,
    *,
    data: Data = None,
    csv: Csv = None,
    require_accuracy: RequireAccuracy = None,
    without_disputed: WithoutDisputed = False,
    corruptions: Corruptions = False,
    no_plots: NoPlots = False,
    device: Device = "auto",
    threads: Threads = None,
    json: Json = False,  # noqa: ARG001 - read by `app.run`
) -> Result:
    """Evaluate a model on test images, store the evaluation in its run, and return the metrics.

    Raises:
        UsageError: ``--without-disputed`` does not apply to the data.
        DataError, ModelError, RunError: the data or the model is missing or invalid.
        StorageError: the CSV file cannot be written.
    """
    from penstroke.cli.evaluation_text import corruptions_text, report_text
    from penstroke.evaluation import evaluate

    warn_if_too_many_threads(threads, "test")
    classifier, path = open_classifier(run, device, threads)
    configure_backend(classifier, threads)
    dataset = open_data(classifier, data)
    check_test_images(classifier, dataset)
    disputed = _disputed(dataset) if without_disputed else None
    report = evaluate(classifier, dataset.test)
    corrupted = _corrupted(classifier, dataset.test, report) if corruptions else None
    value: dict[str, Any] = {"run": str(path), "data": dataset.card.name} | report.to_json() | _worst(report)
    parts = [report_text(f"{path} on {dataset.card.name}", report)]
    if corrupted:
        parts.append(corruptions_text(corrupted))
    value["corruptions"] = corrupted.to_json() if corrupted else None
    value["without_disputed"], text = _without(report, disputed)
    _store(path, dataset, report, corrupted)
    files = {} if no_plots else _draw(path, report, classifier, dataset, corrupted)
    value["pictures"] = {kind: str(file) for kind, file in files.items()}
    value["csv"] = str(_write_rows(csv, report)) if csv else None
    value["check"], errors = _check(report, require_accuracy)
    lines = [*text, *[f"{kind}: {file}" for kind, file in value["pictures"].items()], *([f"csv: {csv}"] if csv else [])]
    parts += ["\n".join(lines)] if lines else []
    return Result(value, escape_control("\n\n".join(parts)), CheckFailed.exit_code if errors else 0, errors)


def _disputed(data: "Dataset") -> list[int]:
    """Return the indices of the test images whose labels are disputed.

    Raises:
        UsageError: they are not known for these data.
    """
    from penstroke.data.disputed import disputed_indices

    indices = disputed_indices(data.test)
    if indices is None:
        raise UsageError(
            f"--without-disputed applies only to MNIST's test images, not to those of {data.card.name}.",
            "Omit --without-disputed, or test with --data mnist.",
        )
    found: list[int] = indices.tolist()
    return found


def _corrupted(classifier: "Classifier", split: "Split", report: "Report") -> "CorruptionErrors":
    """Return the errors on corrupted images; each family is announced on stderr."""
    from penstroke.evaluation import corruption_errors

    def notify(name: str, number: int, count: int) -> None:
        warn(f"corruption {number + 1} of {count}: {name}")

    return corruption_errors(classifier, split, clean=len(report.mistakes) / report.score.total, notify=notify)


def _worst(report: "Report") -> dict[str, Any]:
    """Return the most confident mistakes as JSON values."""
    return {
        "worst": [
            {
                "index": index,
                **({"file": report.files[index]} if report.files else {}),
                "label": report.classes[int(report.labels[index])],
                "prediction": report.classes[int(report.log_probs[index].argmax())],
                "probability": float(report.probabilities[index].max()),
            }
            for index in report.worst(WORST).tolist()
        ]
    }


def _without(report: "Report", disputed: list[int] | None) -> tuple[dict[str, Any] | None, list[str]]:
    """Return the result without the images whose labels are disputed, as JSON values and as text."""
    if disputed is None:
        return None, []
    import numpy as np

    from penstroke.cli.evaluation_text import without_disputed_text

    rest = report.without(np.array(disputed))
    wrong = sum(not report.correct[index] for index in disputed)
    counts = rest.score.to_json() | {"accuracy_ci95": list(rest.accuracy_ci95)}
    return counts | {"removed": len(disputed), "disagrees": wrong}, [without_disputed_text(report, rest, disputed)]


def _store(path: Path, data: "Dataset", report: "Report", corrupted: "CorruptionErrors | None") -> None:
    """Store the evaluation in the run. For a model file, nothing is stored."""
    from penstroke import runs
    from penstroke.evaluation import save_report

    if not runs.is_run(path):
        return
    try:
        save_report(runs.Run(path), data, report, corrupted.to_json() if corrupted else None)
    except StorageError as error:
        warn(f"the evaluation is not stored in the run: {error.message}")


def _draw(
    path: Path,
    report: "Report",
    classifier: "Classifier",
    data: "Dataset",
    corrupted: "CorruptionErrors | None",
) -> dict[str, Path]:
    """Draw the plots of the evaluation in the run, if matplotlib is installed. For a model file, nothing is drawn."""
    from penstroke import runs

    if not runs.is_run(path):
        return {}
    try:
        require_extra("train", "matplotlib")
    except MissingExtraError as error:
        warn(f"the plots are not drawn: {error.message} --no-plots omits them")
        return {}
    from penstroke.report.evaluation_views import draw_evaluation

    try:
        folder = runs.Run(path).pictures
        return draw_evaluation(report, classifier, data.test, folder, data.card.name, corrupted, WORST)
    except StorageError as error:
        warn(f"the plots are not drawn: {error.message}")
        return {}


def _write_rows(path: Path, report: "Report") -> Path:
    """Write a CSV file with a row per image.

    Raises:
        StorageError: the file cannot be written.
    """
    from penstroke import storage

    return storage.write_csv(path, list(report.rows()))


def _check(report: "Report", required: float | None) -> tuple[dict[str, Any] | None, list[CheckFailed]]:
    """Return the outcome of ``--require-accuracy``, and an error if the accuracy is too low."""
    if required is None:
        return None, []
    score = report.score
    passed = score.accuracy >= required
    error = CheckFailed(
        f"The accuracy is {percent(score.accuracy)} ({score.correct}/{score.total}); "
        f"--require-accuracy demands {100 * required:g} %.",
        "Train a better model, or lower the demand.",
    )
    return {"required_accuracy": required, "passed": passed}, [] if passed else [error]
