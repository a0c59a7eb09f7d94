"""The small weights of a network as one tensor, so that an optimizer needs few operations for them."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

LARGE = 1 << 16
"""Weights with at least this many elements stay separate: copying their gradients costs more than it saves."""


class FlatWeights:
    """The weights of a network, with the small ones joined in one tensor.

    The small parameters become views of that tensor. An optimizer of ``weights`` computes the same numbers as one of
    the parameters, in fewer operations.

    Args:
        parameters: dense parameters of a network.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        self._small: list[nn.Parameter] = []
        self.weights: list[nn.Parameter] = []
        """The joined tensor, if there is one, then the separate weights."""
        for parameter in parameters:
            small = parameter.numel() < LARGE and parameter.dtype == torch.float32
            (self._small if small else self.weights).append(parameter)
        if not self._small:
            return
        flat = nn.Parameter(torch.cat([in_memory_order(parameter) for parameter in self._small]))
        start = 0
        for parameter in self._small:
            # The same strides as before: a channels-last kernel stays channels-last.
            parameter.data = flat.data.as_strided(parameter.shape, parameter.stride(), start)
            start += parameter.numel()
        self.weights.insert(0, flat)

    def gradients(self) -> list[Tensor]:
        """Return the gradients in the order of ``weights``; a parameter without gradient gets zeros."""
        # Autograd lays a gradient out in memory as its parameter is laid out.
        small = [in_memory_order(gradient_of(parameter)) for parameter in self._small]
        separate = self.weights[1:] if small else self.weights
        return [*([torch.cat(small)] if small else []), *(gradient_of(weight) for weight in separate)]


def gradient_of(weight: Tensor) -> Tensor:
    """Return the gradient of a weight, or zeros if it has none because the loss does not depend on it."""
    return torch.zeros_like(weight) if weight.grad is None else weight.grad


def in_memory_order(tensor: Tensor) -> Float[Tensor, "n"]:
    """Return the elements of a dense tensor in the order of their addresses, as a view."""
    return tensor.detach().as_strided((tensor.numel(),), (1,))
