"""Speed on a GPU: ``python -m benchmarks.gpu [--recipe fast] [--seeds 50]``.

Needs a device that PyTorch calls cuda or xpu. The first training, during which kernels are loaded, is reported
separately. Then each seed is trained and evaluated; the times of training, and of training and evaluation, are written
with the accuracies to ``benchmarks/results/gpu-RECIPE.json``. Training includes the copy of the training images to the
device; the test images are copied before.
"""

import statistics
import time
from typing import Any

import cyclopts
import torch

from benchmarks.conditions import save_result, summary
from penstroke import fit, load, recipes, runtime
from penstroke.errors import UsageError
from penstroke.evaluation import score
from penstroke.inference.backends.torch import forward_batches


def main(
    *, recipe: str = "fast", device: str = "cuda", seeds: int = 50, data: str = "mnist", save: bool = True
) -> None:
    """Train a recipe with many seeds on a GPU.

    Parameters
    ----------
    recipe
        Name of the recipe.
    device
        Name of the device.
    seeds
        Number of training runs after the first one; at least 2.
    data
        Name of the dataset.
    save
        Write the figures to a file.
    """
    try:
        chosen_device = runtime.choose_device(device)
    except UsageError as error:
        raise SystemExit(f"{error} This program needs a GPU.") from None
    dataset = load(data)
    test_images = torch.tensor(dataset.test.images, device=chosen_device)
    chosen = recipes.get(recipe).replace(test_each_epoch=False)
    runs: list[dict[str, Any]] = []
    for seed in range(-1, seeds):  # the first training loads kernels
        torch.accelerator.synchronize()
        start = time.perf_counter()
        fitted = fit(chosen.replace(seed=max(seed, 0)), dataset, device=device, progress=False)
        torch.accelerator.synchronize()
        trained = time.perf_counter()
        log_probs = forward_batches(fitted.model, test_images, len(test_images)).cpu().numpy()
        accuracy = score(log_probs, dataset.test.labels).accuracy
        runs.append({"train": trained - start, "total": time.perf_counter() - start, "accuracy": accuracy})
        print(f"seed {seed}: {runs[-1]}", flush=True)
    warm_up, *counted = runs
    accuracies = [run["accuracy"] for run in counted]
    figures = {
        "device": torch.cuda.get_device_name(chosen_device) if chosen_device.type == "cuda" else str(chosen_device),
        "recipe": chosen.to_json(),
        "data": dataset.card.name,
        "warm_up": warm_up,
        "train_seconds": summary([run["train"] for run in counted]),
        "train_and_test_seconds": summary([run["total"] for run in counted]),
        "accuracy": summary(accuracies) | {"mean": statistics.mean(accuracies), "sd": statistics.stdev(accuracies)},
    }
    if save:
        print(f"Saved {save_result(f'gpu-{recipe}', figures)}")


if __name__ == "__main__":
    cyclopts.run(main)
