"""The values of a recipe that depend on the training images: mirroring, colour, number of epochs, size of batches."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from penstroke.data import Dataset, Split
from penstroke.networks.features import FeatureNetwork
from penstroke.recipes import Recipe
from penstroke.training.batches import steps_per_epoch
from penstroke.training.start import split_validation

SIDE = 12
"""Side, in pixels, to which images are reduced before they are compared."""
COMPARED = 1000
"""Maximum number of images that are compared, and of those that they are compared with."""
LEVELS = 8
"""Levels of each channel in a histogram of colours."""
RIDGE = 1e-3
"""Penalty of the linear model of colours, for histograms of which each adds up to 1."""
Array = np.ndarray


def adapt(recipe: Recipe, train: Split) -> tuple[Recipe, list[str]]:
    """Return the recipe with all values that it leaves to the training images, and notes on them.

    The result is complete: adapting it again changes nothing.

    Args:
        recipe: a recipe.
        train: the images to train on, without those of a validation split.
    """
    values: dict[str, Any] = {}
    notes = []
    count = len(train)
    steps = steps_per_epoch(count, recipe.batch_size)
    if isinstance(recipe.network, FeatureNetwork):
        # Batches of equal size: batch normalisation is inaccurate for a last batch of few images.
        values["batch_size"] = -(-count // steps)
    if recipe.scale_epochs:
        values["epochs"] = recipe.epochs_for(count)
        used = steps_per_epoch(count, recipe.batch_size, recipe.epoch_share)
        notes.append(f"{values['epochs']} epochs of {used} steps, for {count} training images")
    if recipe.augmentation.flip is None:
        flip = mirrored_alike(train)
        values["flip"] = flip
        notes.append(
            "half of the images are mirrored: mirrored training images look like others of their class (--no-flip)"
            if flip
            else "images are not mirrored: mirrored training images look unlike others of their class (--flip)"
        )
    if isinstance(recipe.network, FeatureNetwork):
        if recipe.network.mirror is None:
            values["mirror"] = bool(values.get("flip", recipe.augmentation.flip))
        if recipe.network.grey is None:
            grey = train.images.shape[1] > 1 and not colours_tell_classes(train)
            values |= {"grey": True, "mix_channels": True} if grey else {"grey": False}
            if grey:
                notes.append("colours are not used: they do not tell the classes of the training images (--no-grey)")
            elif train.images.shape[1] > 1:
                notes.append("colours are used: they tell the classes of the training images (--grey)")
    return recipe.replace(**values), notes


def adapt_to(recipe: Recipe, data: Dataset) -> tuple[Recipe, list[str]]:
    """Return the recipe adapted to the images that it trains on: those of ``data`` without its validation split.

    The images are divided only for a recipe that leaves a value to them.

    Raises:
        DataError: see ``split_validation``.
    """
    leaves = recipe.scale_epochs or recipe.augmentation.flip is None or isinstance(recipe.network, FeatureNetwork)
    return adapt(recipe, split_validation(data, recipe.validation)[0]) if leaves else (recipe, [])


def for_processes(recipe: Recipe, images: int, processes: int) -> Recipe:
    """Return the recipe with batches over all processes: if it scales them, those of each process together.

    Args:
        recipe: a recipe, adapted to the images.
        images: number of training images.
        processes: number of processes.
    """
    if recipe.scaling == "none" or processes == 1:
        return recipe
    size = min(recipe.batch_size * processes, images)
    if isinstance(recipe.network, FeatureNetwork):  # batches of equal size, as above
        size = -(-images // steps_per_epoch(images, size))
    return recipe.replace(batch_size=size)


def mirrored_alike(split: Split) -> bool:
    """Return whether mirroring keeps the classes of images, as for most photographs, and unlike symbols.

    The images are divided in two halves. Each image of one half, and its mirror image, is classified by the nearest
    image of the other half. Mirroring changes the classes if clearly more mirror images are wrong: by more than two
    standard deviations of the difference.

    Args:
        split: the images and their classes.
    """
    order = np.random.RandomState(0).permutation(len(split))[: 2 * COMPARED]
    small, labels = _reduced(split.images[np.sort(order)]), split.labels[np.sort(order)]
    shuffled = np.random.RandomState(1).permutation(len(small))
    known, asked = np.array_split(shuffled, 2)
    if not len(asked):
        return False

    def correct(images: Float32[Array, "n side side"]) -> Bool[Array, "n"]:
        rows = [_unit(part.reshape(len(part), -1)) for part in (images, small[known])]
        return np.asarray(labels[known][(rows[0] @ rows[1].T).argmax(1)] == labels[asked])

    plain, mirrored = correct(small[asked]), correct(small[asked][:, :, ::-1])
    worse, better = int((plain & ~mirrored).sum()), int((mirrored & ~plain).sum())
    return bool(worse - better <= 2 * (worse + better) ** 0.5)


def colours_tell_classes(split: Split) -> bool:
    """Return whether the colours of images, without their positions, tell anything about the classes.

    A linear model of the histograms of the channels, fitted to one half of the images, classifies the other half, and
    the other way round. Colours tell something if it is right more often than by chance, by more than three standard
    deviations.

    Args:
        split: the images and their classes.
    """
    order = np.sort(np.random.RandomState(0).permutation(len(split))[: 2 * COMPARED])
    labels, classes = split.labels[order], len(split.classes)
    levels = split.images[order] // (256 // LEVELS)
    histograms = np.stack([(levels == level).mean((2, 3)) for level in range(LEVELS)], 2).reshape(len(order), -1)
    rows = np.concatenate([histograms - histograms.mean(0), np.ones((len(order), 1))], 1)
    targets = np.eye(classes)[labels]
    halves = np.array_split(np.random.RandomState(1).permutation(len(order)), 2)
    correct = 0
    for known, asked in (halves, halves[::-1]):
        gram = rows[known].T @ rows[known] + RIDGE * max(1, len(known)) * np.eye(rows.shape[1])
        weights = np.linalg.solve(gram, rows[known].T @ targets[known])
        correct += int(((rows[asked] @ weights).argmax(1) == labels[asked]).sum())
    chance = float(np.bincount(labels).max()) / len(labels)
    return bool(correct > chance * len(labels) + 3 * (chance * (1 - chance) * len(labels)) ** 0.5)


def _reduced(images: UInt8[Array, "n c h w"]) -> Float32[Array, "n side side"]:
    """Return grey images of at most SIDE pixels a side: means of pixels, blurred by the reduction."""
    grey = images.mean(1, dtype=np.float32)
    for axis in (1, 2):
        side = grey.shape[axis]
        if side > SIDE:
            edges = np.linspace(0, side, SIDE + 1).astype(int)
            counts = np.diff(edges).reshape([-1 if axis == each else 1 for each in range(3)])
            grey = np.add.reduceat(grey, edges[:-1], axis) / counts
    return grey.astype(np.float32)


def _unit(rows: Float32[Array, "n d"]) -> Float32[Array, "n d"]:
    """Return rows with mean 0 and length 1; a row of equal values becomes zero."""
    centred = rows - rows.mean(1, keepdims=True)
    return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6), np.float32)
