"""Compute a network with PyTorch: eval mode, no gradients, in batches."""

from itertools import chain
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from numpy import ndarray
from torch import Tensor, nn

from penstroke.inference.backends import BATCH_SIZE
from penstroke.models.modules import load_module, weights_of
from penstroke.runtime.device import choose_device


def forward_batches(
    module: nn.Module, images: UInt8[Tensor, "n c h w"], batch_size: int = BATCH_SIZE
) -> Float[Tensor, "n classes"]:
    """Return the network's log-probabilities, on the device of ``images``.

    Images are moved to the network's device batch by batch, so the set may be larger than that device's memory. The
    network's mode (train or eval) is restored afterwards.

    Args:
        module: network that takes raw images and returns log-probabilities.
        images: raw images with pixels in 0..255, on any device.
        batch_size: images per batch.
    """
    first = next(chain(module.parameters(), module.buffers()), images)
    was_training = module.training
    module.eval()
    try:
        with torch.inference_mode():
            log_probs = [module(batch.to(first.device)).to(images.device) for batch in images.split(batch_size)]
    finally:
        module.train(was_training)
    return torch.cat(log_probs)


class TorchBackend:
    """Compute a network with PyTorch on one device.

    Args:
        module: network that takes raw images and returns log-probabilities. It is moved to ``device``.
        device: device that computes.
    """

    name = "torch"

    def __init__(self, module: nn.Module, device: torch.device | str = "cpu") -> None:
        self.module = module.to(device)

    @classmethod
    def open(cls, path: Path, device: str = "cpu") -> "TorchBackend":
        """Load a model file.

        Args:
            path: model file.
            device: see ``penstroke.runtime.device.choose_device``.

        Raises:
            UsageError: the device is unknown or not available.
            ModelError: the file is missing, damaged or not a model file.
        """
        chosen = choose_device(device)
        module, _ = load_module(path)
        return cls(module, chosen)

    def log_probs(
        self, images: UInt8[ndarray, "n c h w"], batch_size: int = BATCH_SIZE
    ) -> Float32[ndarray, "n classes"]:
        """Return log-probabilities for raw images with pixels in 0..255. ``n`` is at least 1."""
        starts = range(0, len(images), batch_size)
        return np.concatenate([self._forward(images[start : start + batch_size]) for start in starts])

    def weights(self) -> dict[str, ndarray]:
        """Return the network's tensors by name, as a model file holds them."""
        return weights_of(self.module)

    def _forward(self, batch: UInt8[ndarray, "n c h w"]) -> Float32[ndarray, "n classes"]:
        # PyTorch supports neither read-only memory, such as that of mapped files, nor negative strides.
        tensor = torch.from_numpy(np.require(batch, requirements=["C", "W"]))
        return np.asarray(forward_batches(self.module, tensor, len(batch)).numpy(), np.float32)
