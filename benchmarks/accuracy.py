"""Accuracy of a recipe on MNIST over several seeds: ``python -m benchmarks.accuracy book --seeds 5``.

Trains with each seed and evaluates on the test set after the last epoch (recipe ``book``: after each epoch, as the
textbook does). Writes accuracies, losses and seconds to ``benchmarks/results/accuracy-RECIPE.json``; a recipe with
validation also gets the error of its calibration and the number of rejected images.
"""

import statistics
from functools import partial
from typing import Any

import cyclopts
import numpy as np
from jaxtyping import Float32, Int64
from numpy import ndarray

from benchmarks.conditions import save_result, seconds
from penstroke import evaluate, fit, load, recipes, runtime
from penstroke.evaluation.calibration import calibration_error
from penstroke.training import Fitted


def calibration(
    fitted: Fitted, log_probs: Float32[ndarray, "n classes"], labels: Int64[ndarray, " n"]
) -> dict[str, Any] | None:
    """Return the calibration error on the test set, and the numbers of rejected and of misclassified images."""
    calibrated = fitted.description.calibration
    if calibrated is None:
        return None
    probabilities = np.exp(log_probs)
    answered = probabilities.max(1) >= calibrated.threshold
    return {
        "temperature": float(fitted.model.state_dict()["calibration.temperature"]),
        "threshold": calibrated.threshold,
        "error": calibration_error(probabilities, labels),
        "rejected": int((~answered).sum()),
        "wrong_of_answered": int((answered & (probabilities.argmax(1) != labels)).sum()),
    }


def summarise(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return mean and standard deviation over the seeds, one row per evaluation."""
    rows = []
    tests = len(runs[0]["tests"])
    for number in range(tests):
        scores = [run["tests"][number] for run in runs]
        rows.append(
            {
                "after": f"test {number + 1} of {tests}",
                "mean_correct": statistics.mean(test["correct"] for test in scores),
                "sd_correct": statistics.stdev(test["correct"] for test in scores) if len(scores) > 1 else 0.0,
                "mean_loss": statistics.mean(test["loss"] for test in scores),
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
    """
    runtime.configure(threads)
    dataset = load(data)
    chosen = recipes.get(recipe) if epochs is None else recipes.get(recipe).replace(epochs=epochs)
    runs: list[dict[str, Any]] = []
    for seed in range(seeds):
        fitted = fit(chosen.replace(seed=seed), dataset, progress=False)
        classifier = fitted.classifier()
        test_seconds = seconds(partial(classifier.log_probs, dataset.test.images))
        report = evaluate(classifier.log_probs, dataset.test)
        tests = [row.test for row in fitted.history.epochs if row.test] or [report.score]
        train_seconds = sum(row.seconds for row in fitted.history.epochs)
        runs.append(
            {
                "seed": seed,
                "tests": [test.to_json() for test in tests],
                "train_seconds": train_seconds,
                "test_seconds": test_seconds,
                "calibration": calibration(fitted, report.log_probs, dataset.test.labels),
            }
        )
        print(f"seed {seed}: {[test.correct for test in tests]} correct, {train_seconds:.2f} s", flush=True)
    rows = summarise(runs)
    for row in rows:
        print(
            f"{row['after']}: {row['mean_correct']:.1f} correct on average, standard deviation "
            f"{row['sd_correct']:.1f}, mean loss {row['mean_loss']:.4f}"
        )
    figures = {"recipe": chosen.to_json(), "n": seeds, "data": dataset.card.name, "summary": rows, "runs": runs}
    if epochs is None:
        print(f"Saved {save_result(f'accuracy-{recipe}', figures)}")


if __name__ == "__main__":
    cyclopts.run(main)
