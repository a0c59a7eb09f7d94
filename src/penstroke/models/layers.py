"""What all networks share: the first layer, and the sizes that convolutions leave."""

from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

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
        return images.float().mul(scale).sub_(self.mean / self.std)

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *arguments: Any) -> None:
        # Weights that others saved from the exercise normalise outside the network, and hold no mean or deviation:
        # the ones given at construction stay.
        for name in ("mean", "std"):
            state.setdefault(prefix + name, getattr(self, name))
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
