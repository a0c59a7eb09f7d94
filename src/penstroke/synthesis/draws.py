"""The random numbers of a batch, of which several processes augment a part each."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor


@dataclass(frozen=True)
class Draws:
    """Draws random numbers for all images of a batch, and returns those of a part of them.

    Then the parts that several processes augment are together the batch that one process augments: PyTorch's random
    state advances by the same amount in all of them.

    Args:
        count: number of images in the batch.
        part: the images that are augmented.
        device: device of the random numbers.
    """

    count: int
    part: slice
    device: torch.device

    @classmethod
    def of(cls, images: Tensor) -> "Draws":
        """Return the draws of a batch that is augmented as a whole."""
        return cls(len(images), slice(None), images.device)

    def uniform(self, low: float, high: float) -> Float[Tensor, "n 1 1 1"]:
        """Return one uniform random number per image."""
        return torch.empty(self.count, 1, 1, 1, device=self.device).uniform_(low, high)[self.part]

    def rand(self, *shape: int) -> Float[Tensor, "n *shape"]:
        """Return numbers of this shape per image, uniform from 0 to 1."""
        return torch.rand(self.count, *shape, device=self.device)[self.part]

    def normal(self, *shape: int) -> Float[Tensor, "n *shape"]:
        """Return numbers of this shape per image with the standard normal distribution."""
        return torch.randn(self.count, *shape, device=self.device)[self.part]

    def integers(self, high: int) -> Int64[Tensor, "n 1"]:
        """Return one integer from 0 to ``high - 1`` per image."""
        return torch.randint(0, high, (self.count, 1), device=self.device)[self.part]
