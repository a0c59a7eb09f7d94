"""The order of the images and the batches: functions of the seed and the epoch alone.

The order of images in memory is drawn once for an epoch, and each batch gathered on their own device. Images mapped
from a file, which may be larger than memory, are read in shuffled blocks: so many at a time that the disk reads long
stretches, and shuffled again among themselves.
"""

from collections.abc import Iterator
from dataclasses import dataclass

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


def batches(
    split: Split, batch_size: int, seed: int, epoch: int, device: torch.device, first: int = 0
) -> Iterator[Batch]:
    """Yield all images with their labels on ``device``, shuffled, ``batch_size`` at a time; the last may be fewer.

    The first ``first`` batches are left out, and their images not gathered.
    """
    if split.mapped:
        yield from _from_blocks(split, batch_size, seed, epoch, device, first)
        return
    order = shuffled(len(split), seed, epoch)[first * batch_size :].to(split.images.device)
    if not len(order):  # splitting nothing would give one empty batch
        return
    for chosen in order.split(batch_size):
        yield split.images[chosen], split.labels[chosen]


def batch_indices(split: Split, batch_size: int, seed: int, epoch: int, step: int) -> Int64[Tensor, "b"]:
    """Return the positions in ``split`` of the images in batch ``step``, from 0, of an epoch."""
    if not split.mapped:
        return shuffled(len(split), seed, epoch)[step * batch_size :][:batch_size]
    for pool in _pools(len(split), batch_size, seed, epoch):
        if step < pool.steps(batch_size):
            return pool.order[step * batch_size :][:batch_size]
        step -= pool.steps(batch_size)
    raise AssertionError("the epoch has no such step")


@dataclass(frozen=True)
class _Pool:
    """Rows of a mapped file that are in memory together: which they are, and in which order they come."""

    left: Int64[Tensor, "l"]
    """Rows that did not fill a batch of the pool before."""
    blocks: Int64[Tensor, "k"]
    """Blocks that are read."""
    shuffle: Int64[Tensor, "n"]
    """Positions in the pool, rows left over before blocks, in the order in which they come."""
    order: Int64[Tensor, "n"]
    """The rows in that order."""

    def steps(self, batch_size: int) -> int:
        return -(-len(self.order) // batch_size)


def _pools(count: int, batch_size: int, seed: int, epoch: int) -> Iterator[_Pool]:
    """Yield the pools of an epoch over ``count`` rows; nothing is read for that."""
    left = torch.empty(0, dtype=torch.int64)
    groups = shuffled(-(-count // BLOCK), seed, epoch).split(GROUP)
    for number, group in enumerate(groups):
        rows = (group[:, None] * BLOCK + torch.arange(BLOCK)).flatten()
        rows = torch.cat([left, rows[rows < count]])
        shuffle = shuffled(len(rows), seed, epoch, number)
        order = rows[shuffle]
        whole = len(order) if number == len(groups) - 1 else len(order) - len(order) % batch_size
        yield _Pool(left, group, shuffle[:whole], order[:whole])
        left = order[whole:]


def _from_blocks(
    split: Split, batch_size: int, seed: int, epoch: int, device: torch.device, first: int
) -> Iterator[Batch]:
    for pool in _pools(len(split), batch_size, seed, epoch):
        if first >= pool.steps(batch_size):
            first -= pool.steps(batch_size)
            continue
        parts = [split.images[pool.left]]
        for few in pool.blocks.split(AT_ONCE):
            parts.append(_blocks(split.images, few))
            release_pages(split.images)
        shuffle = pool.shuffle[first * batch_size :]
        images = torch.cat(parts).to(device)[shuffle.to(device)]
        labels = split.labels[pool.order[first * batch_size :]].to(device)
        first = 0
        yield from zip(images.split(batch_size), labels.split(batch_size), strict=True)


def _blocks(rows: Tensor, blocks: Int64[Tensor, "k"]) -> Tensor:
    """Return a copy of the rows in those blocks."""
    return torch.cat([rows[block * BLOCK : (block + 1) * BLOCK] for block in blocks.tolist()])
