"""Muon: momentum whose matrix is made orthogonal before it is a step.

After K. Jordan and others, "Muon: an optimizer for hidden layers in neural networks", 2024,
https://kellerjordan.github.io/posts/muon/. PyTorch's own takes flat matrices alone; this one takes kernels too, as
matrices ``[out, rest]``, and fewer iterations, which small matrices do not miss.
"""

from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

# Of the quintic iteration that drives all singular values towards 1, from the post above.
_A, _B, _C = 3.4445, -4.7750, 2.0315


def orthogonal(matrix: Float[Tensor, "m n"], steps: int = 3) -> Float[Tensor, "m n"]:
    """Return roughly the nearest matrix with orthonormal rows (or columns, if they are fewer)."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, made orthogonal, for weights of two or more dimensions.

    Args:
        parameters: weights ``[out, ...]``.
        lr: learning rate; each step changes a weight matrix by about this much in every direction.
        momentum: share of the gathered gradient that is kept.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, momentum: float) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Take one step along the gradients that are there. ``closure`` is not supported."""
        assert closure is None
        for group in self.param_groups:
            for weight in group["params"]:
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                gathered = state["momentum"].mul_(group["momentum"]).add_(weight.grad)
                ahead = weight.grad.add(gathered, alpha=group["momentum"]).flatten(1)
                update = orthogonal(ahead).reshape(weight.shape)
                rows, columns = ahead.shape
                weight.add_(update, alpha=-group["lr"] * max(1.0, rows / columns) ** 0.5)
