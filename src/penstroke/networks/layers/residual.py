"""The convolutional part of a residual network: blocks with batch normalisation, and the mean of their output."""

from collections.abc import Sequence

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


class ResidualFeatures(nn.Sequential):
    """A convolution and residual blocks, and the mean of their output over all pixels.

    Args:
        inputs: channels of the images.
        channels: channels of each stage; every stage but the first halves height and width.
        blocks: number of residual blocks of each stage.
        stride: stride of the first convolution, for large images.
        mirror: in evaluation, return the mean of the features of the image and of its mirror image.
        grey: use only the mean of the channels of the images.
    """

    def __init__(
        self,
        inputs: int,
        channels: Sequence[int],
        blocks: Sequence[int],
        stride: int = 1,
        *,
        mirror: bool = False,
        grey: bool = False,
    ) -> None:
        super().__init__()
        self.mirror, self.grey = mirror, grey
        inputs = 1 if grey else inputs
        kernel = max(3, 2 * stride - 1)
        self.add_module("conv", nn.Conv2d(inputs, channels[0], kernel, stride, padding=kernel // 2, bias=False))
        self.add_module("norm", nn.BatchNorm2d(channels[0]))
        self.add_module("relu", nn.ReLU())
        before = channels[0]
        for stage, (outputs, count) in enumerate(zip(channels, blocks, strict=True), start=1):
            for number in range(1, count + 1):
                halved = 2 if stage > 1 and number == 1 else 1
                self.add_module(f"block{stage}_{number}", ResidualBlock(before, outputs, halved))
                before = outputs
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
