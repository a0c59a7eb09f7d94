"""What all networks share: the first layer, and the sizes that convolutions leave."""

import math
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from penstroke.errors import ModelError


class Normalise(nn.Module):
    """The first layer of every network: raw pixels to numbers of mean 0 and deviation 1.

    Args:
        mean: pixel mean in 0..1.
        std: pixel deviation in 0..1.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("std", torch.tensor(std))

    def forward(self, images: UInt8[Tensor, "n c h w"] | Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return ``(images / 255 - mean) / std`` as ``float32``, in one multiplication and one addition."""
        scale = 1 / (255 * self.std)
        return images.mul(scale).sub_(self.mean / self.std)

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *arguments: Any) -> None:
        # Weights that others saved from the exercise normalise outside the network, and hold no mean or deviation:
        # the ones given at construction stay.
        for name in ("mean", "std"):
            state.setdefault(prefix + name, getattr(self, name))
        super()._load_from_state_dict(state, prefix, *arguments)


class FlatLinear(nn.Linear):
    """A linear layer over the flattened activations of a convolution, without the copy that flattening costs.

    Channels-last activations flatten in the order rows, columns, channels as a view, so the weight lies in that order.
    In state dicts, and so in files, it has the usual order, channels, rows, columns: weights of the plain
    ``flatten`` and ``Linear`` load unchanged, and are saved as such.

    Args:
        shape: channels, height and width of the activations.
        out_features: width of the output.
    """

    def __init__(self, shape: tuple[int, int, int], out_features: int) -> None:
        super().__init__(math.prod(shape), out_features)
        self._shape = shape

    def forward(self, input: Float[Tensor, "n c h w"]) -> Float[Tensor, "n out"]:
        """Return the layer's answer to activations ``[n, *shape]`` that lie channels-last."""
        return F.linear(input.permute(0, 2, 3, 1).flatten(1), self.weight, self.bias)

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        channels, height, width = self._shape
        weight = destination[prefix + "weight"].unflatten(1, (height, width, channels))
        destination[prefix + "weight"] = weight.permute(0, 3, 1, 2).flatten(1)

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *arguments: Any) -> None:
        weight = state.get(prefix + "weight")
        if weight is not None and weight.shape == self.weight.shape:  # what does not fit, PyTorch refuses
            state[prefix + "weight"] = weight.unflatten(1, self._shape).permute(0, 2, 3, 1).flatten(1)
        super()._load_from_state_dict(state, prefix, *arguments)


def convolved_size(
    image_shape: tuple[int, int, int], kernel_sizes: tuple[int, ...], strides: tuple[int, ...]
) -> tuple[int, int]:
    """Return height and width, in pixels, of what convolutions without padding leave of an image.

    Raises:
        ModelError: a kernel is larger than what it gets.
    """
    size = [image_shape[1], image_shape[2]]
    for layer, (kernel, stride) in enumerate(zip(kernel_sizes, strides, strict=True), start=1):
        if min(size) < kernel:
            raise ModelError(
                f"Convolution {layer} gets {size[0]}x{size[1]} pixels, fewer than its {kernel}x{kernel} kernel, "
                f"from images of {image_shape[1]}x{image_shape[2]}.",
                "Take larger images, or smaller kernel sizes or strides.",
            )
        size = [(side - kernel) // stride + 1 for side in size]
    return size[0], size[1]
