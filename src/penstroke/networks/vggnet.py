"""A plain convolutional network with batch normalisation, for small photographs and other pictures."""

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from penstroke.networks.features import MAX_STAGES, FeatureNetwork
from penstroke.networks.patchnet import Sizes
from penstroke.networks.spec import register

if TYPE_CHECKING:
    from torch import nn


@register("vggnet", head=("fc",))
class VGGNet(FeatureNetwork):
    """A convolution, stages of two convolutions, the mean over all pixels, and a linear layer.

    A max-pool after the first convolution of each stage halves height and width. Each convolution is normalised over
    the batch. ``docs/general.md`` describes the sizes that were measured. The name is that of the first networks of
    this form (Simonyan and Zisserman, 2014, arXiv:1409.1556).
    """

    channels: Sizes = Field(default=(16, 48, 128, 192), description="Output channels of the convolutions.")

    @model_validator(mode="after")
    def _some_stages(self) -> "VGGNet":
        if not 2 <= len(self.channels) <= MAX_STAGES:
            raise ValueError(f"channels has {len(self.channels)} values but must have from 2 to {MAX_STAGES}")
        return self

    def stages(self, height: int, width: int) -> Iterator[tuple[str, "nn.Module"]]:
        """Yield pairs of convolutions with a max-pool; see ``FeatureNetwork.stages``."""
        from penstroke.networks.layers.features import PooledStage

        for number, (inputs, outputs) in enumerate(pairwise(self.channels), start=1):
            yield f"stage{number}", PooledStage(inputs, outputs, (height % 2, width % 2))
            height, width = (height + 1) // 2, (width + 1) // 2
