"""The order of the images and the batches: functions of the seed and the epoch alone."""

from collections.abc import Iterator

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from penstroke.data.split import Split
from penstroke.runtime import derived_seed


def shuffled(count: int, seed: int, epoch: int) -> Int64[Tensor, "count"]:
    """Return the order in which ``epoch`` goes through ``count`` images: a function of (seed, epoch) alone."""
    generator = torch.Generator().manual_seed(derived_seed(seed, epoch))
    return torch.randperm(count, generator=generator)


def batches(
    split: Split, batch_size: int, order: Int64[Tensor, "n"]
) -> Iterator[tuple[UInt8[Tensor, "b c h w"], Int64[Tensor, "b"]]]:
    """Yield images and labels in ``order``, ``batch_size`` at a time; the last batch may be smaller.

    Whole batches are gathered by index on the split's own device: nothing is done for each image in Python.
    """
    for chosen in order.to(split.images.device).split(batch_size):
        yield split.images[chosen], split.labels[chosen]
