"""A residual network with batch normalisation, for small photographs and other pictures."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, model_validator

from penstroke.errors import UsageError
from penstroke.networks.patchnet import Sizes
from penstroke.networks.spec import NetworkSpec, register
from penstroke.schema import FromList

if TYPE_CHECKING:
    from torch import nn

MAX_STAGES = 8
FULL_SIZE = 40
"""Images with a longer side are reduced by the first convolution, by a power of two, until no side is longer."""
Blocks = Annotated[tuple[Annotated[int, Field(ge=0, le=64)], ...], FromList]


@register("resnet", head=("fc",))
class ResNet(NetworkSpec):
    """A convolution, stages of residual blocks, the mean over all pixels, and a linear layer.

    Each stage but the first halves height and width. ``docs/general.md`` describes the sizes that were measured.
    """

    channels: Sizes = Field(default=(16, 48, 96, 192), description="Output channels of the convolutions.")
    blocks: Blocks = Field(default=(0, 1, 2, 1), description="Number of residual blocks of each stage.")
    mirror: bool | None = Field(
        default=None,
        description="Average over the image and its mirror image in evaluation; by default, if images are mirrored "
        "in training.",
    )
    grey: bool | None = Field(
        default=None,
        description="Use only the mean of the channels; by default, if colours tell nothing about the classes of the "
        "training images.",
    )

    @model_validator(mode="after")
    def _same_lengths(self) -> "ResNet":
        counts = len(self.channels), len(self.blocks)
        if counts[0] != counts[1] or not 1 <= counts[0] <= MAX_STAGES:
            raise ValueError(
                f"channels and blocks have {counts[0]} and {counts[1]} values but must have equally many, from 1 to "
                f"{MAX_STAGES}"
            )
        if any(count == 0 for count in self.blocks[1:]):
            raise ValueError("blocks has a 0 but every stage except the first must have a block")
        if self.blocks[0] == 0 and len(self.blocks) == 1:
            raise ValueError("blocks is 0 but the network must have a block")
        return self

    def layers(self, image_shape: tuple[int, int, int], classes: int) -> Iterator[tuple[str, "nn.Module"]]:
        """Yield the layers; see ``NetworkSpec.layers``."""
        from torch import nn

        from penstroke.networks.layers.residual import ResidualFeatures

        inputs, height, width = image_shape
        if min(height, width) < 4:
            raise UsageError(
                f"The images are {height}x{width} pixels; the network resnet needs at least 4x4.",
                "Use larger images (--size), or --network convnet.",
            )
        stride = first_stride(height, width)
        flags = {"mirror": bool(self.mirror), "grey": bool(self.grey)}
        yield "features", ResidualFeatures(inputs, self.channels, self.blocks, stride, **flags)
        output = nn.Linear(self.channels[-1], classes)
        nn.init.zeros_(output.weight)  # all classes are equally likely before training
        yield "fc", output
        yield "log_softmax", nn.LogSoftmax(dim=1)


def first_stride(height: int, width: int) -> int:
    """Return the stride of the first convolution: the smallest power of two after which no side is above FULL_SIZE."""
    stride = 1
    while max(height, width) > FULL_SIZE * stride:
        stride *= 2
    return stride
