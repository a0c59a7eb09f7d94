"""``Split`` and ``Dataset``, which every source of data returns, and functions of a split.

Images and labels are NumPy arrays. This module does not depend on files, networks or models.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from jaxtyping import Int64, UInt8

from penstroke.data.arrays import image_array, label_array, require_classes
from penstroke.data.catalog import DatasetCard, local_card
from penstroke.errors import DataError, UsageError
from penstroke.runtime.memory import release_pages
from penstroke.schema import shown

STATISTICS_BYTES = 1 << 20
"""Bytes of images that are summed at once; they fit into the cache of a processor."""
FINGERPRINT_IMAGES = 1024


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """One part of a dataset.

    Args:
        images: pixel values 0..255, uint8.
        labels: positions in ``classes``, int64.
        classes: class names.
        name: ``train``, ``test``, ``validation``...
        mapped: whether ``images`` is backed by a memory-mapped file, which may be larger than memory.
        files: the file of each image, if each comes from its own file.

    Raises:
        DataError: a dtype, a shape or a label is invalid, or the four do not match each other.
    """

    images: UInt8[np.ndarray, "n c h w"]
    labels: Int64[np.ndarray, "n"]
    classes: tuple[str, ...]
    name: str
    mapped: bool = False
    files: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if images.dtype != np.uint8 or images.ndim != 4:
            self._reject("images", f"{images.dtype} of shape {images.shape}", "uint8 [N, C, H, W]")
        if labels.dtype != np.int64 or labels.ndim != 1:
            self._reject("labels", f"{labels.dtype} of shape {labels.shape}", "int64 [N]")
        if len(images) != len(labels):
            self._reject("labels", f"{len(labels)} for {len(images)} images", "one for each image")
        if images.size == 0:
            self._reject("images", f"empty, of shape {images.shape}", "at least one, with at least one pixel")
        if len(set(self.classes)) != len(self.classes) or not self.classes:
            self._reject("classes", repr(self.classes), "at least one, and different from each other")
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high >= len(self.classes):
            rule = f"between 0 and {len(self.classes) - 1}, for {len(self.classes)} classes"
            self._reject("labels", f"between {low} and {high}", rule)

    def _reject(self, what: str, value: str, rule: str) -> NoReturn:
        raise DataError(
            f"The {what} of split {self.name!r} are {value}; they must be {rule}.",
            "Check that the images and the labels come from the same dataset.",
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        mapped = ", mapped" if self.mapped else ""
        return f"Split({self.name!r}, {_summary(self)}, {len(self.classes)} classes{mapped})"

    def subset(self, indices: Int64[np.ndarray, "m"]) -> "Split":
        """Return the images and labels at ``indices``, in that order, as a split of the same name, in memory."""
        files = None if self.files is None else tuple(self.files[index] for index in indices)
        return replace(self, images=self.images[indices], labels=self.labels[indices], mapped=False, files=files)


class Dataset:
    """A card, a train split, and validation and test splits that are read when they are used for the first time.

    Args:
        card: identity of the dataset.
        train: the train split.
        load_test: reads the test split, and is called at most once; None if there is no test split.
        requested: the name or path that the user gave.
        notes: notes on the data that are reported to the user.
        load_validation: reads the validation split, and is called at most once; None if there is none. Then a
            recipe that needs one divides the train split.
    """

    def __init__(
        self,
        card: DatasetCard,
        train: Split,
        load_test: Callable[[], Split] | None,
        *,
        requested: str,
        notes: tuple[str, ...] = (),
        load_validation: Callable[[], Split] | None = None,
    ) -> None:
        self.card = card
        self.train = train
        self.requested = requested
        self.notes = notes
        self.load_validation = load_validation
        self.options: dict[str, Any] = {}
        """Arguments of ``load`` that were given, besides the source; with them, the same images are read again."""
        self.broken: dict[Path, str] = {}
        """Pictures that were left out because they cannot be read, with the reason."""
        self._load_test = load_test

    @classmethod
    def from_arrays(
        cls,
        images: UInt8[np.ndarray, "n *shape"],
        labels: Sequence[Any] | np.ndarray[Any, Any],
        *,
        test: tuple[UInt8[np.ndarray, "m *shape"], Sequence[Any] | np.ndarray[Any, Any]] | None = None,
        classes: Sequence[str] | None = None,
        name: str = "arrays",
        preprocessing: str | None = None,
    ) -> "Dataset":
        """Return a dataset of arrays in memory. Arrays are copied only if their layout has to be changed.

        Args:
            images: uint8, of shape [n, h, w], [n, c, h, w] or [n, h, w, c], where c is 1 or 3. A shape that fits both
                of the latter is taken as [n, c, h, w].
            labels: n integers, each a position in ``classes``, or n strings, each an element of ``classes``.
            test: images and labels of the test split, in the same form; without it, reading ``test`` fails.
            classes: class names. By default ``"0"`` to the largest label of ``labels`` for integers, and the
                different labels in natural order (``"2"`` before ``"10"``) for strings.
            name: name of the dataset.
            preprocessing: how a user's picture is converted to an image: ``digit`` or ``letterbox`` (see
                ``DatasetCard``). By default ``digit`` for grey images of 28x28 pixels, ``letterbox`` for others.

        Raises:
            DataError: images, labels or classes are invalid, or do not match each other.
            UsageError: ``preprocessing`` is unknown.
        """
        pixels = image_array(images, "train")
        names = None if classes is None else require_classes(classes)
        positions, names = label_array(labels, names, "train")
        train = Split(pixels, positions, require_classes(names), "train")
        _, channels, height, width = pixels.shape
        card = local_card(name, f"the arrays {name}", train.classes, (channels, height, width), preprocessing)
        if test is None:
            return cls(card, train, None, requested=name)
        test_labels, _ = label_array(test[1], train.classes, "test")
        test_split = Split(image_array(test[0], "test"), test_labels, train.classes, "test")
        return cls(card, train, lambda: test_split, requested=name)

    def __repr__(self) -> str:
        loaded = vars(self).get("test")
        test = _summary(loaded) if loaded else "not read" if self.has_test else "none"
        count = len(self.train.classes)
        return f"Dataset({self.card.name!r}, train: {_summary(self.train)}, test: {test}, {count} classes)"

    @property
    def has_test(self) -> bool:
        """Whether there is a test split. This does not read it."""
        return self._load_test is not None

    @cached_property
    def test(self) -> Split:
        """The test split, read on first use.

        Raises:
            DataError: there is no test split, it cannot be read, or its images or classes do not match the train split.
        """
        if self._load_test is None:
            raise DataError(
                f"The dataset {self.card.name!r} has no test split.",
                "Give one with Dataset.from_arrays(..., test=(images, labels)); stratified_split divides a split.",
            )
        return self._checked(self._load_test(), "test")

    @cached_property
    def validation(self) -> Split | None:
        """The dataset's own validation split, read on first use; None if it has none.

        Raises:
            DataError: it cannot be read, or its images or classes do not match the train split.
        """
        return self._checked(self.load_validation(), "validation") if self.load_validation else None

    def _checked(self, part: Split, name: str) -> Split:
        """Return a split, after checking that its images and classes match those of the train split."""
        train = self.train
        if part.classes != train.classes or part.images.shape[1:] != train.images.shape[1:]:
            kinds = [f"{split.images.shape[1:]} and {len(split.classes)} classes" for split in (part, train)]
            raise DataError(
                f"The {name} split of {self.card.name} has images of shape {kinds[0]}; the train split has {kinds[1]}.",
                "Check that both splits belong to the same dataset.",
            )
        return part


def require_dataset(data: object) -> Dataset:
    """Return ``data`` unchanged if it is a dataset.

    Raises:
        UsageError: it is not, for example the name of a dataset.
    """
    if not isinstance(data, Dataset):
        raise UsageError(
            f"data is {shown(data)} ({type(data).__name__}); it must be a Dataset.",
            "Load one with penstroke.load(...), or make one with Dataset.from_arrays(images, labels).",
        )
    return data


def _summary(split: Split) -> str:
    return f"{len(split)} images of {'x'.join(map(str, split.images.shape[1:]))}"


def stratified_split(split: Split, share: float, seed: int) -> tuple[Split, Split]:
    """Divide a split in two at random, with the same proportion of each class. Both keep the order of ``split``.

    Args:
        split: split to divide.
        share: fraction of each class that the second part gets, between 0 and 1; the count is rounded to the nearest.
        seed: the same seed gives the same parts, with any version of NumPy.

    Returns:
        The rest, with the name of ``split``, and the part, named ``<name>-part``. Both are in memory.

    Raises:
        UsageError: ``share`` is not between 0 and 1.
        DataError: one of the two would be empty.
    """
    if not 0 < share < 1:
        raise UsageError(f"The share of a stratified split is {share}; it must be between 0 and 1.", "Try 0.1.")
    # NEP 19 freezes the stream of RandomState; the stream of default_rng may change with NumPy's version.
    random = np.random.RandomState(seed)
    taken = np.zeros(len(split), dtype=bool)
    for label in range(len(split.classes)):
        members = np.flatnonzero(split.labels == label)
        taken[random.permutation(members)[: int(len(members) * share + 0.5)]] = True
    if taken.all() or not taken.any():
        raise DataError(
            f"A share of {share} of each class of {split.name!r} ({len(split)} images) leaves a part empty.",
            "Use more images, or another share.",
        )
    rest, part = (split.subset(np.flatnonzero(mask)) for mask in (~taken, taken))
    return rest, replace(part, name=f"{split.name}-part")


def pixel_statistics(split: Split) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the mean and the population standard deviation of each channel's pixels, divided by 255.

    One value for each channel; (0.1307,) and (0.3081,), rounded, for the train split of MNIST. The sums are exact
    integers, so that the result does not depend on the order of the images.
    """
    images, channels = split.images, split.images.shape[1]
    first, second = np.zeros((2, channels), np.int64)
    count = max(1, STATISTICS_BYTES // images[0].size)
    for start in range(0, len(images), count):
        part = images[start : start + count]
        first += part.sum(axis=(0, 2, 3), dtype=np.int64)
        second += np.square(part, dtype=np.uint16).sum(axis=(0, 2, 3), dtype=np.int64)
        if split.mapped:
            release_pages(images)
    total = images.size // channels
    mean = tuple(value / total / 255 for value in first.tolist())
    moments = zip(first.tolist(), second.tolist(), strict=True)
    # Python's integers: the product of a sum and a count may exceed 64 bits.
    std = tuple(((square * total - value * value) / (total * total)) ** 0.5 / 255 for value, square in moments)
    return mean, std


def fingerprint(split: Split) -> str:
    """Return a SHA-256 (hexadecimal) that identifies the content of a split.

    It covers the shape of the images, the classes, all labels, and at most 1,024 images at equal distances.
    """
    digest = hashlib.sha256(repr((split.images.shape, split.classes)).encode())
    digest.update(split.labels.tobytes())
    digest.update(split.images[_spread(len(split))].tobytes())
    return digest.hexdigest()


def _spread(count: int) -> Int64[np.ndarray, "k"]:
    """Return at most FINGERPRINT_IMAGES positions from 0 to ``count - 1`` at equal distances.

    Recorded fingerprints depend on the rounding: each half is computed from its own end, as ``torch.linspace`` does.
    """
    few = min(count, FINGERPRINT_IMAGES)
    if few == 1:
        return np.zeros(1, np.int64)
    step = (count - 1) / (few - 1)
    positions = np.arange(few)
    forwards, backwards = step * positions, (count - 1) - step * positions[::-1]
    return np.where(positions < few // 2, forwards, backwards).astype(np.int64)
