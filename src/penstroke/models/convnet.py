"""The textbook's network, with every number an argument and its parameters named as in the chapter."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from penstroke.errors import ModelError
from penstroke.models.layers import FlatLinear, Normalise, convolved_size


class ConvNet(nn.Module):
    """Two convolutions, a max-pool, two dropouts and two linear layers.

    With its defaults it has 300,426 parameters and is, to float32 rounding, the function that the chapter prints.
    Two things are done in another order where the function stays the same: the second convolution's bias and ReLU act
    after the max-pool (both are monotone, so they commute, and a quarter of the work is left), and activations lie
    channels-last in memory.

    Args:
        channels: output channels of the two convolutions.
        kernel_sizes: side of the two kernels, in pixels.
        strides: step of the two kernels, in pixels.
        hidden: width of the hidden linear layer.
        dropout: share of channels dropped after the pool, and of units dropped before the last layer.
        image_shape: channels, height and width of the images.
        classes: number of classes.
        mean: pixel mean in 0..1 that the first layer takes off.
        std: pixel deviation in 0..1 that the first layer divides by.

    Raises:
        ModelError: the images are too small for the kernels, strides and pool.
    """

    def __init__(
        self,
        *,
        channels: tuple[int, int] = (16, 32),
        kernel_sizes: tuple[int, int] = (3, 3),
        strides: tuple[int, int] = (1, 1),
        hidden: int = 64,
        dropout: tuple[float, float] = (0.10, 0.25),
        image_shape: tuple[int, int, int] = (1, 28, 28),
        classes: int = 10,
        mean: float = 0.1307,
        std: float = 0.3081,
    ) -> None:
        super().__init__()
        height, width = pooled_size(image_shape, kernel_sizes, strides)
        self.image_shape = image_shape
        self.normalise = Normalise(mean, std)
        self.cn1 = nn.Conv2d(image_shape[0], channels[0], kernel_sizes[0], strides[0])
        self.cn2 = nn.Conv2d(channels[0], channels[1], kernel_sizes[1], strides[1])
        # The chapter gives its second dropout, too, the channel kind; on a flat tensor `Dropout` is that function.
        self.dp1 = nn.Dropout2d(dropout[0])
        self.dp2 = nn.Dropout(dropout[1])
        self.fc1 = FlatLinear((channels[1], height, width), hidden)
        self.fc2 = nn.Linear(hidden, classes)
        # Channels last makes the second convolution and the pool several times faster on a CPU.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: UInt8[Tensor, "n c h w"] | Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        """Return log-probabilities for raw images with pixels in 0..255."""
        x = self.normalise(images).contiguous(memory_format=torch.channels_last)
        x = F.relu_(self.cn1(x))
        x = F.max_pool2d(F.conv2d(x, self.cn2.weight, stride=self.cn2.stride), 2)
        assert self.cn2.bias is not None
        x = F.relu_(x.add_(self.cn2.bias[:, None, None]))
        x = self.dp2(F.relu_(self.fc1(self.dp1(x))))
        return F.log_softmax(self.fc2(x), dim=1)


def pooled_size(
    image_shape: tuple[int, int, int], kernel_sizes: tuple[int, int], strides: tuple[int, int]
) -> tuple[int, int]:
    """Return height and width, in pixels, of what the two convolutions and the pool leave of an image.

    Raises:
        ModelError: nothing is left, with the layer at which it goes wrong.
    """
    height, width = convolved_size(image_shape, kernel_sizes, strides)
    if min(height, width) < 2:
        raise ModelError(
            f"The 2x2 pool gets {height}x{width} pixels, from images of {image_shape[1]}x{image_shape[2]}.",
            "Take larger images, or smaller kernel sizes or strides.",
        )
    return height // 2, width // 2
