"""Model files: safetensors whose metadata alone suffices to rebuild the network. No pickle.

This module knows nothing of runs, datasets or recipes beyond the description it carries.
"""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from penstroke import storage
from penstroke.errors import ModelError
from penstroke.models.build import build, shapes
from penstroke.recipes import NETWORKS, NetworkSpec, network_from_json

FORMAT = "penstroke-model-1"


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

    def new_model(self) -> nn.Module:
        """Return a network as described, with random weights."""
        return build(self.network, self.image_shape, len(self.classes), self.mean, self.std)

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


def save_model(path: Path, model: nn.Module, description: Description) -> None:
    """Write the model's weights and description to ``path``, whole or not at all."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    metadata = {"format": FORMAT, "description": json.dumps(description.to_json(), ensure_ascii=False)}
    storage.write_bytes(path, save(tensors, metadata))


def load_model(path: Path) -> tuple[nn.Module, Description]:
    """Return the network in a model file, on the CPU and in eval mode, and its description.

    Raises:
        ModelError: there is no such file, or it is none of ours, cut, or at odds with itself.
    """
    remedy = "Name a run folder or a model.safetensors made by `penstroke train` or `penstroke import`."
    if not path.is_file():
        raise ModelError(f"There is no model file {path}.", remedy)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
    except (SafetensorError, OSError) as fault:
        raise ModelError(f"{path} is no safetensors file that can be read: {fault}.", remedy) from fault
    if metadata.get("format") != FORMAT:
        raise ModelError(f"{path} has format {metadata.get('format')!r}, and must have {FORMAT!r}.", remedy)
    try:
        description = Description.from_json(json.loads(metadata["description"]))
        # Without memory: a lying description cannot make us allocate.
        wanted = shapes(description.network, description.image_shape, len(description.classes))
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError, RuntimeError) as fault:
        raise ModelError(f"{path} has a description that does not make sense: {fault}.", remedy) from fault
    if wanted != {name: value.shape for name, value in tensors.items()}:
        raise ModelError(f"{path} has weights that do not fit its own description.", remedy)
    model = description.new_model()
    model.load_state_dict(tensors)
    if not all(torch.isfinite(tensor).all() for tensor in tensors.values()):
        raise ModelError(f"{path} has weights that are not finite numbers.", remedy)
    return model.eval(), description
