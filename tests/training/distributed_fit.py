"""A program that trains recipes in one of several processes, and writes the results: ``RECIPES.json OUT``."""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from penstroke import Callback, Dataset, StopTraining, load, recipes
from penstroke.experiments.subset import shorter_dataset
from penstroke.recipes import Recipe
from penstroke.training import Progress, World, fit
from penstroke.training.distributed import joined
from penstroke.training.launch import launch


def colour(data: Dataset) -> Dataset:
    """Return the digits as images of three channels, 14x14."""
    images = data.train.images[:, :, ::2, ::2].repeat(3, 1)
    return Dataset.from_arrays(images, data.train.labels, classes=list(data.train.classes))


class Stop(Callback):
    """Stops the training after some steps, if this is the last process.

    Args:
        world: rank of this process and number of processes.
        after: number of steps.
    """

    def __init__(self, world: World, after: int) -> None:
        self._stops, self._after, self.steps = world.rank == world.size - 1, after, 0

    def on_step_end(self, progress: Progress) -> None:
        """Count the step."""
        self.steps = progress.step
        if self._stops and progress.step == self._after:
            raise StopTraining


def of_whole_batch(log_probs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return a loss that is not a mean over the images: it has the mean probability of each class."""
    mean = log_probs.exp().mean(0)
    return F.nll_loss(log_probs, labels) + (mean * mean.log()).sum()


def others(digits: Dataset, world: World) -> dict[str, Any]:
    """Return the results of trainings that are stopped, and of one with a loss that is not a mean."""
    results: dict[str, Any] = {}
    small: dict[str, Any] = {"epochs": 1, "batch_size": 64, "optimizer": "sgd", "lr": 0.05}
    plain, normed = recipes.book(**small), recipes.fast(**small, network="patchnet", norm=True)
    for name, recipe, after in (("stopped", plain, 3), ("stopped norm", normed, 3), ("stopped last", plain, 7)):
        stop = Stop(world, after)
        fitted = fit(recipe, digits, device="cpu", progress=False, world=world, callbacks=[stop])
        rows = len(fitted.history.epochs)
        results[name] = {"weights": dict(fitted.model.state_dict()), "steps": stop.steps, "epochs": rows}
    fitted = fit(plain, digits, device="cpu", progress=False, world=world, loss=of_whole_batch)
    results["own loss"] = {"weights": dict(fitted.model.state_dict()), "losses": fitted.history.epochs[0].step_losses}
    return results


def main() -> None:
    """Train each recipe, and write weights, losses and measurements."""
    torch.set_num_threads(1)
    digits = shorter_dataset(load("mnist5k"), 403)
    with joined(launch(), torch.device("cpu")) as world:
        for name, values in json.loads(Path(sys.argv[1]).read_text()).items():
            recipe = Recipe.from_json(values)
            data = colour(digits) if recipe.network.kind in ("resnet", "vggnet") else digits
            fitted = fit(recipe, data, device="cpu", progress=False, world=world)
            rows = fitted.history.epochs
            result = {
                "weights": dict(fitted.model.state_dict()),
                "losses": [row.step_losses for row in rows],
                "correct": [row.test.correct if row.test else None for row in rows],
            }
            torch.save(result, Path(sys.argv[2]) / f"{name}-{world.rank}.pt")
        for name, result in others(digits, world).items():
            torch.save(result, Path(sys.argv[2]) / f"{name}-{world.rank}.pt")


if __name__ == "__main__":
    main()
