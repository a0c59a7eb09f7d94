"""The base class of the optimizers: weights, gradients, learning rate and state."""

from abc import ABC, abstractmethod
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from penstroke.training.optimizers.flat import FlatWeights, gradient_of


class Optimizer(ABC):
    """Base class of the optimizers.

    Args:
        weights: the weights to train, as parameters or as ``FlatWeights``.
        lr: learning rate.
        state: names of the tensors that are kept for each weight, of its shape and initially zero.
        counts_steps: whether the number of steps, ``step``, is kept for each weight, too.
    """

    def __init__(
        self,
        weights: Iterable[nn.Parameter] | FlatWeights,
        lr: float,
        state: tuple[str, ...],
        counts_steps: bool = False,
    ) -> None:
        self._flat = weights if isinstance(weights, FlatWeights) else None
        self.weights: list[Tensor] = list(weights.weights if isinstance(weights, FlatWeights) else weights)
        self.lr = lr
        self.state: list[dict[str, Tensor]] = []
        """The tensors kept for each weight, by name, in the order of ``weights``."""
        for weight in self.weights:
            tensors = {name: torch.zeros_like(weight, requires_grad=False) for name in state}
            if counts_steps:
                tensors["step"] = torch.zeros((), device=weight.device)
            self.state.append(tensors)

    def gradients(self) -> list[Tensor]:
        """Return the gradients in the order of ``weights``; a weight without gradient gets zeros."""
        return self._flat.gradients() if self._flat else [gradient_of(weight) for weight in self.weights]

    def states(self, name: str) -> list[Tensor]:
        """Return the tensors called ``name`` of all weights."""
        return [tensors[name] for tensors in self.state]

    @abstractmethod
    def step(self, factor: float = 1.0) -> None:
        """Take one step along the current gradients, at ``factor`` times the learning rate."""
