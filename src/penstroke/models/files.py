"""Model files: safetensors whose metadata alone suffices to rebuild the network. No pickle.

This module knows nothing of runs, datasets or recipes beyond the description it carries.
"""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from penstroke import storage
from penstroke.errors import ModelError
from penstroke.models.build import build, shapes
from penstroke.models.description import FORMAT, REMEDY, Description, read_description


def new_model(description: Description) -> nn.Module:
    """Return a network as described, with random weights drawn from PyTorch's present random state."""
    return build(
        description.network,
        description.image_shape,
        len(description.classes),
        description.mean,
        description.std,
    )


def model_bytes(model: nn.Module, description: Description) -> bytes:
    """Return the content of a model file: weights and description."""
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in model.state_dict().items()}
    metadata = {"format": FORMAT, "description": json.dumps(description.to_json(), ensure_ascii=False)}
    return save(tensors, metadata)


def save_model(path: Path, model: nn.Module, description: Description) -> None:
    """Write the model's weights and description to ``path``, whole or not at all."""
    storage.write_bytes(path, model_bytes(model, description))


def load_model(path: Path) -> tuple[nn.Module, Description]:
    """Return the network in a model file, on the CPU and in eval mode, and its description.

    Raises:
        ModelError: there is no such file, or it is none of ours, cut, or at odds with itself.
    """
    description = read_description(path)
    try:
        tensors = load_file(path)
        # Without memory: a lying description cannot make us allocate.
        wanted = shapes(description.network, description.image_shape, len(description.classes))
    except (SafetensorError, OSError, RuntimeError, OverflowError) as fault:
        raise ModelError(f"{path} cannot be loaded: {fault}.", REMEDY) from fault
    if wanted != {name: value.shape for name, value in tensors.items()}:
        raise ModelError(f"{path} has weights that do not fit its own description.", REMEDY)
    if not all(torch.isfinite(tensor).all() for tensor in tensors.values()):
        raise ModelError(f"{path} has weights that are not finite numbers.", REMEDY)
    model = new_model(description)
    model.load_state_dict(tensors)
    return model.eval(), description
