"""What every source of data yields: a ``Split`` of images and labels, and a ``Dataset`` of two of them.

This file knows nothing of files, networks or models.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from penstroke.data.catalog import DatasetCard
from penstroke.errors import DataError, UsageError
from penstroke.runtime import release_pages

STATISTICS_BATCH = 4096
"""Images that are added up at once: few enough to stay in a processor's cache."""


@dataclass(frozen=True, eq=False)
class Split:
    """One part of a dataset, in memory.

    Args:
        images: values 0..255.
        labels: positions in ``classes``.
        classes: class names.
        name: ``train``, ``test``...
        mapped: whether the images lie in a mapped file, perhaps larger than memory, not in memory of their own.

    Raises:
        DataError: the four do not belong together.
    """

    images: UInt8[Tensor, "n c h w"]
    labels: Int64[Tensor, "n"]
    classes: tuple[str, ...]
    name: str
    mapped: bool = False

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if images.dtype != torch.uint8 or images.ndim != 4:
            self._refuse("images", f"{images.dtype} of shape {tuple(images.shape)}", "uint8 [N, C, H, W]")
        if labels.dtype != torch.int64 or labels.ndim != 1:
            self._refuse("labels", f"{labels.dtype} of shape {tuple(labels.shape)}", "int64 [N]")
        if len(images) != len(labels):
            self._refuse("labels", f"{len(labels)} for {len(images)} images", "one for each image")
        if images.numel() == 0:
            self._refuse("images", f"none, of shape {tuple(images.shape)}", "at least one, not empty")
        if len(set(self.classes)) != len(self.classes) or not self.classes:
            self._refuse("classes", repr(self.classes), "at least one, each named once")
        low, high = (int(edge) for edge in labels.aminmax())
        if low < 0 or high >= len(self.classes):
            rule = f"between 0 and {len(self.classes) - 1}, for {len(self.classes)} classes"
            self._refuse("labels", f"between {low} and {high}", rule)

    def _refuse(self, thing: str, value: str, rule: str) -> None:
        raise DataError(
            f"The {thing} of split {self.name!r} are {value}; they must be {rule}.",
            "Check the files that it was read from: images and labels must be of the same dataset.",
        )

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, indices: Int64[Tensor, "m"]) -> "Split":
        """Return the images and labels at ``indices`` (int64, in that order) as a split of the same name."""
        return replace(self, images=self.images[indices], labels=self.labels[indices], mapped=False)

    def to(self, device: torch.device) -> "Split":
        """Return this split with images and labels on ``device``; mapped images stay where they are."""
        if self.mapped:
            return self
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))


class Dataset:
    """A card, a train split, and a test split that is not opened before somebody reads ``test``.

    Args:
        card: what it is.
        train: in memory.
        load_test: reads the test split; called at most once.
        requested: the name or path that the user asked for.
        notes: what has to be said aloud about these data.
    """

    def __init__(
        self,
        card: DatasetCard,
        train: Split,
        load_test: Callable[[], Split],
        *,
        requested: str,
        notes: tuple[str, ...] = (),
    ) -> None:
        self.card = card
        self.train = train
        self.requested = requested
        self.notes = notes
        self._load_test = load_test

    @cached_property
    def test(self) -> Split:
        """The test split, read at the first use.

        Raises:
            DataError: it cannot be read, or is not of the same kind as the train split.
        """
        test, train = self._load_test(), self.train
        if test.classes != train.classes or test.images.shape[1:] != train.images.shape[1:]:
            kinds = [f"{tuple(part.images.shape[1:])}, {len(part.classes)} classes" for part in (test, train)]
            raise DataError(
                f"The test split of {self.card.name} has images of shape {kinds[0]}; train has {kinds[1]}.",
                "Check that both parts are of the same dataset.",
            )
        return test


def carve(split: Split, share: float, seed: int) -> tuple[Split, Split]:
    """Split ``split`` in two at random, each class in the same proportion, both in the order of the source.

    Args:
        split: what to divide.
        share: of each class, between 0 and 1; each class gives its rounded share.
        seed: the same seed gives the same parts, with any version of numpy.

    Returns:
        The rest, of the same name, and the part, named ``<name>-part``.

    Raises:
        UsageError: the share is not between 0 and 1.
        DataError: nothing would be left in one of the two.
    """
    if not 0 < share < 1:
        raise UsageError(f"The share to carve off is {share}; it must lie between 0 and 1.", "Try 0.1.")
    # RandomState's stream is frozen for ever (NEP 19); that of default_rng may change with numpy.
    random = np.random.RandomState(seed)
    labels = split.labels.cpu().numpy()
    taken = np.zeros(len(labels), dtype=bool)
    for label in range(len(split.classes)):
        members = np.flatnonzero(labels == label)
        taken[random.permutation(members)[: int(len(members) * share + 0.5)]] = True
    if taken.all() or not taken.any():
        raise DataError(
            f"A share of {share} of each class of {split.name!r} ({len(split)} images) leaves a part empty.",
            "Use more images, or another share.",
        )
    rest, part = (split.subset(torch.from_numpy(np.flatnonzero(mask))) for mask in (~taken, taken))
    return rest, replace(part, name=f"{split.name}-part")


def pixel_statistics(split: Split) -> tuple[float, float]:
    """Return mean and (population) standard deviation of all pixels over 255: 0.1307 and 0.3081 for MNIST.

    Exact: computed in whole numbers, over all channels alike.
    """
    total, first, second = split.images.numel(), 0, 0
    for part in split.images.split(STATISTICS_BATCH):
        values = part.to(torch.int32)
        first += int(values.sum())
        second += int(values.square_().sum())
        if split.mapped:
            release_pages(split.images)
    variance = (second * total - first * first) / (total * total)
    return first / total / 255, variance**0.5 / 255


def fingerprint(split: Split) -> str:
    """Return a hash by which to tell whether two splits are the same: of sizes, classes, labels and 1,024 images."""
    few = torch.linspace(0, len(split) - 1, min(len(split), 1024), dtype=torch.float64).long()
    digest = hashlib.sha256(repr((tuple(split.images.shape), split.classes)).encode())
    digest.update(split.labels.cpu().numpy().tobytes())
    digest.update(split.images[few.to(split.images.device)].cpu().numpy().tobytes())
    return digest.hexdigest()
