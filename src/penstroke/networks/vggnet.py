"""A plain convolutional network with batch normalisation, for small photographs and other pictures."""

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from pydantic import Field, field_validator

from penstroke.networks.features import FeatureNetwork
from penstroke.networks.patchnet import Sizes
from penstroke.networks.spec import register

if TYPE_CHECKING:
    from torch import nn

MAX_STAGES = 8


@register("vggnet", head=("fc",))
class VGGNet(FeatureNetwork):
    """A convolution, stages of two convolutions, the mean over all pixels, and a linear layer.

    A max-pool after the first convolution of each stage halves height and width. Each convolution is normalised over
    the batch. ``docs/general.md`` describes the sizes that were measured. The name is that of the first networks of
    this form (Simonyan and Zisserman, 2014, arXiv:1409.1556).
    """

    channels: Sizes = Field(default=(16, 48, 128, 192), description="Output channels of the convolutions.")

    @field_validator("channels")
    @classmethod
    def _stages(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not 2 <= len(value) <= MAX_STAGES:
            raise ValueError(f"channels has {len(value)} values but must have from 2 to {MAX_STAGES}")
        return value

    def stages(self) -> Iterator[tuple[str, "nn.Module"]]:
        """Yield pairs of convolutions with a max-pool; see ``FeatureNetwork.stages``."""
        from penstroke.networks.layers.features import PooledStage

        for number, (inputs, outputs) in enumerate(pairwise(self.channels), start=1):
            yield f"stage{number}", PooledStage(inputs, outputs)
