"""The batches of a training run. Their order and augmentation are functions of (seed, epoch, step) only.

The order of images in memory is drawn once per epoch, and each batch is gathered on the images' device. Images in a
mapped file, which may be larger than memory, are read in shuffled blocks: several blocks are in memory at once, and
their images are shuffled together, so that the disk reads long contiguous ranges.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from penstroke.runtime import derived_seed, seed_step
from penstroke.synthesis import BatchAugmentation
from penstroke.training.tensors import TensorSplit
from penstroke.training.world import World

BLOCK = 256
"""Number of images in one contiguous range of a mapped file."""
BLOCKS_IN_MEMORY = 128
"""Number of blocks that are in memory, and shuffled, together."""
BLOCKS_PER_READ = 16
"""Number of blocks read before mapped pages are released; the system maps more pages than were read."""

Batch = tuple[UInt8[Tensor, "part c h w"] | Float[Tensor, "part c h w"], Int64[Tensor, "b"]]


def steps_per_epoch(images: int, batch_size: int, share: float = 1.0) -> int:
    """Return the number of batches of an epoch of ``images``, of which a fraction ``share`` is trained on."""
    return math.ceil(share * -(-images // batch_size))


def shuffled(count: int, seed: int, *key: int) -> Int64[Tensor, "count"]:
    """Return a random order of ``count`` items as a function of the seed and the key (the epoch, ...) only."""
    generator = torch.Generator().manual_seed(derived_seed(seed, *key))
    return torch.randperm(count, generator=generator)


@dataclass(frozen=True, eq=False)
class Batches:
    """The batches of all epochs of a training run.

    Args:
        split: the training images.
        size: images per batch, over all processes; the last batch of an epoch may have fewer.
        seed: seed of the order and of the random state of each step.
        augment: applied to each batch; None returns the raw images.
        world: rank of this process and number of processes. Each rank gets its contiguous part of the images of every
            batch, and all labels. The random numbers of the whole batch are drawn, so that the parts of all ranks
            together are the batch of a single process.
        share: fraction of the batches of an epoch that are yielded, above 0 and at most 1. The order, and so the
            images that are left out, is another one in each epoch.
    """

    split: TensorSplit
    size: int
    seed: int
    augment: BatchAugmentation | None = None
    world: World = World()  # noqa: RUF009 - frozen
    share: float = 1.0

    @property
    def steps(self) -> int:
        """Number of batches per epoch."""
        return steps_per_epoch(len(self.split), self.size, self.share)

    @property
    def images(self) -> int:
        """Number of images per epoch."""
        return min(len(self.split), self.steps * self.size)

    def epoch(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch, from 1, on the split's device, starting with batch ``first``, from 0.

        Images of earlier batches are not read. Before a batch is yielded, PyTorch's random state is set to a function
        of (seed, epoch, step), from which augmentation and dropout draw.
        """
        raw = self._from_blocks(epoch, first) if self.split.mapped else self._from_memory(epoch, first)
        for step, (images, labels) in enumerate(itertools.islice(raw, self.steps - first), first):
            seed_step(self.seed, epoch, step)
            part = self.world.part(len(labels))
            if self.augment:
                images, labels = self.augment(images, labels, part)
            else:
                images = images[part]
            yield images, labels

    def endless(self) -> Iterator[Batch]:
        """Yield the batches of epoch after epoch, without end."""
        for epoch in itertools.count(1):
            yield from self.epoch(epoch)

    def indices(self, epoch: int, step: int) -> Int64[Tensor, "b"]:
        """Return the positions in the split of the images in batch ``step``, from 0, over all processes."""
        if not self.split.mapped:
            return shuffled(len(self.split), self.seed, epoch)[step * self.size :][: self.size]
        for pool in self._pools(epoch):
            if step < pool.steps(self.size):
                return pool.order[step * self.size :][: self.size]
            step -= pool.steps(self.size)
        raise AssertionError("the epoch has no such step")

    def _from_memory(self, epoch: int, first: int) -> Iterator[Batch]:
        split = self.split
        order = shuffled(len(split), self.seed, epoch)[first * self.size :].to(split.device)
        if not len(order):  # splitting an empty tensor yields one empty batch
            return
        for chosen in order.split(self.size):
            yield split.take(chosen), split.labels[chosen]

    def _from_blocks(self, epoch: int, first: int) -> Iterator[Batch]:
        split = self.split
        for pool in self._pools(epoch):
            if first >= pool.steps(self.size):
                first -= pool.steps(self.size)
                continue
            parts = [split.take(pool.remainder)]
            for blocks in pool.blocks.split(BLOCKS_PER_READ):
                parts += [split.take(slice(block * BLOCK, (block + 1) * BLOCK)) for block in blocks.tolist()]
                split.release()
            start, first = first * self.size, 0
            images = torch.cat(parts).to(split.device)[pool.positions[start:].to(split.device)]
            labels = split.labels[pool.order[start:]].to(split.device)
            yield from zip(images.split(self.size), labels.split(self.size), strict=True)

    def _pools(self, epoch: int) -> Iterator["_Pool"]:
        """Yield the pools of an epoch; this reads no images."""
        count = len(self.split)
        remainder = torch.empty(0, dtype=torch.int64)
        groups = shuffled(-(-count // BLOCK), self.seed, epoch).split(BLOCKS_IN_MEMORY)
        for number, group in enumerate(groups):
            rows = (group[:, None] * BLOCK + torch.arange(BLOCK)).flatten()
            rows = torch.cat([remainder, rows[rows < count]])
            positions = shuffled(len(rows), self.seed, epoch, number)
            order = rows[positions]
            last = number == len(groups) - 1
            full = len(order) if last else len(order) - len(order) % self.size
            yield _Pool(remainder, group, positions[:full], order[:full])
            remainder = order[full:]


@dataclass(frozen=True)
class _Pool:
    """Images of a mapped file that are in memory together."""

    remainder: Int64[Tensor, "r"]
    """Rows of the split left over from the previous pool, because they did not fill a batch."""
    blocks: Int64[Tensor, "k"]
    """Blocks that are read."""
    positions: Int64[Tensor, "n"]
    """Positions within the pool, which holds the remainder before the blocks, in the order of use."""
    order: Int64[Tensor, "n"]
    """Rows of the split in the order of use."""

    def steps(self, batch_size: int) -> int:
        return -(-len(self.order) // batch_size)
