"""Convolutional networks without their output layer: blocks with batch normalisation, and the mean of their output."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch normalisation, added to the input (He et al., 2015, arXiv:1512.03385).

    The scale of the last normalisation starts at zero, so that the block starts as its shortcut. If the number of
    channels or the size changes, the shortcut is a 1x1 convolution.

    Args:
        inputs: channels of the input.
        outputs: channels of the output.
        stride: 1, or 2 to halve height and width.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        nn.init.zeros_(self.norm2.weight)
        changes = stride > 1 or inputs != outputs
        projection = (nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)) if changes else ()
        self.shortcut = nn.Sequential(*projection)

    def forward(self, input: Float[Tensor, "n c h w"]) -> Float[Tensor, "n out h2 w2"]:
        """Return the output of the block; with stride 2, ``h2`` is half of ``h``, rounded up."""
        hidden = F.relu(self.norm1(self.conv1(input)))
        return F.relu(self.norm2(self.conv2(hidden)) + self.shortcut(input))


class PooledStage(nn.Sequential):
    """Two 3x3 convolutions with batch normalisation; a 2x2 max-pool after the first one halves height and width.

    Args:
        inputs: channels of the input.
        outputs: channels of the output.
        padding: padding of the max-pool, vertical and horizontal: 1 for an odd side, so that no pixel is left out.
    """

    def __init__(self, inputs: int, outputs: int, padding: tuple[int, int] = (0, 0)) -> None:
        super().__init__()
        self.add_module("conv1", nn.Conv2d(inputs, outputs, 3, padding=1, bias=False))
        self.add_module("pool", nn.MaxPool2d(2, padding=padding))
        self.add_module("norm1", nn.BatchNorm2d(outputs))
        self.add_module("relu1", nn.ReLU())
        self.add_module("conv2", nn.Conv2d(outputs, outputs, 3, padding=1, bias=False))
        self.add_module("norm2", nn.BatchNorm2d(outputs))
        self.add_module("relu2", nn.ReLU())


class MeanFeatures(nn.Sequential):
    """A convolution, further layers, and the mean of their output over all pixels.

    Args:
        inputs: channels of the images.
        outputs: channels of the first convolution.
        stride: stride of the first convolution, for large images.
        layers: names and modules of the further layers.
        mirror: in evaluation, return the mean of the features of the image and of its mirror image.
        grey: use only the mean of the channels of the images.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int,
        layers: Iterable[tuple[str, nn.Module]],
        *,
        mirror: bool,
        grey: bool,
    ) -> None:
        super().__init__()
        self.mirror, self.grey = mirror, grey
        inputs = 1 if grey else inputs
        kernel = max(3, 2 * stride - 1)
        self.add_module("conv", nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False))
        self.add_module("norm", nn.BatchNorm2d(outputs))
        self.add_module("relu", nn.ReLU())
        for name, layer in layers:
            self.add_module(name, layer)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, input: Float[Tensor, "n c h w"]) -> Float[Tensor, "n features"]:
        """Return the features of normalised images."""
        if self.grey:
            input = input.mean(1, keepdim=True)
        features = self._mean_features(input)
        if self.training or not self.mirror:
            return features
        return (features + self._mean_features(torch.flip(input, (3,)))) / 2

    def _mean_features(self, input: Float[Tensor, "n c h w"]) -> Float[Tensor, "n features"]:
        for layer in self:
            input = layer(input)
        return input.mean((2, 3))
