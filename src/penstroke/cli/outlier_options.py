"""The option of ``train`` that gives pictures which show none of the classes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from penstroke.cli.output import warn
from penstroke.errors import UsageError

if TYPE_CHECKING:
    from penstroke.data import Dataset
    from penstroke.recipes import Recipe

SHARE = 0.1
"""Fraction of each batch that is replaced by outliers if the recipe replaces none."""

OutliersFrom = Annotated[
    Path | None,
    Parameter(
        name="--outliers-from",
        help="Folder of pictures that show none of the classes; the model learns to abstain on such pictures, if there "
        "are at least 100 validation images.",
        metavar="FOLDER",
        show_default=False,
    ),
]


def with_outliers(recipe: "Recipe", folder: Path | None, fields: dict[str, Any]) -> "Recipe":
    """Return the recipe, which trains on outliers if a folder of them is given.

    Args:
        recipe: the recipe of a new training.
        folder: the folder, if given.
        fields: the fields of the recipe that the user gives.

    Raises:
        UsageError: the user gives a folder and sets the fraction of outliers to 0, or there is no validation.
    """
    if folder is None:
        return recipe
    if fields.get("outliers") == 0:
        raise UsageError(
            f"--outliers-from is {folder}, and --outliers is 0: no outliers would be trained on.",
            "Omit one of the two.",
        )
    if recipe.validation is None:
        raise UsageError(
            f"--outliers-from is {folder}, and there are no validation images, on which the rejection threshold is "
            "determined.",
            "Add --validation 0.1.",
        )
    return recipe if recipe.augmentation.outliers else recipe.replace(outliers=SHARE)


def load_outliers(folder: Path | None, data: "Dataset") -> None:
    """Read the pictures in a folder as the outliers of ``data``, and report how many there are.

    Raises:
        DataError: the folder does not exist, or has too few pictures.
    """
    if folder is None:
        return
    from penstroke.data.outliers import read_outliers

    _, channels, height, width = data.train.images.shape
    found = read_outliers(folder, data.card.preprocessing, (channels, height, width))
    data.outliers = found
    trained, held_out = found.parts()
    for note in found.notes:
        warn(note)
    warn(f"outliers: {len(trained)} pictures of {folder} are trained on, and {len(held_out)} are held out")
