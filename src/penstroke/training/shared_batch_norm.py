"""Batch normalisation in several processes that compute parts of one batch."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn
from torch.nn import functional as F

Sums = Callable[[Float64[Tensor, "n"]], Float64[Tensor, "n"]]
"""Returns the sums of values over all processes."""


class SharedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch normalisation with the statistics of the whole batch, over all processes.

    It does what ``torch.nn.SyncBatchNorm`` does, which does not support CPUs. The two sums over the processes, forward
    and backward, are the only difference from the kernels that one process uses.

    Args:
        layer: the layer that is replaced; its weights and running statistics are used.
        sums_of_all: returns the sums of values over all processes.
    """

    def __init__(self, layer: nn.BatchNorm1d | nn.BatchNorm2d, sums_of_all: Sums) -> None:
        super().__init__(layer.num_features, layer.eps, layer.momentum, layer.affine, layer.track_running_stats)
        self._parameters, self._buffers = layer._parameters, layer._buffers
        self.sums_of_all = sums_of_all

    def _check_input_dim(self, input: Tensor) -> None:
        """Accept every number of dimensions, as the replaced layer has checked it before."""

    def forward(self, input: Float[Tensor, "part c *d"]) -> Float[Tensor, "part c *d"]:
        """Return the normalised input."""
        if not self.training:
            return super().forward(input)
        count, mean, variance = self._statistics(input)
        self._update(mean, variance * count / max(1.0, count - 1))
        return _Normalise.apply(input, self.weight, self.bias, self, count, mean, variance)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def _statistics(self, input: Float[Tensor, "part c *d"]) -> tuple[float, Float[Tensor, "c"], Float[Tensor, "c"]]:
        """Return the number of values of each channel in the whole batch, their mean, and their biased variance."""
        count, dtype = input.numel() // self.num_features, torch.promote_types(input.dtype, torch.float32)
        message = input.new_zeros(2 * self.num_features + 1, dtype=torch.float64)
        if count:
            unused = input.new_ones(2, self.num_features, dtype=dtype)  # running statistics, which set the dtype
            mean, variance = torch.ops.aten.batch_norm_update_stats(input, *unused, 0.0)
            mean = mean.double()
            message = count * torch.cat([mean, variance + mean.square(), mean.new_ones(1)])
        message = self.sums_of_all(message)
        total = float(message[-1])
        mean, squares = (message[:-1] / total).view(2, -1)
        return total, mean.to(dtype), (squares - mean.square()).to(dtype)

    def _update(self, mean: Float[Tensor, "c"], variance: Float[Tensor, "c"]) -> None:
        """Update the running statistics."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)

    def sums(self, gradient: Tensor, input: Tensor, mean: Tensor, inverse: Tensor) -> Float[Tensor, "2 c"]:
        """Return the sums of the gradient times the normalised input, and of the gradient, of this process."""
        if not input.numel():
            return torch.zeros_like(mean).expand(2, -1)
        backward, unused = torch.ops.aten.native_batch_norm_backward, torch.ones_like(mean)
        outputs = [False, True, True]
        _, *sums = backward(gradient, input, unused, unused, unused, mean, inverse, True, self.eps, outputs)
        return torch.stack(sums)


class _Normalise(torch.autograd.Function):
    """Normalisation with statistics that depend on the inputs of all processes."""

    @staticmethod
    def forward(
        context: Any, input: Tensor, weight: Tensor | None, bias: Tensor | None,
        layer: SharedBatchNorm, count: float, mean: Tensor, variance: Tensor,
    ) -> Tensor:  # fmt: skip
        context.save_for_backward(input, weight, mean, variance)
        context.layer, context.count = layer, count
        return F.batch_norm(input, mean, variance, weight, bias, False, 0.0, layer.eps)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        input, weight, mean, variance = context.saved_tensors
        inverse = (variance + context.layer.eps).rsqrt()
        own = context.layer.sums(gradient, input, mean, inverse)
        whole = context.layer.sums_of_all(own.double().flatten()).to(own.dtype).view(2, -1)
        scale = inverse if weight is None else weight * inverse
        # The mean and the variance depend on each input: without that, the gradient would be scale * gradient.
        slope, offset = -scale * whole / context.count
        result = F.batch_norm(input, mean, variance, slope, offset, False, 0.0, context.layer.eps)
        result += F.batch_norm(gradient, torch.zeros_like(mean), torch.ones_like(mean), scale, None, False, 0.0, 0.0)
        of_weight, of_bias = (None, None) if weight is None else own
        return result, of_weight, of_bias, None, None, None, None
