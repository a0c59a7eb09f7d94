"""From a recipe's description of a network to the network."""

import dataclasses

import torch
from torch import nn

from penstroke.models.convnet import ConvNet
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
        ModelError: such a network cannot take such images.
        RuntimeError, OverflowError: its numbers are too large for any memory.
    """
    with torch.device("meta"):
        model = build(spec, image_shape, classes, mean=0.0, std=1.0)
    return {name: value.shape for name, value in model.state_dict().items()}
