"""From a recipe's description of a network to the network."""

import dataclasses

import torch
from torch import nn

from penstroke.errors import ModelError
from penstroke.models.convnet import ConvNet
from penstroke.models.description import MAX_BYTES, MAX_HEADER
from penstroke.models.patchnet import PatchNet
from penstroke.recipes import ConvNetSpec, NetworkSpec


def build(spec: NetworkSpec, image_shape: tuple[int, int, int], classes: int, mean: float, std: float) -> nn.Module:
    """Return a new network, with random weights drawn from PyTorch's present random state.

    Args:
        spec: the network and its arguments.
        image_shape: channels, height and width of the images.
        classes: number of classes.
        mean: pixel mean in 0..1.
        std: pixel deviation in 0..1.

    Raises:
        ModelError: such a network cannot take such images.
    """
    network = ConvNet if isinstance(spec, ConvNetSpec) else PatchNet
    return network(**dataclasses.asdict(spec), image_shape=image_shape, classes=classes, mean=mean, std=std)


def shapes(spec: NetworkSpec, image_shape: tuple[int, int, int], classes: int) -> dict[str, torch.Size]:
    """Return the shape of each tensor of such a network, without taking memory for it.

    Raises:
        ModelError: such a network cannot take such images, or its weights are too large for a model file.
    """
    too_large = ModelError(
        f"The network's weights have more than the {MAX_BYTES} bytes that a model file may have.",
        "Take fewer channels or hidden units, or smaller images.",
    )
    try:
        with torch.device("meta"):
            model = build(spec, image_shape, classes, mean=0.0, std=1.0)
    except (RuntimeError, OverflowError) as fault:  # larger than any memory could be
        raise too_large from fault
    found = {name: value.shape for name, value in model.state_dict().items()}
    if sum(4 * shape.numel() for shape in found.values()) > MAX_BYTES - MAX_HEADER:
        raise too_large
    return found
