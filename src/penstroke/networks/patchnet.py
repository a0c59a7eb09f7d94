"""A fast network: overlapping patches, more convolutions, two linear layers, and no pooling."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, model_validator

from penstroke.networks.spec import NetworkSpec, Size, convolved_size, register
from penstroke.schema import FromList

if TYPE_CHECKING:
    from torch import nn

MAX_CONVOLUTIONS = 16
Sizes = Annotated[tuple[Size, ...], FromList]


@register("patchnet", head=("fc2",))
class PatchNet(NetworkSpec):
    """A convolution with a large kernel and a stride, more convolutions, and two linear layers.

    With its defaults the network needs 0.26 million multiply-adds for an image; ``ConvNet`` needs 3 million. The
    stride of the first convolution replaces a pooling layer, and 7x7 kernels on one channel use the vector units of a
    CPU better than 3x3 kernels. ``docs/fast.md`` describes the alternatives that were measured.
    """

    channels: Sizes = Field(default=(16, 24), description="Output channels of the convolutions.")
    kernel_sizes: Sizes = Field(default=(7, 3), description="Side of each kernel, in pixels.")
    strides: Sizes = Field(default=(3, 1), description="Stride of each kernel, in pixels.")
    hidden: Size = Field(default=96, description="Width of the hidden linear layer.")

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

        from penstroke.networks.layers import FlatLinear

        height, width = convolved_size(image_shape, self.kernel_sizes, self.strides)
        inputs = image_shape[0]
        for number, (outputs, kernel, stride) in enumerate(
            zip(self.channels, self.kernel_sizes, self.strides, strict=True), start=1
        ):
            yield f"cn{number}", nn.Conv2d(inputs, outputs, kernel, stride)
            yield f"relu{number}", nn.ReLU()
            inputs = outputs
        yield "fc1", FlatLinear((inputs, height, width), self.hidden)
        yield f"relu{len(self.channels) + 1}", nn.ReLU()
        output = nn.Linear(self.hidden, classes)
        nn.init.zeros_(output.weight)  # all classes are equally likely before training
        yield "fc2", output
        yield "log_softmax", nn.LogSoftmax(dim=1)
