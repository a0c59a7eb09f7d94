"""The network of the textbook exercise, with configurable sizes and the layer names of the chapter."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge, Lt
from pydantic import Field

from penstroke.errors import UsageError
from penstroke.networks.spec import NetworkSpec, Size, convolved_size, register
from penstroke.schema import FromList

if TYPE_CHECKING:
    from torch import nn

Pair = Annotated[tuple[Size, Size], FromList]
DropoutRate = Annotated[float, Ge(0), Lt(1)]
Pool = Literal["max", "stride", "none"]


@register("convnet", head=("fc2",))
class ConvNet(NetworkSpec):
    """Two convolutions, a max-pool, two dropouts and two linear layers.

    With its defaults the network has 300,426 parameters and computes, up to float32 rounding, the function in the
    chapter. The bias and the ReLU of the second convolution are applied after the max-pool: both are monotone,
    so the result is the same, and they process a quarter of the values.

    The field ``pool`` replaces the max-pool: with ``stride``, the second convolution has twice its stride, so that the
    number of parameters is the same; with ``none``, nothing reduces its output.
    """

    channels: Pair = Field(default=(16, 32), description="Output channels of the convolutions.")
    kernel_sizes: Pair = Field(default=(3, 3), description="Side of each kernel, in pixels.")
    strides: Pair = Field(default=(1, 1), description="Stride of each kernel, in pixels.")
    pool: Pool = Field(
        default="max",
        description="Reduction after the convolutions: max (2x2 max-pool), stride (of the second convolution) or none.",
    )
    hidden: Size = Field(default=64, description="Width of the hidden linear layer.")
    dropout: Annotated[tuple[DropoutRate, DropoutRate], FromList] = Field(
        default=(0.10, 0.25), description="Dropout rates of the channels after the max-pool and of the hidden units."
    )

    def layers(self, image_shape: tuple[int, int, int], classes: int) -> Iterator[tuple[str, "nn.Module"]]:
        """Yield the layers; see ``NetworkSpec.layers``."""
        from torch import nn

        from penstroke.networks.layers import FlatLinear, PooledConv2d

        strides = self.strides if self.pool != "stride" else (self.strides[0], 2 * self.strides[1])
        size = pooled_size if self.pool == "max" else convolved_size
        height, width = size(image_shape, self.kernel_sizes, strides)
        yield "cn1", nn.Conv2d(image_shape[0], self.channels[0], self.kernel_sizes[0], self.strides[0])
        yield "relu1", nn.ReLU()
        if self.pool == "max":
            yield "cn2", PooledConv2d(self.channels[0], self.channels[1], self.kernel_sizes[1], self.strides[1])
        else:
            yield "cn2", nn.Conv2d(self.channels[0], self.channels[1], self.kernel_sizes[1], strides[1])
        yield "relu2", nn.ReLU()
        yield "dp1", nn.Dropout2d(self.dropout[0])
        yield "fc1", FlatLinear((self.channels[1], height, width), self.hidden)
        yield "relu3", nn.ReLU()
        # The chapter uses Dropout2d here, too. On a 2-D tensor, Dropout is the same function without a warning.
        yield "dp2", nn.Dropout(self.dropout[1])
        yield "fc2", nn.Linear(self.hidden, classes)
        yield "log_softmax", nn.LogSoftmax(dim=1)


def pooled_size(
    image_shape: tuple[int, int, int], kernel_sizes: tuple[int, int], strides: tuple[int, int]
) -> tuple[int, int]:
    """Return height and width, in pixels, after the two convolutions and the 2x2 max-pool.

    Raises:
        UsageError: the result has no pixels; the message names the layer.
    """
    height, width = convolved_size(image_shape, kernel_sizes, strides)
    if min(height, width) < 2:
        raise UsageError(
            f"The 2x2 max-pool gets {height}x{width} pixels, from images of {image_shape[1]}x{image_shape[2]}.",
            "Use larger images, or smaller kernel sizes or strides.",
        )
    return height // 2, width // 2
