"""Model files: safetensors whose metadata alone suffices to rebuild the network. No pickle.

This module knows nothing of runs, datasets or recipes beyond the description it carries.
"""

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from penstroke import storage
from penstroke.errors import ModelError
from penstroke.models.build import build, shapes
from penstroke.models.description import FORMAT, REMEDY, Description, open_model


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
    with open_model(path) as (file, description, table):
        # Without memory: a lying description cannot make us allocate.
        wanted = shapes(description.network, description.image_shape, len(description.classes))
        if not _fits(table, wanted):
            raise ModelError(f"{path} has weights that do not fit its own description.", REMEDY)
        if os.fstat(file.fileno()).st_size != file.tell() + 4 * sum(shape.numel() for shape in wanted.values()):
            raise ModelError(f"{path} is cut, or has bytes after its weights.", REMEDY)
        file.seek(0)
        content = file.read()
    try:
        tensors = load(content)
    except SafetensorError as fault:
        raise ModelError(f"{path} is damaged: its table of weights does not fit what follows it.", REMEDY) from fault
    if not all(tensor.isfinite().all() for tensor in tensors.values()):
        raise ModelError(f"{path} has weights that are not finite numbers.", REMEDY)
    stated = torch.tensor([description.mean, description.std])
    if not torch.equal(stated, torch.stack([tensors["normalise.mean"], tensors["normalise.std"]])):
        raise ModelError(f"{path} normalises images in another way than its description says.", REMEDY)
    model = new_model(description)
    model.load_state_dict(tensors)
    return model.eval(), description


def _fits(table: dict[str, Any], wanted: dict[str, torch.Size]) -> bool:
    """Whether a file's table promises just the tensors that a network has, all of them float32."""
    return table.keys() == wanted.keys() and all(
        isinstance(entry := table[name], dict) and entry.get("dtype") == "F32" and entry.get("shape") == list(shape)
        for name, shape in wanted.items()
    )
