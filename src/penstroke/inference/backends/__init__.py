"""Backends compute a model: raw images in, log-probabilities out, both as NumPy arrays.

This package imports no deep learning library before a backend is opened.
"""

from pathlib import Path
from typing import Protocol

from jaxtyping import Float32, UInt8
from numpy import ndarray

from penstroke.errors import UsageError, nearest, require_extra

BATCH_SIZE = 250
"""Default number of images per batch."""
BACKENDS = ("auto", "torch")


class Backend(Protocol):
    """The interface of all backends."""

    name: str

    def log_probs(
        self, images: UInt8[ndarray, "n c h w"], batch_size: int = BATCH_SIZE
    ) -> Float32[ndarray, "n classes"]:
        """Return the model's log-probabilities for raw images with pixels in 0..255."""
        ...

    def weights(self) -> dict[str, ndarray]:
        """Return the model's tensors by name, as a model file holds them."""
        ...


def open_backend(path: Path, name: str = "auto", device: str = "cpu") -> Backend:
    """Load the model file ``path`` into a backend.

    Args:
        path: model file.
        name: one of ``BACKENDS``; ``auto`` selects torch.
        device: ``auto``, ``cpu``, ``cuda``, ``mps`` or ``xpu``.

    Raises:
        UsageError: ``name`` is unknown, or the device is unknown or not available.
        MissingExtraError: PyTorch is not installed.
        ModelError: the file is missing, damaged or not a model file.
    """
    if name not in BACKENDS:
        raise UsageError(f"Unknown backend {name!r}.", nearest(name, BACKENDS))
    require_extra("train", "torch")
    from penstroke.inference.backends.torch import TorchBackend

    return TorchBackend.open(path, device)
