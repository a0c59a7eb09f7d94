"""A split as PyTorch tensors on a device."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from penstroke.data import Split


@dataclass(frozen=True, eq=False)
class TensorSplit:
    """Images and labels of a split as tensors.

    Args:
        images: raw images, 0..255, on ``device`` or, if mapped, over the file.
        labels: class indices, on the same device as the images.
        device: where batches are needed.
        mapped: whether the images are in a mapped file, which may be larger than memory.
    """

    images: UInt8[Tensor, "n c h w"]
    labels: Int64[Tensor, "n"]
    device: torch.device
    mapped: bool = False

    @classmethod
    def from_split(cls, split: Split, device: torch.device) -> "TensorSplit":
        """Return a split with images and labels on ``device``; mapped images stay in their file."""
        storage = torch.device("cpu") if split.mapped else device
        return cls(_tensor(split.images).to(storage), _tensor(split.labels).to(storage), device, split.mapped)

    def __len__(self) -> int:
        return len(self.labels)


def _tensor(array: "np.ndarray[Any, Any]") -> Tensor:
    """Return an array as a tensor, over the same memory where PyTorch supports the array's layout."""
    # PyTorch supports neither negative strides nor, without a warning, read-only memory.
    plain = array.flags.writeable and array.flags.c_contiguous
    return torch.from_numpy(array if plain else array.copy())
