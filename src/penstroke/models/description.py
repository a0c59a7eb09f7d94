"""The description of a model: everything except its weights. This module imports neither torch nor NumPy."""

from dataclasses import asdict
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le
from pydantic import AfterValidator, Field, model_validator

from penstroke.errors import ModelError
from penstroke.networks import NetworkSpec, network_from_json
from penstroke.schema import FromList, Rule, fields_of, value_class
from penstroke.storage.untrusted import MAX_IMAGE_SIDE

FORMAT = 1
"""Version of the metadata. A change that older versions of Penstroke would misread increases it."""


def _image_shape(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    if shape[0] not in (1, 3) or min(shape) < 1 or max(shape) > MAX_IMAGE_SIDE:
        raise ValueError
    return shape


def _class_names(names: tuple[str, ...]) -> tuple[str, ...]:
    # The names are printed, so control characters that steer a terminal are invalid.
    if len(names) < 2 or len(set(names)) < len(names) or not all(name.isprintable() for name in names):
        raise ValueError
    return names


def _trained(values: dict[str, Any]) -> dict[str, Any]:
    data = values.get("data", {})
    if not isinstance(data, dict) or not isinstance(data.get("source", ""), str):
        raise ValueError
    return values


ImageShape = Annotated[
    tuple[int, int, int],
    FromList,
    AfterValidator(_image_shape),
    Rule(f"channels (1 or 3), height and width (1 to {MAX_IMAGE_SIDE} pixels)"),
]
ClassNames = Annotated[
    tuple[str, ...], FromList, AfterValidator(_class_names), Rule("at least two different, printable names")
]
Trained = Annotated[
    dict[str, Any], AfterValidator(_trained), Rule("a JSON object, whose `data` is an object with text as `source`")
]
Mean = Annotated[tuple[Annotated[float, Ge(0), Le(1)], ...], FromList]
Std = Annotated[tuple[Annotated[float, Gt(0), Le(1)], ...], FromList]
Count = Annotated[int, Ge(0)]


@value_class
class Calibration:
    """How the confidence of a model was calibrated on validation images. The temperature is part of the network."""

    threshold: Annotated[float, Ge(0), Le(1)]
    """Predictions whose probability is lower are rejected."""
    images: Count
    """Number of validation images."""
    rejected: Count
    """Number of validation images whose prediction is rejected."""
    wrong: Count
    """Number of validation images whose prediction is accepted and wrong."""
    outliers: Count = 0
    """Number of pictures that show none of the classes and were not trained on."""
    outliers_rejected: Count = 0
    """Number of these whose prediction is rejected."""

    @model_validator(mode="after")
    def _consistent(self) -> "Calibration":
        if self.rejected + self.wrong > self.images:
            raise ValueError(
                f"rejected is {self.rejected} and wrong is {self.wrong} but together must be at most images, "
                f"{self.images}"
            )
        if self.outliers_rejected > self.outliers:
            raise ValueError(f"outliers_rejected is {self.outliers_rejected} but must be at most {self.outliers}")
        return self


@value_class
class Description:
    """The description of a model: everything except its weights.

    Raises:
        UsageError: at creation, listing every invalid field with its value and rule.
    """

    network: Annotated[NetworkSpec, Rule("a network, for example ConvNet()")]
    """The network."""
    image_shape: ImageShape
    """Channels, height and width of the images that the network takes."""
    classes: ClassNames
    """Names of the classes."""
    mean: Mean
    """Pixel mean in 0..1 that the first layer subtracts: one value for all channels, or one for each."""
    std: Std
    """Pixel standard deviation in 0..1 that the first layer divides by: one value for all channels, or one for each."""
    preprocessing: Literal["digit", "letterbox", "crop"] = "digit"
    """How a picture is converted to an image; see ``penstroke.pictures``."""
    calibration: Calibration | None = None
    """Calibration of the confidence; None without validation images."""
    trained: Trained = Field(default_factory=dict)
    """How the model was trained: recipe, data, epochs."""
    test: dict[str, Any] | None = None
    """Result of the last test in training: loss, correct, total, accuracy."""

    @model_validator(mode="after")
    def _matching_channels(self) -> "Description":
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, channels := self.image_shape[0]):
                plural = "s" * (channels != 1)
                raise ValueError(f"{name} has {len(values)} values and the images have {channels} channel{plural}")
        return self

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, from which ``from_json`` makes an equal description."""
        return {"format": FORMAT} | asdict(self) | {"network": self.network.to_json()}

    @classmethod
    def from_json(cls, values: Any) -> "Description":
        """Return the description that ``to_json`` wrote. Missing keys get their defaults; unknown keys are ignored.

        Raises:
            ModelError: the format is newer than FORMAT.
            UsageError: a value is invalid, or a key without a default is missing.
            ValueError: ``values`` is not an object with a format.
        """
        if not isinstance(values, dict) or type(version := values.get("format")) is not int or version < 1:
            raise ValueError("its description is not a JSON object with a format of 1 or higher")
        if version > FORMAT:
            raise ModelError(
                f"The description has format {version}, and this version of Penstroke reads formats up to {FORMAT}.",
                "Upgrade Penstroke: `pip install --upgrade penstroke`.",
            )
        known = {name: value for name, value in values.items() if name in fields_of(cls)}
        if isinstance(known.get("network"), dict):
            known["network"] = network_from_json(known["network"])
        if isinstance(known.get("calibration"), dict):
            known["calibration"] = Calibration(**known["calibration"])
        return cls(**known)
