"""Adam, AdamW, RMSprop and SGD, through the functional forms of PyTorch's own, with the same results bit for bit.

The functional forms, unlike the classes of ``torch.optim``, do not import PyTorch's compiler. ``fused`` computes a step
in one pass over memory.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim.adam import adam
from torch.optim.rmsprop import rmsprop
from torch.optim.sgd import sgd

from penstroke.training.optimizers.base import Optimizer
from penstroke.training.optimizers.flat import FlatWeights

Weights = Iterable[nn.Parameter] | FlatWeights


class Adam(Optimizer):
    """Adam, with an L2 penalty (D. Kingma and J. Ba, 2015, https://arxiv.org/abs/1412.6980).

    Args:
        weights: the weights to train.
        lr: learning rate.
        weight_decay: L2 penalty.
        betas: decay of the running averages of the gradient and of its square.
    """

    decoupled = False
    """Whether weight decay is applied to the weights directly instead of to the gradients."""

    def __init__(
        self, weights: Weights, lr: float, weight_decay: float = 0.0, betas: tuple[float, float] = (0.9, 0.999)
    ) -> None:
        super().__init__(weights, lr, ("exp_avg", "exp_avg_sq"), counts_steps=True)
        self.weight_decay, self.betas = weight_decay, betas

    @torch.no_grad()
    def step(self, factor: float = 1.0) -> None:
        """Take one step along the current gradients, at ``factor`` times the learning rate."""
        averages, squares, steps = (self.states(name) for name in ("exp_avg", "exp_avg_sq", "step"))
        adam(
            self.weights, self.gradients(), averages, squares, [], steps, fused=True, amsgrad=False,
            beta1=self.betas[0], beta2=self.betas[1], lr=self.lr * factor, weight_decay=self.weight_decay, eps=1e-8,
            maximize=False, decoupled_weight_decay=self.decoupled,
        )  # fmt: skip


class AdamW(Adam):
    """Adam with decoupled weight decay (I. Loshchilov and F. Hutter, 2019, https://arxiv.org/abs/1711.05101)."""

    decoupled = True


class RMSprop(Optimizer):
    """RMSprop, with an L2 penalty (G. Hinton, "Neural networks for machine learning", lecture 6, 2012).

    Args:
        weights: the weights to train.
        lr: learning rate.
        momentum: momentum factor.
        weight_decay: L2 penalty.
    """

    def __init__(self, weights: Weights, lr: float, momentum: float = 0.0, weight_decay: float = 0.0) -> None:
        names = ("square_avg", "momentum_buffer") if momentum else ("square_avg",)
        super().__init__(weights, lr, names, counts_steps=True)
        self.momentum, self.weight_decay = momentum, weight_decay

    @torch.no_grad()
    def step(self, factor: float = 1.0) -> None:
        """Take one step along the current gradients, at ``factor`` times the learning rate."""
        buffers = self.states("momentum_buffer") if self.momentum else []
        rmsprop(
            self.weights, self.gradients(), self.states("square_avg"), [], buffers, self.states("step"),
            lr=self.lr * factor, alpha=0.99, eps=1e-8, weight_decay=self.weight_decay, momentum=self.momentum,
            centered=False,
        )  # fmt: skip


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum and an L2 penalty.

    Args:
        weights: the weights to train.
        lr: learning rate.
        momentum: momentum factor.
        weight_decay: L2 penalty.
        nesterov: whether the momentum is that of Nesterov.
    """

    def __init__(
        self, weights: Weights, lr: float, momentum: float = 0.0, weight_decay: float = 0.0, *, nesterov: bool = False
    ) -> None:
        super().__init__(weights, lr, ("momentum_buffer",) if momentum else ())
        self.momentum, self.weight_decay, self.nesterov = momentum, weight_decay, nesterov

    @torch.no_grad()
    def step(self, factor: float = 1.0) -> None:
        """Take one step along the current gradients, at ``factor`` times the learning rate."""
        buffers: list[Tensor | None] = [None] * len(self.weights)
        if self.momentum:
            buffers = [*self.states("momentum_buffer")]
        sgd(
            self.weights, self.gradients(), buffers, fused=True, weight_decay=self.weight_decay,
            momentum=self.momentum, lr=self.lr * factor, dampening=0.0, nesterov=self.nesterov, maximize=False,
        )  # fmt: skip
