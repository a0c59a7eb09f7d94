"""Layers whose weights do not change during the first part of a training. This module does not import torch."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from penstroke.training.optimizers import Optimizer


@dataclass(frozen=True, eq=False)
class Freezing:
    """The layers of a network that are frozen, and until when. By default none are.

    Args:
        until: fraction of the training, 0..1, during which they are frozen.
        layers: the layers, without the layers inside them.
        parameters: their parameters.
        others: number of optimizers, the first ones, that train the other layers and do not train these.
    """

    until: float = 0.0
    layers: "tuple[nn.Module, ...]" = ()
    parameters: "tuple[nn.Parameter, ...]" = ()
    others: int = 0

    @contextmanager
    def active(self, optimizers: "Sequence[Optimizer]", done: float) -> "Iterator[Sequence[Optimizer]]":
        """Freeze the layers within the block, if they are frozen at this point, and return the optimizers to step.

        The optimizers of frozen layers take no step: with gradients of zero, momentum and weight decay would still
        change the weights. Frozen layers also keep their running statistics, such as those of batch normalisation, and
        no gradient is computed for them.

        Args:
            optimizers: the optimizers of the network.
            done: completed fraction of the training, 0..1.
        """
        if done >= self.until:
            yield optimizers
            return
        self._set(trained=False)
        try:
            yield optimizers[: self.others]
        finally:
            self._set(trained=True)

    def _set(self, *, trained: bool) -> None:
        for layer in self.layers:
            layer.training = trained
        for parameter in self.parameters:
            parameter.requires_grad_(trained)
