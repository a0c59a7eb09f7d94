"""Recipes: frozen, typed and complete descriptions of training runs.

A recipe is checked as a whole when it is created, and all its invalid fields are reported at once. This module imports
neither torch nor NumPy, and does not depend on the data or the device that the recipe is used with.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, MinLen
from pydantic import Field, StringConstraints, model_validator

from penstroke.errors import UsageError
from penstroke.networks import ConvNet, NetworkSpec
from penstroke.recipes import fields
from penstroke.recipes.parts import (
    Adadelta,
    Augmentation,
    Constant,
    Count,
    Evaluation,
    Fraction,
    Optimizer,
    Schedule,
    Seed,
    Selection,
    Validation,
)
from penstroke.schema import PerChannel, Problem, Rule, shown, value_class

_Mean = Annotated[float, Ge(0), Le(1)]
_Std = Annotated[float, Gt(0), Le(1)]
Mean = Annotated[
    _Mean | Annotated[tuple[_Mean, ...], MinLen(1)], PerChannel, Rule("a number from 0 to 1, or one for each channel")
]
Std = Annotated[
    _Std | Annotated[tuple[_Std, ...], MinLen(1)],
    PerChannel,
    Rule("a number above 0 and at most 1, or one for each channel"),
]
REFERENCE_IMAGES = 5000
"""Number of training images for which ``epochs`` is meant if it is scaled."""
MAX_SCALE = 1.1
"""Largest factor of ``epochs``, for at most 4,132 images."""
FolderName = Annotated[
    str,
    StringConstraints(pattern=r"^[^./\\][^/\\]*$"),
    Rule("the name of a folder, without slashes or a leading dot"),
]


@value_class
class Recipe:
    """A complete description of a training run, except the data and the device.

    The parts are nested; ``replace``, ``flat``, JSON, TOML and the command line use the flat names of their fields,
    such as ``lr`` for ``optimizer.lr``.

    Raises:
        UsageError: at creation, listing every invalid field with its value and rule.
    """

    # Default parts come from factories, because creating them here would build their validators at import.
    name: FolderName = Field(description="Name of the recipe, and of the runs made from it.")
    network: Annotated[NetworkSpec, Rule("a network, for example ConvNet()")] = Field(
        default_factory=lambda: ConvNet(), description="Network."
    )
    epochs: Count = Field(default=2, description="Number of passes over the training images.")
    scale_epochs: bool = Field(
        default=False,
        description=f"Multiply epochs by the square root of {REFERENCE_IMAGES} / training images, unless epochs is "
        "given.",
    )
    epoch_share: Annotated[float, Gt(0), Le(1)] = Field(
        default=1.0, description="Fraction of the batches of an epoch that are trained on; others in each epoch."
    )
    batch_size: Count = Field(default=32, description="Images per training step.")
    accumulate: Count = Field(
        default=1,
        description="Parts in which a batch is computed, one after the other, to need less memory; their gradients are "
        "added.",
    )
    scaling: Literal["none", "linear", "sqrt"] = Field(
        default="none",
        description="Several processes share each batch (none), or each has a batch of its own, and the learning rate "
        "is multiplied by their number (linear) or its square root (sqrt).",
    )
    scaling_warmup: Fraction = Field(
        default=0.05, description="Fraction of the training in which this factor of the learning rate rises from 1."
    )
    optimizer: Annotated[Optimizer, Rule("an optimizer, for example Adam(lr=0.001)")] = Field(
        default_factory=lambda: Adadelta(), description="Optimizer."
    )
    schedule: Annotated[Schedule, Rule("a schedule, for example OneCycle()")] = Field(
        default_factory=lambda: Constant(), description="Learning-rate schedule."
    )
    augmentation: Augmentation = Field(default_factory=lambda: Augmentation(), description="Augmentation.")
    evaluation: Evaluation = Field(default_factory=lambda: Evaluation(), description="Evaluation during training.")
    validation: Validation | None = Field(default=None, description="Validation split.")
    selection: Selection = Field(default_factory=lambda: Selection(), description="Selection of the weights.")
    label_smoothing: Fraction = Field(default=0.0, description="Label smoothing of the loss.")
    class_weights: Literal["none", "balanced"] = Field(
        default="none",
        description="Weights of the classes in the loss: none, or balanced (each image counts by the inverse of the "
        "number of images in its class).",
    )
    teacher: str = Field(
        default="",
        description="Run, model file or committee whose probabilities for the augmented images replace their labels.",
    )
    precision: Literal["float32", "bfloat16", "auto"] = Field(
        default="float32",
        description="Precision of convolutions and matrix products in training: float32, bfloat16, or auto (bfloat16 "
        "where the device computes it faster).",
    )
    seed: Seed = Field(default=0, description="Seed of the initial weights, the order of the images, and dropout.")
    mean: Mean | None = Field(
        default=None,
        description="Pixel mean in 0..1, one value or one per channel; by default that of the training images.",
    )
    std: Std | None = Field(
        default=None,
        description="Pixel standard deviation in 0..1, one value or one per channel; by default that of the training "
        "images.",
    )
    log_every: Count = Field(default=10, description="Batches between two lines of progress.")

    @model_validator(mode="after")
    def _validation_selects(self) -> "Recipe":
        selection = self.selection
        given = ["keep is 'best'"] if selection.keep == "best" else []
        given += [f"patience is {selection.patience}"] if selection.patience else []
        if given and self.validation is None:
            raise ValueError(
                f"{' and '.join(given)} but there are no validation images to select by; set validation, for example "
                "to 0.1 (--validation 0.1)"
            )
        return self

    @model_validator(mode="after")
    def _teacher_has_the_labels(self) -> "Recipe":
        values = {"label_smoothing": self.label_smoothing, "class_weights": self.class_weights}
        given = [f"{name} is {value}" for name, value in values.items() if value not in (0, "none")]
        if self.teacher and given:
            raise ValueError(
                f"{' and '.join(given)} but a teacher is given, whose probabilities replace the labels; omit one"
            )
        return self

    @staticmethod
    def _remedy(problems: Sequence[Problem]) -> str:
        return fields.remedy("Correct these fields.", problems)

    def flat(self) -> dict[str, Any]:
        """Return all fields by their flat names; ``network``, ``optimizer`` and ``schedule`` are kinds.

        Fields that do not apply are absent. Without validation, ``validation`` is 0.0.
        """
        return fields.flatten(self)

    def replace(self, **flat: Any) -> "Recipe":
        """Return a recipe with other values of some fields, given by their flat names.

        A network, optimizer or schedule of a new kind starts from its defaults. Whole parts may be given, too:
        ``recipe.replace(optimizer=Adam(lr=0.01))``. A number of epochs is exact: it is not scaled.

        Raises:
            UsageError: a field is unknown, invalid or does not apply; all such fields are listed.
        """
        if "epochs" in flat:
            flat = {"scale_epochs": False} | flat
        return fields.assemble(type(self), flat, fields.flatten(self))

    def epochs_for(self, images: int) -> int:
        """Return the number of epochs for a number of training images: more for small sets, fewer for large ones."""
        if not self.scale_epochs:
            return self.epochs
        return max(1, round(self.epochs * min(MAX_SCALE, (REFERENCE_IMAGES / images) ** 0.5)))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, from which ``from_json`` makes an equal recipe."""
        inside = fields.flat_names(type(self.network))
        flat = {name: value for name, value in fields.flatten(self).items() if name not in inside}
        return flat | {"network": self.network.to_json()}

    @classmethod
    def from_json(cls, values: Any) -> "Recipe":
        """Return the recipe that ``to_json`` wrote.

        Raises:
            UsageError: a field is unknown, missing, invalid or does not apply; all such fields are listed.
        """
        if not isinstance(values, dict):
            raise UsageError(f"A recipe is a JSON object, not {shown(values)}.")
        if not isinstance(network := values.get("network"), dict) or "kind" not in network:
            raise UsageError(f"The network of a recipe is a JSON object with a `kind`, not {shown(network)}.")
        return fields.assemble(cls, values, {})

    @classmethod
    def from_toml(cls, path: Path | str, base: "Recipe | None" = None) -> "Recipe":
        """Return the recipe in a TOML file.

        The file holds flat names and values. ``network`` is a kind or a table with the fields of the network.
        ``recipe = "fast"`` names the recipe from which all other values are taken.

        Args:
            path: the file.
            base: the recipe from which all other values are taken where the file does not name one; `book` by default.

        Raises:
            UsageError: the file is missing, is not TOML, or has unknown or invalid fields; all of them are listed with
                their lines.
        """
        from penstroke.recipes.toml import read_toml

        return read_toml(Path(path), base)
