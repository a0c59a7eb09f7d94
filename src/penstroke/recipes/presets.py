"""The built-in recipes. Each is a function that returns a complete recipe."""

from collections.abc import Callable
from typing import Any

from penstroke.errors import UsageError, nearest
from penstroke.networks import PatchNet, VGGNet
from penstroke.recipes.parts import Augmentation, Evaluation, Muon, OneCycle, Selection, Validation
from penstroke.recipes.recipe import Recipe
from penstroke.schema import shown


def book(**flat: Any) -> Recipe:
    """Return the recipe of the textbook: ConvNet, Adadelta at 0.5, batches of 32, two epochs, each with a test.

    The mean and standard deviation are those in the chapter; ``docs/chapter.md`` explains why they differ from
    the measured 0.1307 and 0.3081.

    Args:
        flat: other values of some fields; see ``Recipe.replace``.
    """
    recipe = Recipe(name="book", mean=0.1302, std=0.3069, evaluation=Evaluation(test_each_epoch=True))
    return recipe.replace(**flat)


def fast(**flat: Any) -> Recipe:
    """Return the recipe of the shortest training that reaches 99.0 % on MNIST: one epoch of PatchNet with Muon.

    ``docs/fast.md`` describes how it was found.

    Args:
        flat: other values of some fields; see ``Recipe.replace``.
    """
    recipe = Recipe(
        name="fast",
        network=PatchNet(),
        epochs=1,
        batch_size=256,
        optimizer=Muon(lr=0.15, momentum=0.7),
        schedule=OneCycle(),
        augmentation=Augmentation(shift=1),
        label_smoothing=0.05,
    )
    return recipe.replace(**flat)


def sprint(**flat: Any) -> Recipe:
    """Return the recipe of the fewest seconds to 99.0 % on MNIST: ``fast`` on a part of an epoch, in bfloat16.

    ``docs/sprint.md`` describes how it was found.

    Args:
        flat: other values of some fields; see ``Recipe.replace``.
    """
    recipe = fast(
        name="sprint",
        epoch_share=0.69,
        shift=0,
        label_smoothing=0.1,
        precision="auto",
        by_gram=True,
        mean=0.1307,
        std=0.3081,
    )
    return recipe.replace(**flat)


def _six_convolutions(width: int) -> PatchNet:
    """Return the network of ``robust`` and ``best``: convolutions of ``width`` and twice as many channels."""
    return PatchNet(
        channels=(width,) * 3 + (2 * width,) * 3,
        kernel_sizes=(5, 3, 3, 3, 3, 3),
        strides=(2, 1, 1, 2, 1, 1),
        hidden=0,
        padding=True,
        norm=True,
    )


def robust(**flat: Any) -> Recipe:
    """Return the recipe for practical use: distorted digits, outliers, and calibration on a validation split.

    ``docs/pictures.md`` describes how it was found and how accurate it is.

    Args:
        flat: other values of some fields; see ``Recipe.replace``.
    """
    recipe = Recipe(
        name="robust",
        network=_six_convolutions(32),
        epochs=20,
        batch_size=256,
        optimizer=Muon(lr=0.02, momentum=0.9, rescale=True),
        schedule=OneCycle(),
        augmentation=Augmentation(distortion=0.5, outliers=0.2),
        validation=Validation(share=0.1, rejection_rate=0.0025),
        selection=Selection(keep="average"),
        label_smoothing=0.05,
        precision="auto",
    )
    return recipe.replace(**flat)


def general(**flat: Any) -> Recipe:
    """Return the recipe for pictures of any kind: a convolutional network, and augmentation of photographs.

    ``docs/general.md`` describes how it was found and how accurate it is.

    Args:
        flat: other values of some fields; see ``Recipe.replace``.
    """
    recipe = Recipe(
        name="general",
        network=VGGNet(),
        epochs=85,
        scale_epochs=True,
        batch_size=128,
        optimizer=Muon(lr=0.12, momentum=0.6, rescale=True),
        schedule=OneCycle(warmup=0.2),
        augmentation=Augmentation(crop=0.125, flip=None, jitter=0.2, cutout=0.3),
        validation=Validation(share=0.1),
        label_smoothing=0.1,
        precision="auto",
    )
    return recipe.replace(**flat)


def best(**flat: Any) -> Recipe:
    """Return the recipe of the most accurate network for MNIST: a deeper PatchNet, trained long on warped digits.

    ``docs/best.md`` describes how it was found and how accurate it is.

    Args:
        flat: other values of some fields; see ``Recipe.replace``.
    """
    recipe = Recipe(
        name="best",
        network=_six_convolutions(48),
        epochs=40,
        batch_size=250,
        optimizer=Muon(lr=0.02, momentum=0.9, rescale=True),
        schedule=OneCycle(),
        augmentation=Augmentation(warp=0.65),
        validation=Validation(share=0.05, rejection_rate=0.0025),
        selection=Selection(keep="average"),
        label_smoothing=0.05,
        precision="auto",
    )
    return recipe.replace(**flat)


def distilled(**flat: Any) -> Recipe:
    """Return the recipe of a network of the size of ``robust`` that learns the probabilities of a committee.

    The teacher is that of ``penstroke train best --seeds 5 --committee`` unless another one is given. ``docs/best.md``
    describes both recipes.

    Args:
        flat: other values of some fields; see ``Recipe.replace``.
    """
    recipe = robust(name="distilled", teacher="runs/best-seeds/committee", label_smoothing=0.0)
    return recipe.replace(**flat)


RECIPES: dict[str, Callable[..., Recipe]] = {
    recipe.__name__: recipe for recipe in (book, fast, sprint, robust, general, best, distilled)
}
"""The built-in recipes by name."""


def get(name: str) -> Recipe:
    """Return the built-in recipe called ``name``.

    Raises:
        UsageError: there is no recipe of that name; the most similar name is suggested.
    """
    if name not in RECIPES:
        raise UsageError(f"The recipe {name!r} is unknown.", nearest(name, RECIPES))
    return RECIPES[name]()


def require_recipe(recipe: object) -> Recipe:
    """Return a recipe unchanged, or the built-in recipe of a name.

    Raises:
        UsageError: ``recipe`` is neither a recipe nor the name of one.
    """
    if isinstance(recipe, str):
        return get(recipe)
    if not isinstance(recipe, Recipe):
        raise UsageError(
            f"recipe is {shown(recipe)} ({type(recipe).__name__}); it must be a recipe, or the name of one.",
            f"Pass one of {', '.join(map(repr, RECIPES))}, or a recipe such as recipes.fast(epochs=2).",
        )
    return recipe
