"""Audit of a dataset: probable label errors, duplicates, and blank images.

This module does not depend on networks. It takes probabilities for images that a network was not trained on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int64, UInt8
from numpy import ndarray

from penstroke.data import Split

NEAR_DUPLICATE = 0.99
"""Minimum correlation of the pixels of two images that are near duplicates."""
FEATURE_SIDE = 16
"""Images are reduced to at most this side, in pixels, for the search for their nearest neighbours."""


@dataclass(frozen=True)
class Duplicates:
    """Pairs of images with equal, or almost equal, pixels.

    Args:
        pairs: positions of the two images in the audited images, the smaller one first.
        similarity: correlation of their pixels, at most 1.
    """

    pairs: Int64[ndarray, "p 2"]
    similarity: Float32[ndarray, " p"]


@dataclass(frozen=True, eq=False, repr=False)
class Audit:
    """The result of an audit of all splits of a dataset, whose images are numbered one split after the other.

    Args:
        splits: the audited splits.
        probabilities: probabilities of the classes, each by networks that were not trained on the image.
        exact: images with equal pixels.
        near: other pairs of similar images.
        blank: whether all pixels of an image are equal.
        broken: pictures that cannot be read, with the reason.
    """

    splits: tuple[Split, ...]
    probabilities: Float[ndarray, "n classes"]
    exact: Duplicates
    near: Duplicates
    blank: Bool[ndarray, " n"]
    broken: dict[str, str]

    @cached_property
    def labels(self) -> Int64[ndarray, " n"]:
        """The labels of all images."""
        return np.concatenate([split.labels for split in self.splits])

    @cached_property
    def quality(self) -> Float64[ndarray, " n"]:
        """The quality of each label, 0..1: the probability of the label.

        This is the score ``self_confidence`` of confident learning (C. Northcutt et al., "Confident learning:
        estimating uncertainty in dataset labels", 2021, https://arxiv.org/abs/1911.00068).
        """
        from cleanlab.rank import get_label_quality_scores

        return np.asarray(get_label_quality_scores(self.labels, self.probabilities, method="self_confidence"))

    @cached_property
    def ranking(self) -> Int64[ndarray, " m"]:
        """The images whose label is less probable than all other classes together, the least probable label first."""
        order = np.argsort(self.quality, kind="stable")
        return order[self.quality[order] < 0.5]

    @property
    def conflicts(self) -> int:
        """Number of pairs of exact duplicates with different labels."""
        return int((self.labels[self.exact.pairs[:, 0]] != self.labels[self.exact.pairs[:, 1]]).sum())

    def place(self, number: int) -> dict[str, Any]:
        """Return split, index in the split, label and, if there is one, file of an image."""
        for split in self.splits:
            if number < len(split):
                values = {"split": split.name, "index": number, "label": split.classes[split.labels[number]]}
                return values | ({"file": split.files[number]} if split.files else {})
            number -= len(split)
        raise IndexError(number)

    def image(self, number: int) -> UInt8[ndarray, "c h w"]:
        """Return the pixels of an image."""
        place = self.place(number)
        return next(split for split in self.splits if split.name == place["split"]).images[place["index"]]

    def candidates(self) -> list[dict[str, Any]]:
        """Return one row for each image of ``ranking``, with ranks and the most probable other class."""
        rows = []
        ranks = dict.fromkeys((split.name for split in self.splits), 0)
        for rank, number in enumerate(self.ranking.tolist(), start=1):
            place = self.place(number)
            ranks[place["split"]] += 1
            others = self.probabilities[number].copy()
            others[self.labels[number]] = -1
            suggested = int(others.argmax())
            rows.append(
                {
                    "rank": rank,
                    "rank_in_split": ranks[place["split"]],
                    **place,
                    "suggested": self.splits[0].classes[suggested],
                    "quality": float(self.quality[number]),
                    "probability": float(self.probabilities[number, suggested]),
                }
            )
        return rows

    def duplicates(self) -> list[dict[str, Any]]:
        """Return one row for each pair, exact ones first and otherwise the most similar first."""
        rows = []
        for kind, found in (("exact", self.exact), ("near", self.near)):
            for (first, second), similarity in zip(found.pairs.tolist(), found.similarity.tolist(), strict=True):
                one, other = self.place(first), self.place(second)
                rows.append(
                    {"kind": kind, "similarity": similarity}
                    | one
                    | {f"other_{name}": value for name, value in other.items()}
                )
        return rows

    def to_json(self) -> dict[str, Any]:
        """Return the counts and the rows as plain JSON values."""
        return {
            "images": len(self.labels),
            "splits": {split.name: len(split) for split in self.splits},
            "candidates": self.candidates(),
            "duplicates": self.duplicates(),
            "conflicts": self.conflicts,
            "blank": [self.place(number) for number in np.flatnonzero(self.blank).tolist()],
            "broken": self.broken,
        }


def joined(splits: Sequence[Split]) -> Split:
    """Return the images and labels of all splits as one split, in the order of an ``Audit``."""
    images, labels = (np.concatenate([getattr(split, name) for split in splits]) for name in ("images", "labels"))
    return Split(images, labels, splits[0].classes, "all")


def find_exact_duplicates(images: UInt8[ndarray, "n c h w"]) -> Duplicates:
    """Return each image that equals an earlier one, with the first of them."""
    first: dict[bytes, int] = {}
    pairs = []
    for number, image in enumerate(images):
        earlier = first.setdefault(image.tobytes(), number)
        if earlier != number:
            pairs.append((earlier, number))
    return Duplicates(np.array(pairs, np.int64).reshape(-1, 2), np.ones(len(pairs), np.float32))


def find_near_duplicates(images: UInt8[ndarray, "n c h w"], threshold: float = NEAR_DUPLICATE) -> Duplicates:
    """Return each image with the most similar other one, if the correlation of their pixels reaches ``threshold``.

    The neighbours are searched among reduced images, which takes a time proportional to the square of their number.
    Images with equal pixels are not returned, nor are blank ones.
    """
    from sklearn.neighbors import NearestNeighbors

    _, unique = np.unique(images.reshape(len(images), -1), axis=0, return_index=True)
    unique = np.sort(unique[~blank_images(images[unique])])
    if len(unique) < 2:
        return Duplicates(np.empty((0, 2), np.int64), np.empty(0, np.float32))
    features = _standardised(_reduced(images[unique]))
    search = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(features)
    neighbours = search.kneighbors(return_distance=False)[:, 0]  # an image is not its own neighbour
    pixels = _standardised(images[unique].reshape(len(unique), -1).astype(np.float32))
    similarity = np.einsum("ij,ij->i", pixels, pixels[neighbours])
    numbers = np.sort(np.stack([unique, unique[neighbours]], 1), axis=1)
    pairs, first = np.unique(numbers[similarity >= threshold], axis=0, return_index=True)
    similarity = similarity[similarity >= threshold][first]
    order = np.argsort(-similarity, kind="stable")
    return Duplicates(pairs[order].astype(np.int64), np.minimum(similarity[order], 1).astype(np.float32))


def blank_images(images: UInt8[ndarray, "n c h w"]) -> Bool[ndarray, " n"]:
    """Return whether all pixels of each image have the same value."""
    flat = images.reshape(len(images), -1)
    return np.asarray(flat.max(1) == flat.min(1))


def _reduced(images: UInt8[ndarray, "n c h w"]) -> Float32[ndarray, "n d"]:
    """Return means of square blocks of pixels; the sides are at most ``FEATURE_SIDE``."""
    count, channels, height, width = images.shape
    block = -(-max(height, width) // FEATURE_SIDE)
    rows, columns = -(-height // block), -(-width // block)
    padded = np.pad(images, ((0, 0), (0, 0), (0, rows * block - height), (0, columns * block - width)), mode="edge")
    blocks = padded.reshape(count, channels, rows, block, columns, block)
    return np.asarray(blocks.mean((3, 5), dtype=np.float32).reshape(count, -1))


def _standardised(vectors: Float32[ndarray, "n d"]) -> Float32[ndarray, "n d"]:
    """Return the vectors with mean 0 and length 1; a constant vector remains 0."""
    centred = vectors - vectors.mean(1, keepdims=True)
    return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12))
