"""All weights of a network as one flat tensor, so that an optimizer's step is a few long operations, not many short."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn


class FlatWeights:
    """A network's parameters, laid one behind the other in one tensor of which they become views.

    An optimizer over ``weight`` does the arithmetic of one over the parameters, each number the same, in one pass for
    each operation. Register ``gather`` to run before each of its steps.
    """

    def __init__(self, model: nn.Module) -> None:
        self._parameters = list(model.parameters())
        self.weight = nn.Parameter(torch.cat([_in_memory_order(parameter) for parameter in self._parameters]))
        start = 0
        for parameter in self._parameters:
            # The same strides as before: a kernel that lay channels-last still does.
            parameter.data = self.weight.data.as_strided(parameter.shape, parameter.stride(), start)
            start += parameter.numel()

    def gather(self, *_: Any) -> None:
        """Put the parameters' gradients, which lie in memory as the parameters do, into ``weight.grad``."""
        gradients = [parameter.grad for parameter in self._parameters]
        self.weight.grad = torch.cat([_in_memory_order(grad) for grad in gradients if grad is not None])


def _in_memory_order(tensor: Tensor) -> Float[Tensor, "n"]:
    """Return a dense tensor's numbers in the order in which they lie in memory, as a view."""
    return tensor.detach().as_strided((tensor.numel(),), (1,))
