"""The network as a whole: raw images in, log-probabilities out, with normalisation first and calibration last."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn


class Normalise(nn.Module):
    """The first layer of every network: scales raw pixels to mean 0 and standard deviation 1.

    Args:
        mean: pixel mean in 0..1 of each channel.
        std: pixel standard deviation in 0..1 of each channel.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(tuple(mean)))
        self.register_buffer("std", torch.tensor(tuple(std)))

    def forward(self, images: UInt8[Tensor, "n c h w"] | Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return ``(images / 255 - mean) / std`` as channels-last ``float32``."""
        scale = (1 / (255 * self.std))[:, None, None]
        normalised = images.mul(scale).sub_((self.mean / self.std)[:, None, None])
        return normalised.contiguous(memory_format=torch.channels_last)

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *arguments: Any) -> None:
        # Third-party weights of the exercise are normalised outside the network and have no mean or standard
        # deviation: the values given at construction are kept.
        for name in ("mean", "std"):
            state.setdefault(prefix + name, getattr(self, name))
        super()._load_from_state_dict(state, prefix, *arguments)


class Temperature(nn.Module):
    """The last layer of a calibrated network: divides log-probabilities by a temperature and normalises them again.

    Temperature scaling after Guo et al., 2017, https://arxiv.org/abs/1706.04599.

    Args:
        temperature: values above 1 decrease the confidence, values below 1 increase it.
    """

    temperature: Tensor

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.register_buffer("temperature", torch.tensor(float(temperature)))

    def forward(self, log_probs: Float[Tensor, "n classes"]) -> Float[Tensor, "n classes"]:
        """Return calibrated log-probabilities."""
        return torch.log_softmax(log_probs / self.temperature, dim=1)


class Network(nn.Sequential):
    """A sequence of named layers from raw images ``[n, c, h, w]`` with pixels in 0..255 to log-probabilities.

    The first layer is ``normalise``; the last one of a calibrated network is ``calibration``. The output is
    ``float32`` of shape ``[n, classes]``.

    Attributes:
        precision: type in which convolutions and matrix products are computed in training; ``float32`` in evaluation.
    """

    precision = torch.float32

    def forward(self, images: UInt8[Tensor, "n c h w"] | Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        """Return the log-probabilities of raw images."""
        if not self.training or self.precision is torch.float32:
            return super().forward(images)  # type: ignore[no-untyped-call]
        with torch.autocast(images.device.type, self.precision):
            for layer in self:
                # Probabilities of 8 bits would be too inaccurate for the gradient.
                images = layer(images.float() if isinstance(layer, nn.LogSoftmax) else images)
        return images

    def with_temperature(self, temperature: float) -> "Network":
        """Return a network of the same layers that ends with ``Temperature(temperature)``."""
        calibrated = Network()
        for name, layer in self.named_children():
            if name != "calibration":
                calibrated.add_module(name, layer)
        calibrated.add_module("calibration", Temperature(temperature))
        return calibrated.train(self.training)


def wrap_module(module: nn.Module, mean: Sequence[float], std: Sequence[float]) -> Network:
    """Return a network around a module that takes normalised images ``[n, c, h, w]`` and returns ``[n, classes]``.

    The module may return logits or log-probabilities: the log-softmax that follows leaves log-probabilities
    unchanged. A ``Network`` is returned unchanged.

    Args:
        module: any module.
        mean: pixel mean in 0..1 of each channel.
        std: pixel standard deviation in 0..1 of each channel.
    """
    if isinstance(module, Network):
        return module
    network = Network()
    network.add_module("normalise", Normalise(mean, std))
    network.add_module("network", module)
    network.add_module("log_softmax", nn.LogSoftmax(dim=1))
    return network
