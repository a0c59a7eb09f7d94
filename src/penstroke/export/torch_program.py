"""The torch format: a ``.pt2`` file of ``torch.export``, which PyTorch loads without Penstroke."""

import io
import json
from copy import deepcopy

import torch
from torch import nn

from penstroke.export.graph import not_exportable
from penstroke.models.description import Description

DESCRIPTION = "penstroke.json"
"""Name of the extra file with the description."""


def torch_bytes(module: nn.Module, description: Description) -> bytes:
    """Return the content of a ``.pt2`` file: raw images ``uint8 [n, c, h, w]`` to ``float32 [n, classes]``.

    ``torch.export.load(path).module()`` returns the network. The batch size is dynamic.

    Args:
        module: network on the CPU and in eval mode.
        description: the model's metadata, stored as JSON in an extra file.

    Raises:
        ModelError: the network contains something that PyTorch cannot export.
    """
    # `torch.export.save` expects weights in the default memory layout; the file is not slower for it.
    plain = deepcopy(module).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    images = torch.zeros((2, *description.image_shape), dtype=torch.uint8)
    try:
        program = torch.export.export(plain, (images,), dynamic_shapes=({0: torch.export.Dim("n")},))
    except Exception as error:
        raise not_exportable(error, "a .pt2 file") from error
    file = io.BytesIO()
    torch.export.save(program, file, extra_files={DESCRIPTION: json.dumps(description.to_json(), sort_keys=True)})
    return file.getvalue()
