"""Compute a committee: the mean of the probabilities of several models."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray

from penstroke.errors import ModelError
from penstroke.inference.backends import BATCH_SIZE, Backend, BackendOpener
from penstroke.models.committee import committee_weights
from penstroke.models.description import Description


@dataclass(frozen=True)
class CommitteeOpener(BackendOpener):
    """The backend of a committee that is not opened yet.

    If PyTorch computes all members, it computes them as one network.

    Args:
        members: the backends of the members.
        description: what the committee is.
        device: device of PyTorch.
    """

    members: tuple[BackendOpener, ...]
    description: Description
    device: str = "cpu"

    @property
    def name(self) -> str:  # type: ignore[override]  # read only
        """``torch`` if PyTorch computes a member, otherwise ``onnx``."""
        return "torch" if any(member.name == "torch" for member in self.members) else "onnx"

    def __call__(self) -> Backend:
        """Return the opened backend.

        Raises:
            UsageError, MissingExtraError, ModelError: a member cannot be opened.
        """
        members = [member() for member in self.members]
        if any(member.name != "torch" for member in members):
            return CommitteeBackend(self.name, members)
        from penstroke.inference.backends.torch import TorchBackend
        from penstroke.models.modules import module_from
        from penstroke.runtime import choose_device

        weights = committee_weights([member.weights() for member in members], self.description.image_shape[0])
        return TorchBackend(module_from(self.description, weights), choose_device(self.device))


class CommitteeBackend:
    """Compute each member of a committee with its own backend.

    Args:
        name: name of the backend, for display.
        members: the backends.
    """

    def __init__(self, name: str, members: Sequence[Backend]) -> None:
        self.name = name
        self._members = members

    def log_probs(
        self, images: UInt8[ndarray, "n c h w"], batch_size: int = BATCH_SIZE
    ) -> Float32[ndarray, "n classes"]:
        """Return the logarithm of the mean probabilities for raw images with pixels in 0..255."""
        each = np.stack([member.log_probs(images, batch_size) for member in self._members])
        return np.asarray(np.logaddexp.reduce(each, 0) - math.log(len(each)), np.float32)

    def weights(self) -> dict[str, ndarray]:
        """Raise an error: a member is an ONNX file.

        Raises:
            ModelError: always.
        """
        raise ModelError(
            "A committee with an ONNX file cannot be saved as a model file.",
            "Use the runs or the model files that its ONNX files come from.",
        )
