"""From a recipe's description of a network to the network."""

import dataclasses

from torch import nn

from penstroke.models.convnet import ConvNet
from penstroke.recipes import NetworkSpec


def build(
    spec: NetworkSpec, image_shape: tuple[int, int, int], classes: int, mean: float, std: float
) -> nn.Module:
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
    return ConvNet(**dataclasses.asdict(spec), image_shape=image_shape, classes=classes, mean=mean, std=std)
