"""Layers that all networks share."""

from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn


class Normalise(nn.Module):
    """The first layer of every network: raw pixels to numbers of mean 0 and deviation 1.

    Args:
        mean: pixel mean in 0..1.
        std: pixel deviation in 0..1.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("std", torch.tensor(std))

    def forward(self, images: UInt8[Tensor, "n c h w"] | Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return ``(images / 255 - mean) / std`` as ``float32``, in one multiplication and one addition."""
        scale = 1 / (255 * self.std)
        return images.float().mul(scale).sub_(self.mean / self.std)

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *arguments: Any) -> None:
        # Weights that others saved from the exercise normalise outside the network, and hold no mean or deviation:
        # the ones given at construction stay.
        for name in ("mean", "std"):
            state.setdefault(prefix + name, getattr(self, name))
        super()._load_from_state_dict(state, prefix, *arguments)
