"""Accuracy of a recipe on MNIST over several seeds: ``python -m benchmarks.accuracy book --seeds 5``.

Trains with each seed, opens the test set after the last epoch (after each, for recipe ``book``, as the textbook does),
and keeps accuracies, losses and seconds in ``benchmarks/results/accuracy-RECIPE.json``.
"""

import statistics
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any

import tyro
from torch import Tensor

from benchmarks.conditions import keep, seconds
from penstroke import Classifier, evaluate, fit, load, recipes, runtime
from penstroke.cli.output import table
from penstroke.evaluation.calibration import calibration_error
from penstroke.training import Fitted


@dataclass(frozen=True)
class Options:
    """Train a recipe with several seeds and measure each on the test set."""

    recipe: Annotated[str, tyro.conf.Positional] = "book"
    seeds: int = 5
    data: str = "mnist"
    threads: int | None = None


def calibration(fitted: Fitted, answers: Tensor, labels: Tensor) -> dict[str, Any] | None:
    """Return how far the test set's probabilities are off, and what became of the images that got no answer."""
    known = fitted.description.calibration
    if not known:
        return None
    sure, said = answers.exp().max(1)
    answered = sure >= known.threshold
    return {
        "temperature": known.temperature,
        "threshold": known.threshold,
        "error": calibration_error(answers.exp(), labels),
        "refused": int((~answered).sum()),
        "wrong_of_answered": int((answered & (said != labels)).sum()),
    }


def main() -> None:
    """Measure, print a table, keep the figures."""
    options = tyro.cli(Options)
    runtime.prepare(options.threads)
    data = load(options.data)
    runs: list[dict[str, Any]] = []
    for seed in range(options.seeds):
        recipe = replace(recipes.get(options.recipe), seed=seed)
        fitted = fit(recipe, data)
        tests = [row.test for row in fitted.history.epochs if row.test]
        answer = Classifier(fitted.model, fitted.description).log_probabilities
        test_seconds = seconds(partial(answer, data.test.images))
        tests = tests or [evaluate(answer, data.test).score]
        train_seconds = sum(row.seconds for row in fitted.history.epochs)
        runs.append(
            {
                "seed": seed,
                "tests": [test.to_json() for test in tests],
                "train_seconds": train_seconds,
                "test_seconds": test_seconds,
                "calibration": calibration(fitted, answer(data.test.images), data.test.labels),
            }
        )
        print(f"seed {seed}: {[test.correct for test in tests]} right, {train_seconds:.2f} s", flush=True)
    rows = []
    for epoch in range(len(runs[0]["tests"])):
        found = [run["tests"][epoch] for run in runs]
        rows.append(
            {
                "after": f"test {epoch + 1} of {len(runs[0]['tests'])}",
                "mean_correct": statistics.mean(test["correct"] for test in found),
                "sd_correct": statistics.stdev(test["correct"] for test in found) if len(found) > 1 else 0.0,
                "mean_loss": statistics.mean(test["loss"] for test in found),
            }
        )
    path = keep(f"accuracy-{options.recipe}", {"recipe": recipes.get(options.recipe).to_json(), "n": options.seeds,
                                               "data": data.card.name, "summary": rows, "runs": runs})  # fmt: skip
    print(
        table(
            ["after", "mean right", "sd", "mean loss"],
            [[r["after"], f"{r['mean_correct']:.1f}", f"{r['sd_correct']:.1f}", f"{r['mean_loss']:.4f}"] for r in rows],
        )
    )
    print(f"kept in {path}")


if __name__ == "__main__":
    main()
