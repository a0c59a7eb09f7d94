"""Muon: momentum whose matrix is orthogonalised before each step.

After K. Jordan and others, "Muon: an optimizer for hidden layers in neural networks", 2024,
https://kellerjordan.github.io/posts/muon/. Unlike ``torch.optim.Muon``, this implementation accepts convolution
kernels, as matrices ``[out, rest]``, and uses three iterations instead of five, which is enough for small matrices.
"""

from collections.abc import Iterable
from functools import reduce

import torch
from jaxtyping import Float
from torch import Tensor, nn

from penstroke.training.optimizers.base import Optimizer

# Coefficients of the quintic iteration, from the post above; it moves all singular values towards 1.
_A, _B, _C = 3.4445, -4.7750, 2.0315
GRAM_SIZE = 1 << 14
"""Number of elements from which ``orthogonalise_by_gram`` is faster."""


def orthogonalise(matrix: Float[Tensor, "m n"], iterations: int = 3) -> Float[Tensor, "m n"]:
    """Return an approximation of the nearest matrix with orthonormal rows, or orthonormal columns if it is tall."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(iterations):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return x.T if tall else x


def orthogonalise_by_gram(matrix: Float[Tensor, "m n"], iterations: int = 3) -> Float[Tensor, "m n"]:
    """Return what ``orthogonalise`` returns, up to rounding; faster for matrices that are far from square.

    Each iteration multiplies ``x`` by a polynomial of ``x @ x.T``, so the product of the polynomials is computed
    without ``x``, from small square matrices.
    """
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    gram = x @ x.T
    norm = gram.diagonal().sum().sqrt() + 1e-7
    gram = gram / norm.square()
    factors: list[Tensor] = []
    for _ in range(iterations):
        if factors:
            gram = factors[-1] @ gram @ factors[-1]
        factors.append(torch.addmm(gram, gram, gram, beta=_B, alpha=_C))
        factors[-1].diagonal().add_(_A)
    product = reduce(torch.matmul, factors) / norm
    return matrix @ product if tall else product @ matrix


class Muon(Optimizer):
    """Orthogonalised Nesterov momentum for weights of two or more dimensions.

    Args:
        weights: weights ``[out, ...]``.
        lr: learning rate; each step changes a weight matrix by about this amount in every direction.
        momentum: decay of the accumulated gradient.
        rescale: rescale each weight to norm ``sqrt(out)`` before each step. The output of a layer that is followed by
            a normalisation does not depend on this norm, but with a constant norm, the relative change of each step
            depends on the learning rate alone (as in K. Jordan, https://github.com/KellerJordan/cifar10-airbench).
        by_gram: orthogonalise large matrices by ``orthogonalise_by_gram``, which has other rounding.
    """

    def __init__(
        self,
        weights: Iterable[nn.Parameter],
        lr: float,
        momentum: float,
        *,
        rescale: bool = False,
        by_gram: bool = False,
    ) -> None:
        super().__init__(weights, lr, ("momentum",))
        self.momentum = momentum
        self.rescale = rescale
        self.by_gram = by_gram

    @torch.no_grad()
    def step(self, factor: float = 1.0) -> None:
        """Take one step along the current gradients, at ``factor`` times the learning rate."""
        lr = self.lr * factor
        for weight, gradient, state in zip(self.weights, self.gradients(), self.state, strict=True):
            accumulated = state["momentum"].mul_(self.momentum).add_(gradient)
            nesterov = gradient.add(accumulated, alpha=self.momentum).flatten(1)
            rows, columns = nesterov.shape
            short, long = sorted((rows, columns))
            by_gram = self.by_gram and long >= 2 * short and rows * columns >= GRAM_SIZE
            update = (orthogonalise_by_gram if by_gram else orthogonalise)(nesterov).reshape(weight.shape)
            if self.rescale:
                weight.mul_(rows**0.5 / (weight.norm() + 1e-7))
            weight.add_(update, alpha=-lr * max(1.0, rows / columns) ** 0.5)
