"""A network for speed: overlapping patches, more convolutions, two linear layers, and no pool."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from penstroke.models.layers import FlatLinear, Normalise, convolved_size


class PatchNet(nn.Module):
    """Large strided kernels read patches, other convolutions join them, two linear layers decide.

    With its defaults it needs 0.26 million multiply-adds for an image where the textbook's network needs 3. A first
    convolution with a stride does the work of a pool for nothing, and 7x7 kernels on one channel keep a processor's
    vector units busy, which 3x3 ones do not. ``docs/fast.md`` tells what else was tried.

    Args:
        channels: output channels of the convolutions, one or more.
        kernel_sizes: side of each kernel, in pixels.
        strides: step of each kernel, in pixels.
        hidden: width of the hidden linear layer.
        image_shape: channels, height and width of the images.
        classes: number of classes.
        mean: pixel mean in 0..1 that the first layer takes off.
        std: pixel deviation in 0..1 that the first layer divides by.

    Raises:
        ModelError: the images are too small for the kernels and strides.
    """

    def __init__(
        self,
        *,
        channels: tuple[int, ...] = (16, 24),
        kernel_sizes: tuple[int, ...] = (7, 3),
        strides: tuple[int, ...] = (3, 1),
        hidden: int = 96,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        classes: int = 10,
        mean: float = 0.1307,
        std: float = 0.3081,
    ) -> None:
        super().__init__()
        height, width = convolved_size(image_shape, kernel_sizes, strides)
        self.image_shape = image_shape
        self.normalise = Normalise(mean, std)
        inputs = (image_shape[0], *channels)
        self.depth = len(channels)
        for layer in range(self.depth):
            convolution = nn.Conv2d(inputs[layer], channels[layer], kernel_sizes[layer], strides[layer])
            self.add_module(f"cn{layer + 1}", convolution)
        self.fc1 = FlatLinear((channels[-1], height, width), hidden)
        self.fc2 = nn.Linear(hidden, classes)
        nn.init.zeros_(self.fc2.weight)  # to begin with, all classes are alike
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: UInt8[Tensor, "n c h w"] | Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        """Return log-probabilities for raw images with pixels in 0..255."""
        x = self.normalise(images).contiguous(memory_format=torch.channels_last)
        for layer in range(self.depth):
            x = F.relu_(self.get_submodule(f"cn{layer + 1}")(x))
        x = F.relu_(self.fc1(x))
        return F.log_softmax(self.fc2(x), dim=1)
