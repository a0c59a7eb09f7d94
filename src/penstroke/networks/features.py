"""The base class of networks that end with the mean of their features over all pixels."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from penstroke.errors import UsageError
from penstroke.networks.patchnet import Sizes
from penstroke.networks.spec import NetworkSpec
from penstroke.schema import value_class

if TYPE_CHECKING:
    from torch import nn

MIN_SIDE = 4
MAX_STAGES = 8
FULL_SIZE = 40
"""Images with a longer side are reduced by the first convolution, by a power of two, until no side is longer."""


@value_class
class FeatureNetwork(NetworkSpec):
    """Convolutions, the mean over all pixels, and a linear layer.

    The output may be averaged over the image and its mirror image, and colours may be ignored.
    """

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
    channels: Sizes

    @abstractmethod
    def stages(self, height: int, width: int) -> Iterator[tuple[str, "nn.Module"]]:
        """Yield the names and modules between the first convolution, with ``channels[0]`` outputs, and the mean.

        Args:
            height: height of the output of the first convolution, in pixels.
            width: its width.
        """

    def layers(self, image_shape: tuple[int, int, int], classes: int) -> Iterator[tuple[str, "nn.Module"]]:
        """Yield the layers; see ``NetworkSpec.layers``."""
        from torch import nn

        from penstroke.networks.layers.features import MeanFeatures

        inputs, height, width = image_shape
        if min(height, width) < MIN_SIDE:
            raise UsageError(
                f"The images are {height}x{width} pixels; "
                f"the network {self.kind} needs at least {MIN_SIDE}x{MIN_SIDE}.",
                "Use larger images (--size).",
            )
        stride = first_stride(height, width)
        flags = {"mirror": bool(self.mirror), "grey": bool(self.grey)}
        stages = self.stages(-(-height // stride), -(-width // stride))
        yield "features", MeanFeatures(inputs, self.channels[0], stride, stages, **flags)
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
