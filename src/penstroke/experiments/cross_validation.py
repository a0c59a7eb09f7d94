"""Cross-validation: probabilities for all images of a dataset, each by networks that were not trained on the image."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32, Int64
from numpy import ndarray

from penstroke.data import Dataset, Split
from penstroke.errors import DataError
from penstroke.inference.predictions import class_probabilities
from penstroke.recipes import Recipe
from penstroke.training import fit
from penstroke.training.adapt import adapt

FOLDS = 4
"""Number of parts of the images; a network is trained on all but one of them."""
MIN_STEPS = 200
"""Minimum number of training steps of a network; a small dataset is trained for more epochs than the recipe's."""
REPEATS = 5
"""Number of random divisions into parts, whose probabilities are averaged."""


def out_of_fold(
    data: Dataset,
    split: Split,
    recipe: Recipe,
    *,
    folds: int = FOLDS,
    repeats: int = REPEATS,
    device: str = "auto",
    on_fold: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005
) -> Float32[ndarray, "n classes"]:
    """Return the mean probabilities of cross-validated networks.

    Args:
        data: the dataset that the images belong to.
        split: the images.
        recipe: trains the networks; each has another seed.
        folds: number of parts of the images.
        repeats: number of random divisions into parts.
        device: see ``fit``.
        on_fold: called with the number of trained networks and their total after each of them.

    Raises:
        DataError: a class has fewer images than there are folds.
        ModelError: a training fails.
    """
    images, labels, classes = split.images, split.labels, split.classes
    recipe, _ = adapt(recipe, split)
    steps = max(1, len(images) * (folds - 1) // folds // recipe.batch_size)
    recipe = recipe.replace(epochs=max(recipe.epochs, -(-MIN_STEPS // steps)))
    total = np.zeros((len(labels), len(classes)), np.float64)
    for repeat in range(repeats):
        for number, held_out in enumerate(stratified_folds(labels, folds, recipe.seed + repeat)):
            rest = np.setdiff1d(np.arange(len(labels)), held_out)
            train = Split(images[rest], labels[rest], classes, "train")
            seeded = recipe.replace(seed=recipe.seed + repeat * folds + number)
            fold = Dataset(data.card, train, None, requested=data.requested)
            fitted = fit(seeded, fold, device=device, progress=False)
            total[held_out] += class_probabilities(fitted.classifier().log_probs(images[held_out]))
            on_fold(repeat * folds + number + 1, repeats * folds)
    return (total / repeats).astype(np.float32)


def stratified_folds(labels: Int64[ndarray, " n"], folds: int, seed: int) -> list[Int64[ndarray, " m"]]:
    """Return the positions of the images in each part; all parts have the same proportion of each class.

    Raises:
        DataError: a class has fewer images than there are folds.
    """
    random = np.random.RandomState(seed)
    fold = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        if len(members) < folds:
            raise DataError(
                f"The class at position {label} has {len(members)} images; an audit needs at least {folds} of each.",
                "Add images of this class, or remove it.",
            )
        fold[members] = np.arange(len(members)) % folds
    return [np.flatnonzero(fold == number) for number in range(folds)]
