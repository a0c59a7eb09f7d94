"""Which score tells pictures of unknown things from those of the classes: ``python -m benchmarks.rejection FOLDER``.

Of the classes of a folder with ``train/`` and ``test/``, four that are drawn for each seed are no classes: the training
pictures of two of them are outliers to train on, and the test pictures of the other two are what the model should
abstain on. Four scores are compared by their area under the ROC curve: the highest probability, the entropy, the margin
between the two highest probabilities, and the energy, the log-sum-exp of the logits (W. Liu and others, "Energy-based
out-of-distribution detection", 2020, https://arxiv.org/abs/2010.03759). Writes ``benchmarks/results/rejection.json``.
"""

from pathlib import Path
from typing import Any

import cyclopts
import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray

from benchmarks.conditions import save_result
from benchmarks.transfer import summary
from penstroke import Dataset, fit, load, recipes, runtime
from penstroke.data import Split
from penstroke.data.outliers import Outliers
from penstroke.evaluation import roc_auc
from penstroke.inference.backends.torch import forward_batches
from penstroke.networks.layers import Network
from penstroke.recipes import Recipe

UNKNOWN = 4
WAYS = ("no outliers", "mixtures and shuffled patches", "pictures of other things")


def of_classes(split: Split, names: tuple[str, ...]) -> Split:
    """Return the images of some classes, with labels from 0."""
    chosen = np.flatnonzero([split.classes[label] in names for label in split.labels])
    labels = np.array([names.index(split.classes[label]) for label in split.labels[chosen]], np.int64)
    return Split(split.images[chosen], labels, names, split.name)


def logits_of(network: Network, images: UInt8[ndarray, "n c h w"]) -> Float[ndarray, "n classes"]:
    """Return the output of the last layer before the softmax."""
    layers = {name: layer for name, layer in network.named_children() if name not in ("log_softmax", "calibration")}
    shortened = torch.nn.Sequential(*layers.values())
    return forward_batches(shortened, torch.from_numpy(images)).double().numpy()


def scores(logits: Float[ndarray, "n classes"]) -> dict[str, Float[ndarray, " n"]]:
    """Return the scores, each higher for images of the classes."""
    high = logits.max(1, keepdims=True)
    energy = (high + np.log(np.exp(logits - high).sum(1, keepdims=True)))[:, 0]
    probabilities = np.exp(logits - energy[:, None])
    ranked = np.sort(probabilities, axis=1)
    return {
        "highest probability": ranked[:, -1],
        "entropy": (probabilities * np.log(np.maximum(probabilities, 1e-300))).sum(1),
        "margin": ranked[:, -1] - ranked[:, -2],
        "energy": energy,
    }


def measure(data: Dataset, recipe: Recipe, way: str, seed: int) -> dict[str, float]:
    """Train once, and return the accuracy on known classes and the area under the ROC curve of each score."""
    names = tuple(np.random.default_rng(seed).permutation(data.train.classes).tolist())
    train, test = (of_classes(split, names[UNKNOWN:]) for split in (data.train, data.test))
    others = of_classes(data.train, names[: UNKNOWN // 2])
    unseen = of_classes(data.test, names[UNKNOWN // 2 : UNKNOWN])
    split = Dataset.from_arrays(train.images, train.labels, classes=train.classes)
    if way == WAYS[2]:
        split.outliers = Outliers(others.images)
    share = 0.0 if way == WAYS[0] else 0.15
    fitted = fit(recipe.replace(seed=seed, outliers=share), split, device="cpu")
    logits = logits_of(fitted.model, test.images)
    inside, outside = scores(logits), scores(logits_of(fitted.model, unseen.images))
    found = {"accuracy": float((logits.argmax(1) == test.labels).mean())}
    for name in inside:
        both = np.concatenate([inside[name], outside[name]])
        area = roc_auc(both, np.arange(len(both)) < len(inside[name]))
        assert area is not None
        found[name] = area
    return found


def main(folder: Path, /, *, recipe: str = "fast", epochs: int = 6, seeds: int = 5, save: bool = True) -> None:
    """Compare scores for rejection on a folder of pictures.

    Parameters
    ----------
    folder
        Folder with ``train/`` and ``test/`` of at least six classes.
    recipe
        Name of the recipe.
    epochs
        Epochs of each training.
    seeds
        Number of trainings of each kind.
    save
        Whether to write the result file.
    """
    runtime.configure()
    data, chosen = load(folder), recipes.get(recipe).replace(epochs=epochs)
    rows: dict[str, Any] = {}
    for way in WAYS:
        runs = [measure(data, chosen, way, seed) for seed in range(seeds)]
        rows[way] = {name: summary([run[name] for run in runs]) for name in runs[0]} | {
            "entropy minus highest probability": summary([run["entropy"] - run["highest probability"] for run in runs]),
            "energy minus highest probability": summary([run["energy"] - run["highest probability"] for run in runs]),
        }
        print(way, {name: round(row["mean"], 4) for name, row in rows[way].items()}, flush=True)
    figures = {"data": folder.name, "classes": len(data.train.classes), "unknown": UNKNOWN, "seeds": seeds}
    figures |= {"recipe": chosen.to_json(), "rows": rows}
    if save:
        print(f"Saved {save_result('rejection', figures)}")


if __name__ == "__main__":
    cyclopts.run(main)
