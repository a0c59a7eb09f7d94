"""The options of ``train`` that start from the weights of another model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from penstroke import recipes
from penstroke.cli.options import number_from
from penstroke.cli.output import warn
from penstroke.cli.seeds import check_inapplicable
from penstroke.errors import UsageError, require_extra

if TYPE_CHECKING:
    from penstroke.data import Dataset
    from penstroke.recipes import Recipe
    from penstroke.training.init import Init, Source

InitFrom = Annotated[
    Path | None,
    Parameter(
        name="--init",
        help="Start from the network and weights of a run, a model file or ready; layers that do not fit are new.",
        metavar="RUN",
        show_default="random weights",
    ),
]
Freeze = Annotated[
    float | None,
    Parameter(
        name="--freeze",
        help="With --init: fraction of the training in which only new layers are trained.",
        metavar="FLOAT",
        converter=number_from(0, 1),
        show_default="0",
    ),
]


def open_init(init: Path | None, freeze: float | None, *, resuming: bool) -> "Source | None":
    """Return the model that the training starts from, or None.

    Raises:
        UsageError: the options do not apply.
        RunError, ModelError: the model cannot be used.
    """
    if resuming:
        check_inapplicable("--resume", {"--init": init, "--freeze": freeze})
    if init is None:
        if freeze:
            raise UsageError(
                f"--freeze is {freeze:g}, and the training starts from random weights, which must be trained.",
                "Omit it, or name the model to start from with --init.",
            )
        return None
    require_extra("train", "torch")
    from penstroke.training.init import open_source

    return open_source(init)


def recipe_of(source: "Source") -> str | None:
    """Return, with a note, the built-in recipe that trained a model: the default for a training that starts from it."""
    trained = source.description.trained.get("recipe")
    name = trained.get("name") if isinstance(trained, dict) else None
    if name not in recipes.RECIPES:
        return None
    warn(f"recipe {name}, with which {source.title} was trained")
    return str(name)


def planned(source: "Source | None", recipe: "Recipe", data: "Dataset", freeze: float | None) -> "Init | None":
    """Return what the training takes from the model, and report it.

    Raises:
        UsageError: nothing in the model agrees with the recipe and the data.
    """
    if source is None:
        return None
    from penstroke.training.init import plan

    init = plan(source, recipe.network, data.train, freeze or 0.0)
    warn(str(init))
    shapes = source.description.image_shape, data.train.images.shape[1:]
    if shapes[0] != shapes[1]:
        texts = ["x".join(map(str, shape)) for shape in shapes]
        size = (
            f"; with --size {shapes[0][2]}x{shapes[0][1]}, more layers may fit"
            if shapes[0][1:] != shapes[1][1:]
            else ""
        )
        warn(f"{source.title} is for images of {texts[0]} (channels, height, width), and these have {texts[1]}{size}")
    theirs, ours = source.description.preprocessing, data.card.preprocessing
    if theirs != ours:
        warn(
            f"pictures for {source.title} are prepared by {theirs!r}, and those of this data by {ours!r}; little is "
            "gained if the images look different (docs/transfer.md)"
        )
    return init
