"""A network's small weights as one flat tensor, so that an optimizer takes few operations for them, not many."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

LARGE = 1 << 16
"""Numbers from which a parameter stays on its own: laying it beside others would cost more than it saves."""


class FlatWeights:
    """A network's small parameters, laid one behind the other in one tensor of which they become views.

    An optimizer over ``weights`` does the arithmetic of one over the parameters, each number the same, in fewer
    operations. Register ``gather`` to run before each of its steps.
    """

    def __init__(self, model: nn.Module) -> None:
        self._small = [parameter for parameter in model.parameters() if parameter.numel() < LARGE]
        self._flat = nn.Parameter(torch.cat([_in_memory_order(parameter) for parameter in self._small]))
        self.weights = [self._flat, *(parameter for parameter in model.parameters() if parameter.numel() >= LARGE)]
        start = 0
        for parameter in self._small:
            # The same strides as before: a kernel that lay channels-last still does.
            parameter.data = self._flat.data.as_strided(parameter.shape, parameter.stride(), start)
            start += parameter.numel()

    def gather(self, *_: Any) -> None:
        """Lay the small parameters' gradients together; each lies in memory as its parameter does."""
        gradients = [parameter.grad for parameter in self._small]
        self._flat.grad = torch.cat([_in_memory_order(grad) for grad in gradients if grad is not None])


def _in_memory_order(tensor: Tensor) -> Float[Tensor, "n"]:
    """Return a dense tensor's numbers in the order in which they lie in memory, as a view."""
    return tensor.detach().as_strided((tensor.numel(),), (1,))
