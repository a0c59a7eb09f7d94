"""Dropout whose mask, for a part of a batch, is a part of the mask of the whole batch."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from penstroke.training.parts import Current


class SharedDropout(nn.Module):
    """Dropout whose mask is a part of the mask that would be drawn for the whole batch.

    Args:
        layer: the layer that is replaced.
        current: the part that is computed.
    """

    def __init__(self, layer: nn.Dropout | nn.Dropout2d, current: Current) -> None:
        super().__init__()
        self.p, self._channels = layer.p, isinstance(layer, nn.Dropout2d)
        self._current = current

    def forward(self, input: Float[Tensor, "part *d"]) -> Float[Tensor, "part *d"]:
        """Return the input with some values, or some channels in the place of ``Dropout2d``, set to zero."""
        if not self.training or not self.p:
            return input
        part = self._current.part
        shape = (input.shape[1], *(1 for _ in input.shape[2:])) if self._channels else input.shape[1:]
        ones = torch.ones(part.count, *shape, device=input.device)
        mask = F.dropout2d(ones, self.p) if self._channels else F.dropout(ones, self.p)
        return input * mask[part.own].to(input.dtype)


def share_dropout(network: nn.Module, current: Current) -> None:
    """Replace layers of dropout by those of the whole batch.

    Args:
        network: the network, which is changed.
        current: the part that is computed.
    """
    for module in list(network.modules()):
        for name, layer in module.named_children():
            if isinstance(layer, nn.Dropout | nn.Dropout2d):
                setattr(module, name, SharedDropout(layer, current))
