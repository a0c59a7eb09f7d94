"""A program that trains recipes in one of several processes, and writes the results: ``RECIPES.json OUT``."""

import json
import sys
from pathlib import Path

import torch

from penstroke import Dataset, load
from penstroke.experiments.subset import shorter_dataset
from penstroke.recipes import Recipe
from penstroke.training import fit
from penstroke.training.distributed import joined
from penstroke.training.launch import launch


def colour(data: Dataset) -> Dataset:
    """Return the digits as images of three channels, 14x14."""
    images = data.train.images[:, :, ::2, ::2].repeat(3, 1)
    return Dataset.from_arrays(images, data.train.labels, classes=list(data.train.classes))


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


if __name__ == "__main__":
    main()
