"""What a model is, apart from its weights: the metadata of a model file. This module imports no torch."""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from penstroke.errors import ModelError
from penstroke.recipes import NETWORKS, NetworkSpec, network_from_json

FORMAT = "penstroke-model-1"
REMEDY = "Name a run folder or a model.safetensors made by `penstroke train` or `penstroke import`."


@dataclass(frozen=True, kw_only=True)
class Description:
    """What a model is, apart from its weights."""

    network: NetworkSpec
    image_shape: tuple[int, int, int]
    """Channels, height and width of the images it takes."""
    classes: tuple[str, ...]
    mean: float
    """Pixel mean in 0..1 that its first layer takes off."""
    std: float
    """Pixel deviation in 0..1 that its first layer divides by."""
    picture_rule: str = "digit"
    """How a picture is prepared for it: see ``penstroke.pictures``."""
    trained: dict[str, Any] = field(default_factory=dict)
    """How it was trained: recipe, data, epochs done, versions."""
    test: dict[str, Any] | None = None
    """What its last test found: loss, correct, total, accuracy."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, from which ``from_json`` makes an equal description."""
        kind = next(name for name, spec in NETWORKS.items() if isinstance(self.network, spec))
        return dataclasses.asdict(self) | {"network": {"kind": kind} | dataclasses.asdict(self.network)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Description":
        """Return the description that ``to_json`` wrote.

        Raises:
            KeyError, TypeError, ValueError: it is not one.
        """
        height_and_so_on = tuple(int(side) for side in values["image_shape"])
        if len(height_and_so_on) != 3 or min(height_and_so_on) < 1:
            raise ValueError(f"image_shape is {values['image_shape']}")
        if not all(isinstance(name, str) for name in values["classes"]) or len(values["classes"]) < 2:
            raise ValueError("classes must be at least two names")
        return cls(
            network=network_from_json(values["network"]),
            image_shape=height_and_so_on,
            classes=tuple(values["classes"]),
            mean=float(values["mean"]),
            std=float(values["std"]),
            picture_rule=str(values["picture_rule"]),
            trained=dict(values["trained"]),
            test=None if values["test"] is None else dict(values["test"]),
        )


def read_description(path: Path) -> Description:
    """Return the description in a model file, its weights unread.

    Raises:
        ModelError: there is no such file, or it is none of ours, or its description makes no sense.
    """
    if not path.is_file():
        raise ModelError(f"There is no model file {path}.", REMEDY)
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as fault:
        raise ModelError(f"{path} is no safetensors file that can be read: {fault}.", REMEDY) from fault
    if metadata.get("format") != FORMAT:
        raise ModelError(f"{path} has format {metadata.get('format')!r}, and must have {FORMAT!r}.", REMEDY)
    try:
        return Description.from_json(json.loads(metadata["description"]))
    except (KeyError, TypeError, ValueError, RecursionError) as fault:
        raise ModelError(f"{path} has a description that does not make sense: {fault}.", REMEDY) from fault
