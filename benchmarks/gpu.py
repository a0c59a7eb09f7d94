"""Speed on a GPU: ``python -m benchmarks.gpu [--recipe fast] [--seeds 50]``.

Needs a device that PyTorch calls cuda or xpu, and MNIST at hand. The data lie on the device before the clock starts;
the first training, in which kernels are loaded, is reported apart; then each seed is trained and tested, and the
seconds of training, and of training and testing, are kept with the accuracies in
``benchmarks/results/gpu-RECIPE.json``.
"""

import statistics
import time
from dataclasses import dataclass, replace
from typing import Any

import torch
import tyro

from benchmarks.conditions import keep, summary
from penstroke import fit, load, recipes, runtime
from penstroke.data import Dataset
from penstroke.errors import UsageError
from penstroke.evaluation import score
from penstroke.models.forward import log_probabilities


@dataclass(frozen=True)
class Options:
    """Train a recipe with many seeds on a GPU."""

    recipe: str = "fast"
    device: str = "cuda"
    seeds: int = 50


def main() -> None:
    """Measure, print, keep."""
    options = tyro.cli(Options)
    try:
        device = runtime.choose_device(options.device)
    except UsageError as fault:
        raise SystemExit(f"{fault} This program needs a GPU.") from None
    whole = load("mnist")
    train, test = whole.train.to(device), whole.test.to(device)
    data = Dataset(whole.card, train, lambda: test, requested="mnist")
    recipe = replace(recipes.get(options.recipe), test_each_epoch=False)
    runs: list[dict[str, Any]] = []
    for seed in range(-1, options.seeds):  # the first one warms up, and is not counted
        torch.accelerator.synchronize()
        start = time.perf_counter()
        fitted = fit(replace(recipe, seed=max(seed, 0)), data, device)
        torch.accelerator.synchronize()
        trained = time.perf_counter()
        found = score(log_probabilities(fitted.model, test.images, len(test)), test.labels)
        torch.accelerator.synchronize()
        runs.append({"train": trained - start, "total": time.perf_counter() - start, "accuracy": found.accuracy})
        print(f"seed {seed}: {runs[-1]}", flush=True)
    warm_up, *counted = runs
    accuracies = [run["accuracy"] for run in counted]
    figures = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
        "recipe": recipe.to_json(),
        "warm_up": warm_up,
        "train_seconds": summary([run["train"] for run in counted]),
        "train_and_test_seconds": summary([run["total"] for run in counted]),
        "accuracy": summary(accuracies) | {"mean": statistics.mean(accuracies), "sd": statistics.stdev(accuracies)},
    }
    print(f"kept in {keep(f'gpu-{options.recipe}', figures)}")


if __name__ == "__main__":
    main()
