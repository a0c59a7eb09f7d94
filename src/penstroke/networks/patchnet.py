"""A network of convolutions and linear layers, without pooling: small ones are fast, deep ones accurate."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Le
from pydantic import Field, model_validator

from penstroke.networks.spec import NetworkSpec, Size, convolved_size, register
from penstroke.schema import FromList

if TYPE_CHECKING:
    from torch import nn

MAX_CONVOLUTIONS = 16
Sizes = Annotated[tuple[Size, ...], FromList]


@register("patchnet", head=("fc2",))
class PatchNet(NetworkSpec):
    """A convolution with a large kernel and a stride, more convolutions, and one or two linear layers.

    With its defaults the network needs 0.26 million multiply-adds for an image; ``ConvNet`` needs 3 million. The
    stride of the first convolution replaces a pooling layer, and 7x7 kernels on one channel use the vector units of a
    CPU better than 3x3 kernels. ``docs/fast.md`` describes the alternatives that were measured. Deeper networks need
    ``norm`` to be trained well, and ``padding`` to have pixels left: see ``docs/best.md``.
    """

    channels: Sizes = Field(default=(16, 24), description="Output channels of the convolutions.")
    kernel_sizes: Sizes = Field(default=(7, 3), description="Side of each kernel, in pixels.")
    strides: Sizes = Field(default=(3, 1), description="Stride of each kernel, in pixels.")
    hidden: Annotated[int, Ge(0), Le(65_536)] = Field(
        default=96, description="Width of the hidden linear layer; 0 takes the mean over all pixels instead."
    )
    padding: bool = Field(default=False, description="Pad images so that a convolution of stride 1 keeps their size.")
    norm: bool = Field(default=False, description="Normalise each convolution over the batch.")

    @model_validator(mode="after")
    def _same_lengths(self) -> "PatchNet":
        counts = len(self.channels), len(self.kernel_sizes), len(self.strides)
        if len(set(counts)) > 1 or not 1 <= counts[0] <= MAX_CONVOLUTIONS:
            raise ValueError(
                f"channels, kernel_sizes and strides have {counts[0]}, {counts[1]} and {counts[2]} values "
                f"but must have equally many, from 1 to {MAX_CONVOLUTIONS}"
            )
        return self

    def layers(self, image_shape: tuple[int, int, int], classes: int) -> Iterator[tuple[str, "nn.Module"]]:
        """Yield the layers; see ``NetworkSpec.layers``."""
        from torch import nn

        from penstroke.networks.layers import FlatLinear, MeanOverPixels

        paddings = [(kernel - 1) // 2 if self.padding else 0 for kernel in self.kernel_sizes]
        height, width = convolved_size(image_shape, self.kernel_sizes, self.strides, paddings)
        inputs = image_shape[0]
        for number, (outputs, kernel, stride, padding) in enumerate(
            zip(self.channels, self.kernel_sizes, self.strides, paddings, strict=True), start=1
        ):
            yield f"cn{number}", nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=not self.norm)
            if self.norm:
                yield f"norm{number}", nn.BatchNorm2d(outputs)
            yield f"relu{number}", nn.ReLU()
            inputs = outputs
        if self.hidden:
            yield "fc1", FlatLinear((inputs, height, width), self.hidden)
            yield f"relu{len(self.channels) + 1}", nn.ReLU()
        else:
            yield "mean", MeanOverPixels()
        output = nn.Linear(self.hidden or inputs, classes)
        nn.init.zeros_(output.weight)  # all classes are equally likely before training
        yield "fc2", output
        yield "log_softmax", nn.LogSoftmax(dim=1)
