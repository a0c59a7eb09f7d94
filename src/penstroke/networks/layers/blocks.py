"""Layers that compute the same functions as PyTorch's layers, faster."""

import math
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class PooledConv2d(nn.Conv2d):
    """A convolution followed by a 2x2 max-pool, with the bias added after the pool.

    Adding a bias is monotone, so the order does not change the result, and only a quarter of the values is processed.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: side of the kernel, in pixels.
        stride: stride of the kernel, in pixels.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride)

    def forward(self, input: Float[Tensor, "n c h w"]) -> Float[Tensor, "n out h2 w2"]:
        """Return the pooled convolution of ``input``."""
        assert self.bias is not None
        pooled = F.max_pool2d(F.conv2d(input, self.weight, stride=self.stride), 2)
        return pooled.add_(self.bias[:, None, None])


class FlatLinear(nn.Linear):
    """A linear layer on the flattened output of a convolution, without copying channels-last activations.

    Channels-last activations are flattened as a view, in the order rows, columns, channels, and ``weight`` has that
    order in memory. State dicts, and therefore files, have the usual order, channels, rows, columns: weights of a plain
    ``flatten`` and ``Linear`` load unchanged, and are saved in the same order.

    Args:
        shape: channels, height and width of the activations.
        out_features: width of the output.
    """

    def __init__(self, shape: tuple[int, int, int], out_features: int) -> None:
        super().__init__(math.prod(shape), out_features)
        self._shape = shape

    def forward(self, input: Float[Tensor, "n c h w"]) -> Float[Tensor, "n out"]:
        """Return the linear function of activations ``[n, *shape]``."""
        return F.linear(input.permute(0, 2, 3, 1).flatten(1), self.weight, self.bias)

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        channels, height, width = self._shape
        weight = destination[prefix + "weight"].unflatten(1, (height, width, channels))
        destination[prefix + "weight"] = weight.permute(0, 3, 1, 2).flatten(1)

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *arguments: Any) -> None:
        weight = state.get(prefix + "weight")
        if weight is not None and weight.shape == self.weight.shape:  # PyTorch rejects any other shape
            state[prefix + "weight"] = weight.unflatten(1, self._shape).permute(0, 2, 3, 1).flatten(1)
        super()._load_from_state_dict(state, prefix, *arguments)


class MeanOverPixels(nn.Module):
    """The mean of each channel over all pixels."""

    def forward(self, input: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c"]:
        """Return the means."""
        return input.mean((2, 3))
