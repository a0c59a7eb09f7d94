"""The order of the images and the batches: functions of the seed and the epoch alone.

The order of images in memory is drawn once for an epoch, and each batch gathered on their own device. Images mapped
from a file, which may be larger than memory, are read in shuffled blocks: so many at a time that the disk reads long
stretches, and shuffled again among themselves.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from penstroke.data.split import Split
from penstroke.runtime import derived_seed, release_pages

BLOCK = 256
"""Images that are read in one stretch."""
GROUP = 128
"""Blocks that are in memory, and shuffled, together."""
AT_ONCE = 16
"""Blocks that are read before the mapped pages are let go: around each, the system maps more than was asked for."""

Batch = tuple[UInt8[Tensor, "b c h w"], Int64[Tensor, "b"]]


def shuffled(count: int, seed: int, *place: int) -> Int64[Tensor, "count"]:
    """Return an order of ``count`` things that is a function of the seed and the place (the epoch, ...) alone."""
    generator = torch.Generator().manual_seed(derived_seed(seed, *place))
    return torch.randperm(count, generator=generator)


def batches(split: Split, batch_size: int, seed: int, epoch: int, device: torch.device) -> Iterator[Batch]:
    """Yield all images with their labels on ``device``, shuffled, ``batch_size`` at a time; the last may be fewer."""
    if split.mapped:
        yield from _from_blocks(split, batch_size, seed, epoch, device)
        return
    order = shuffled(len(split), seed, epoch).to(split.images.device)
    for chosen in order.split(batch_size):
        yield split.images[chosen], split.labels[chosen]


def _from_blocks(split: Split, batch_size: int, seed: int, epoch: int, device: torch.device) -> Iterator[Batch]:
    left: Batch | None = None
    groups = shuffled(-(-len(split) // BLOCK), seed, epoch).split(GROUP)
    for number, group in enumerate(groups):
        parts = []
        for few in group.split(AT_ONCE):
            parts.append(_blocks(split.images, few))
            release_pages(split.images)
        truths = _blocks(split.labels, group)
        pool = torch.cat(parts).to(device), truths.to(device)
        if left:
            pool = torch.cat([left[0], pool[0]]), torch.cat([left[1], pool[1]])
        order = shuffled(len(pool[1]), seed, epoch, number).to(device)
        whole = len(order) if number == len(groups) - 1 else len(order) - len(order) % batch_size
        ready = pool[0][order], pool[1][order]
        yield from zip(ready[0][:whole].split(batch_size), ready[1][:whole].split(batch_size), strict=True)
        left = ready[0][whole:], ready[1][whole:]


def _blocks(rows: Tensor, blocks: Int64[Tensor, "k"]) -> Tensor:
    """Return a copy of the rows in those blocks."""
    return torch.cat([rows[block * BLOCK : (block + 1) * BLOCK] for block in blocks.tolist()])
