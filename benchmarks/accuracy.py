"""Accuracy of a recipe on MNIST over several seeds: ``python -m benchmarks.accuracy book --seeds 5``.

Trains with each seed and evaluates on the test set after the last epoch (recipe ``book``: after each epoch, as the
textbook does). Writes accuracies, losses and seconds to ``benchmarks/results/accuracy-RECIPE.json``; a recipe with
validation also gets the error of its calibration and the number of rejected images. ``--committee 5`` also measures the
mean probabilities of disjoint groups of five seeds. ``--out FOLDER`` trains in run folders, and the same command
continues what was interrupted; a recipe of many minutes needs it.
"""

import statistics
from functools import partial
from pathlib import Path
from typing import Any

import cyclopts
import numpy as np
from jaxtyping import Float32, Int64
from numpy import ndarray

from benchmarks.conditions import save_result, seconds
from penstroke import Classifier, Dataset, evaluate, fit, load, recipes, runs, runtime
from penstroke.data.disputed import disputed_indices
from penstroke.evaluation.calibration import calibration_error
from penstroke.evaluation.report import Report
from penstroke.recipes import Recipe
from penstroke.training import resume_run, train_run


def trained(recipe: Recipe, data: Dataset, out: Path | None) -> tuple[Classifier, list[dict[str, Any]]]:
    """Return the classifier of a training and the rows of its epochs.

    Args:
        recipe: the recipe, with its seed.
        data: the dataset.
        out: folder of the run, which is continued if it exists; None trains without a run.
    """
    if out is None:
        fitted = fit(recipe, data, progress=False)
        return fitted.classifier(), [row.to_json() for row in fitted.history.epochs]
    if not runs.is_run(out):
        train_run(recipe, data, out=out)
    run = runs.Run(out)
    if run.recipe() != recipe:
        raise SystemExit(f"{out} is a run of another recipe; choose another folder")
    if not run.finished:
        resume_run(run, data)
    return Classifier.load(out, "auto"), run.record.epochs


def calibration(
    classifier: Classifier, log_probs: Float32[ndarray, "n classes"], labels: Int64[ndarray, " n"]
) -> dict[str, Any] | None:
    """Return the calibration error on the test set, and the numbers of rejected and of misclassified images."""
    calibrated = classifier.description.calibration
    if calibrated is None:
        return None
    probabilities = np.exp(log_probs)
    answered = probabilities.max(1) >= calibrated.threshold
    return {
        "temperature": float(classifier.backend.weights()["calibration.temperature"]),
        "threshold": calibrated.threshold,
        "error": calibration_error(probabilities, labels),
        "rejected": int((~answered).sum()),
        "wrong_of_answered": int((answered & (probabilities.argmax(1) != labels)).sum()),
    }


def undisputed(report: Report, disputed: Int64[ndarray, " m"] | None) -> dict[str, Any] | None:
    """Return the score without the images whose labels are disputed, if these are known for the test set."""
    return None if disputed is None else report.without(disputed).score.to_json()


def summarise(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return mean, standard deviation and range over the seeds, one row per evaluation."""
    rows = []
    tests = len(runs[0]["tests"])
    for number in range(tests):
        scores = [run["tests"][number] for run in runs]
        correct = [test["correct"] for test in scores]
        rows.append(
            {
                "after": f"test {number + 1} of {tests}",
                "mean_correct": statistics.mean(correct),
                "sd_correct": statistics.stdev(correct) if len(scores) > 1 else 0.0,
                "min_correct": min(correct),
                "max_correct": max(correct),
                "mean_loss": statistics.mean(test["loss"] for test in scores),
            }
        )
    return rows


def committees(reports: list[Report], size: int, disputed: Int64[ndarray, " m"] | None) -> list[dict[str, Any]]:
    """Return the results of disjoint groups of ``size`` seeds in their order, whose probabilities are averaged."""
    rows = []
    for start in range(0, len(reports) - size + 1, size):
        group = reports[start : start + size]
        mean = np.log(np.mean([report.probabilities for report in group], 0)).astype(np.float32)
        joined = Report(mean, group[0].labels, group[0].classes, 0.0)
        rows.append(
            {
                "seeds": list(range(start, start + size)),
                "test": joined.score.to_json(),
                "without_disputed": undisputed(joined, disputed),
            }
        )
    return rows


def main(
    recipe: str = "book",
    /,
    *,
    seeds: int = 5,
    data: str = "mnist",
    threads: int | None = None,
    epochs: int | None = None,
    out: Path | None = None,
    committee: int = 0,
    teacher: str = "",
) -> None:
    """Train a recipe with several seeds and evaluate each model on the test set.

    Parameters
    ----------
    recipe
        Name of the recipe.
    seeds
        Number of training runs; their seeds are 0, 1, ...
    data
        Name of the dataset.
    threads
        Number of PyTorch's threads. By default one per core.
    epochs
        Number of epochs, for a short trial whose figures are printed but not saved.
    out
        Folder of the runs; the same command continues interrupted ones. By default, no runs are kept.
    committee
        Number of members of the committees that are measured, too; 0 for none.
    teacher
        Teacher of the recipe ``distilled``.
    """
    runtime.configure(threads)
    dataset = load(data)
    changes = {"epochs": epochs, "teacher": teacher or None}
    chosen = recipes.get(recipe).replace(**{name: value for name, value in changes.items() if value is not None})
    models = []
    for seed in range(seeds):
        models.append(trained(chosen.replace(seed=seed), dataset, out / f"seed-{seed}" if out else None))
        print(f"seed {seed} is trained", flush=True)
    # The test set is opened once, after all trainings, except by a recipe that tests after each epoch.
    disputed, rows, reports = disputed_indices(dataset.test), [], []
    for seed, (classifier, epoch_rows) in enumerate(models):
        test_seconds = seconds(partial(classifier.log_probs, dataset.test.images))
        report = evaluate(classifier, dataset.test)
        reports.append(report)
        tests = [row["test"] for row in epoch_rows if row.get("test")] or [report.score.to_json()]
        train_seconds = sum(row["seconds"] for row in epoch_rows)
        rows.append(
            {
                "seed": seed,
                "tests": tests,
                "train_seconds": train_seconds,
                "test_seconds": test_seconds,
                "calibration": calibration(classifier, report.log_probs, dataset.test.labels),
                "without_disputed": undisputed(report, disputed),
            }
        )
        print(f"seed {seed}: {[test['correct'] for test in tests]} correct, {train_seconds:.2f} s", flush=True)
    summary = summarise(rows)
    for row in summary:
        print(
            f"{row['after']}: {row['mean_correct']:.1f} correct on average, standard deviation "
            f"{row['sd_correct']:.1f}, {row['min_correct']} to {row['max_correct']}, mean loss {row['mean_loss']:.4f}"
        )
    joined = committees(reports, committee, disputed) if committee else []
    for group in joined:
        print(f"committee of seeds {group['seeds']}: {group['test']['correct']} correct")
    figures = {"recipe": chosen.to_json(), "n": seeds, "data": dataset.card.name, "summary": summary, "runs": rows}
    figures |= {"committees": joined} if joined else {}
    if epochs is None:
        print(f"Saved {save_result(f'accuracy-{recipe}', figures)}")


if __name__ == "__main__":
    cyclopts.run(main)
