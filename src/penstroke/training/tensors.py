"""A split as PyTorch tensors on a device."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from penstroke.data import Split
from penstroke.data.mapped import MappedImages, mapped

PIECE = 64
"""Batches of mapped images that are evaluated before their memory is released."""


@dataclass(frozen=True, eq=False)
class TensorSplit:
    """Images and labels of a split as tensors; mapped images stay in their files.

    Args:
        images: raw images, 0..255: a tensor on ``device``, or mapped images.
        labels: class indices, on ``device``; those of mapped images are on the CPU.
        device: where batches are needed.
    """

    images: UInt8[Tensor, "n c h w"] | MappedImages
    labels: Int64[Tensor, "n"]
    device: torch.device

    @classmethod
    def from_split(cls, split: Split, device: torch.device) -> "TensorSplit":
        """Return a split with images and labels on ``device``; mapped images stay in their files."""
        if split.mapped:
            return cls(mapped(split.images), _tensor(split.labels), device)
        return cls(_tensor(split.images).to(device), _tensor(split.labels).to(device), device)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def mapped(self) -> bool:
        """Whether the images are in mapped files, which may be larger than memory."""
        return isinstance(self.images, MappedImages)

    def take(self, chosen: Int64[Tensor, "m"] | slice) -> UInt8[Tensor, "m c h w"]:
        """Return images; mapped ones are read into memory."""
        if isinstance(self.images, Tensor):
            # Several times faster than indexing for images of few bytes.
            return self.images[chosen] if isinstance(chosen, slice) else self.images.index_select(0, chosen)
        return torch.from_numpy(self.images[chosen if isinstance(chosen, slice) else chosen.numpy()])

    def pieces(self, part: slice, batch_size: int) -> Iterator[UInt8[Tensor, "m c h w"]]:
        """Yield the images of a part of the split: at once, or if they are mapped, some batches at a time."""
        start, stop, _ = part.indices(len(self))
        step = PIECE * batch_size if self.mapped else max(1, stop - start)
        for first in range(start, stop, step) or [start]:
            yield self.take(slice(first, min(first + step, stop)))
            self.release()

    def release(self) -> None:
        """Release the memory that mapped files occupy."""
        if isinstance(self.images, MappedImages):
            self.images.release()


def _tensor(array: "np.ndarray[Any, Any]") -> Tensor:
    """Return an array as a tensor, over the same memory where PyTorch supports the array's layout."""
    # PyTorch supports neither negative strides nor, without a warning, read-only memory.
    plain = array.flags.writeable and array.flags.c_contiguous
    return torch.from_numpy(array if plain else array.copy())
