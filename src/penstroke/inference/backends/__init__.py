"""Backends compute a model: raw images in, log-probabilities out, both as NumPy arrays.

This package imports neither torch nor onnxruntime before a backend is opened.
"""

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from jaxtyping import Float32, UInt8
from numpy import ndarray

from penstroke.errors import UsageError, nearest, require_extra
from penstroke.models import bundled

# onnxruntime 1.32 collects and sends usage data, unless this is set before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
BATCH_SIZE = 250
"""Default number of images per batch."""
BACKENDS = ("auto", "torch", "onnx")


def configure_backend(name: str, threads: int | None = None) -> None:
    """Configure PyTorch for many images, if it computes the model.

    Args:
        name: name of the backend.
        threads: see ``runtime.configure``.

    Raises:
        MissingExtraError: PyTorch is needed, and is not installed.
    """
    if name == "torch":
        from penstroke import runtime

        require_extra("train", "torch")
        runtime.configure(threads)


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


class BackendOpener(ABC):
    """A backend that is not opened yet."""

    name: str

    @abstractmethod
    def __call__(self) -> Backend:
        """Return the opened backend."""


@dataclass(frozen=True)
class FileOpener(BackendOpener):
    """The backend of a model file or an ONNX file that is not opened yet.

    Args:
        path: model file (``torch``) or ONNX file (``onnx``).
        name: ``torch`` or ``onnx``.
        device: device that computes; ``onnx`` computes on the CPU.
        threads: threads of onnxruntime; those of PyTorch are a setting of the process.
    """

    path: Path
    name: str
    device: str = "cpu"
    threads: int | None = None

    def __call__(self) -> Backend:
        """Return the opened backend.

        Raises:
            UsageError: the device is unknown or not available.
            MissingExtraError: the backend is ``torch``, and PyTorch is not installed.
            ModelError: the file is missing, damaged or invalid.
        """
        if self.name == "onnx":
            from penstroke.inference.backends.onnx import OnnxBackend

            return OnnxBackend.open(self.path, self.threads)
        require_extra("train", "torch")
        from penstroke.inference.backends.torch import TorchBackend

        return TorchBackend.open(self.path, self.device)


def choose_backend(path: Path, name: str = "auto", device: str = "cpu", threads: int | None = None) -> FileOpener:
    """Return the backend for a model file.

    ONNX files are computed by onnxruntime, model files by PyTorch. The bundled model is available to both; on the CPU,
    ``auto`` selects onnxruntime.

    Args:
        path: model file or ONNX file.
        name: one of ``BACKENDS``.
        device: ``auto``, ``cpu``, ``cuda``, ``mps`` or ``xpu``.
        threads: see ``FileOpener``.

    Raises:
        UsageError: ``name`` is unknown, or the backend cannot compute this file or on this device.
    """
    if name not in BACKENDS:
        raise UsageError(f"Unknown backend {name!r}.", nearest(name, BACKENDS))
    on_cpu = device in ("auto", "cpu")
    if path == bundled.WEIGHTS and name != "torch" and (on_cpu or name == "onnx"):
        path = bundled.ONNX
    kind = "onnx" if path.suffix == ".onnx" else "torch"
    if name not in ("auto", kind):
        raise UsageError(
            f"The backend {name} cannot compute {path}.",
            "Make an ONNX file with `penstroke export --to onnx`."
            if kind == "torch"
            else "Use the run or the model file that the ONNX file comes from.",
        )
    if kind == "onnx" and not on_cpu:
        raise UsageError(
            f"The device is {device!r}, and onnxruntime computes {path} on the CPU.",
            "Omit the device, or use a run or a model file with the backend torch.",
        )
    return FileOpener(path, kind, device, threads)
