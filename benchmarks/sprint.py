"""Recipe ``sprint``, the shortest training to 99 % on MNIST: ``python -m benchmarks.sprint [--short]``.

Trains the recipe with many seeds in this process. After every tenth of them, the code of the published one-epoch record
and the command ``penstroke train sprint`` run in turn, each in a new process. The test set is opened once, after all
trainings; the record's code tests its own networks. The figures are written to ``benchmarks/results/sprint.json``.

``--short`` trains on the first 50,000 training images, tests on the other 10,000, and saves nothing. Run nothing else
at the same time.
"""

import math
import statistics
import time
from collections.abc import Sequence
from typing import Any

import cyclopts
from scipy import stats

from benchmarks.conditions import matmul_gflops, ratio, save_result, summary
from benchmarks.speed import penstroke, reference
from penstroke import Dataset, evaluate, fit, load, recipes, runtime

TRAINED_ON = 50_000
"""Number of training images in the short form."""
SEEDS_PER_PAIR = 10
"""Trainings in this process between two pairs of new processes."""


def validation_data(data: Dataset) -> Dataset:
    """Return a dataset whose test images are the last 10,000 training images."""
    images, labels = data.train.images, data.train.labels
    held_out = images[TRAINED_ON:], labels[TRAINED_ON:]
    return Dataset.from_arrays(images[:TRAINED_ON], labels[:TRAINED_ON], test=held_out, classes=data.train.classes)


def command(seed: int) -> dict[str, float]:
    """Train with the command line in a new process; return the seconds of the training and of the whole command."""
    started = time.perf_counter()
    made = penstroke("sprint", "--seed", str(seed))
    return {"training": made["seconds"], "command": time.perf_counter() - started}


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Return the figures of ``summary``, with mean, standard deviation and the 95 % interval of the mean."""
    mean, deviation = statistics.mean(values), statistics.stdev(values)
    half = float(stats.t.ppf(0.975, len(values) - 1)) * deviation / math.sqrt(len(values))
    return summary(values) | {"mean": mean, "sd": deviation, "mean_ci95": [mean - half, mean + half]}


def main(*, seeds: int = 100, short: bool = False) -> None:
    """Measure the time and the accuracy of recipe ``sprint``.

    Parameters
    ----------
    seeds
        Number of trainings in this process.
    short
        A trial on validation images.
    """
    runtime.configure()
    data, recipe = load("mnist"), recipes.sprint()
    if short:
        recipe = recipe.replace(epoch_share=min(1.0, recipe.epoch_share * len(data.train) / TRAINED_ON))
        data = validation_data(data)
    first = fit(recipe, data, progress=False)  # the first training of a process is slower
    classifiers, times, rates = [], [], []
    records: list[dict[str, Any]] = []
    commands: list[dict[str, float]] = []
    for seed in range(seeds):
        if seed % SEEDS_PER_PAIR == 0:
            rates.append(matmul_gflops())
            records.append(reference("record", seed))
            commands.append(command(seed))
        fitted = fit(recipe.replace(seed=seed), data, progress=False)
        classifiers.append(fitted.classifier())
        times.append(fitted.history.seconds)
    print(f"{seeds} trainings: {statistics.median(times):.3f} s", flush=True)
    accuracies = [evaluate(classifier, data.test).score.accuracy for classifier in classifiers]
    theirs = [run["seconds"] for run in records]
    figures = {
        "recipe": recipe.to_json(),
        "accuracy": spread(accuracies),
        "train_seconds": summary(times),
        "first_train_seconds": first.history.seconds,
        "process_train_seconds": summary([run["training"] for run in commands]),
        "command_seconds": summary([run["command"] for run in commands]),
        "record_seconds": summary(theirs),
        "record_accuracy": statistics.mean(run["accuracies"][0] for run in records),
        "times_faster": ratio(theirs, [run["training"] for run in commands]),
        "matmul_gflops": summary(rates),
    }
    for name, value in figures.items():
        if isinstance(value, dict) and "median" in value:
            print(f"{name}: median {value['median']:.4f}, {value['min']:.4f} to {value['max']:.4f}, n {value['n']}")
    accuracy = figures["accuracy"]
    low, high = accuracy["mean_ci95"]
    print(f"mean accuracy {accuracy['mean']:.5f} ({low:.5f} to {high:.5f}), standard deviation {accuracy['sd']:.5f}")
    if not short:
        print(f"Saved {save_result('sprint', figures)}")


if __name__ == "__main__":
    cyclopts.run(main)
