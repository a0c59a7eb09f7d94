"""A residual network with batch normalisation, for small photographs and other pictures."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, model_validator

from penstroke.networks.features import MAX_STAGES, FeatureNetwork
from penstroke.networks.patchnet import Sizes
from penstroke.networks.spec import register
from penstroke.schema import FromList

if TYPE_CHECKING:
    from torch import nn

Blocks = Annotated[tuple[Annotated[int, Field(ge=0, le=64)], ...], FromList]


@register("resnet", head=("fc",))
class ResNet(FeatureNetwork):
    """A convolution, stages of residual blocks, the mean over all pixels, and a linear layer.

    Each stage but the first halves height and width (He et al., 2015, arXiv:1512.03385).
    """

    channels: Sizes = Field(default=(16, 48, 96, 192), description="Output channels of the convolutions.")
    blocks: Blocks = Field(default=(0, 1, 2, 1), description="Number of residual blocks of each stage.")

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

    def stages(self, height: int, width: int) -> Iterator[tuple[str, "nn.Module"]]:  # noqa: ARG002 - any size
        """Yield the residual blocks; see ``FeatureNetwork.stages``."""
        from penstroke.networks.layers.features import ResidualBlock

        before = self.channels[0]
        for stage, (outputs, count) in enumerate(zip(self.channels, self.blocks, strict=True), start=1):
            for number in range(1, count + 1):
                halved = 2 if stage > 1 and number == 1 else 1
                yield f"block{stage}_{number}", ResidualBlock(before, outputs, halved)
                before = outputs
