"""Describe a dataset as JSON-compatible values: what ``penstroke data info`` prints."""

from typing import Any

import numpy as np

from penstroke.data.mapped import MappedImages, mapped
from penstroke.data.split import Dataset, Split
from penstroke.data.statistics import STATISTICS_BYTES, pixel_statistics


def describe(dataset: Dataset) -> dict[str, Any]:
    """Return the properties of ``dataset`` as JSON-compatible values. All splits are read to count their images.

    ``mean`` and ``std`` are those of the train split's pixels divided by 255: numbers for grey images, lists with
    one number for each channel for colour images. ``imbalance`` is the number of training images of the largest class
    divided by that of the smallest. ``pictures`` describes the training pictures, if the images come from such.

    Raises:
        DataError: a split cannot be read.
    """
    known = dataset.card
    mean, std = ([round(value, 4) for value in values] for values in pixel_statistics(dataset.train))
    train = _counts(dataset.train)
    counts = train["per_class"].values()
    return {
        "name": known.name,
        "title": known.title,
        "requested": dataset.requested,
        "classes": list(known.classes),
        "image_shape": list(known.image_shape),
        "preprocessing": known.preprocessing,
        "mean": mean if len(mean) > 1 else mean[0],
        "std": std if len(std) > 1 else std[0],
        "train": train,
        "validation": _counts(dataset.validation) if dataset.validation else None,
        "test": _counts(dataset.test) if dataset.has_test else None,
        "corrections": _counts(dataset.corrections.split) if dataset.corrections else None,
        "imbalance": round(max(counts) / min(counts), 2) if min(counts) else None,
        "pictures": _pictures(dataset) if dataset.sizes else None,
        "broken": {str(path): problem for path, problem in dataset.broken.items()},
        "files": [{"name": file.name, "bytes": file.size, "sha256": file.sha256} for file in known.files],
        "licence": known.licence,
        "citation": known.citation,
        "homepage": known.homepage,
        "notes": list(dataset.notes),
    }


def _counts(split: Split) -> dict[str, Any]:
    per_class = np.bincount(split.labels, minlength=len(split.classes)).tolist()
    return {"images": len(split), "per_class": dict(zip(split.classes, per_class, strict=True))}


def _pictures(dataset: Dataset) -> dict[str, Any]:
    """Return the sizes of the pictures before they were resized, as [width, height], and how many have colour."""
    sizes, (_, height, width) = dataset.sizes, dataset.card.image_shape
    total = sum(sizes.values())
    commonest = max(sizes, key=lambda size: sizes[size])
    smallest, largest = (choose(sizes, key=lambda size: (size[0] * size[1], size)) for choose in (min, max))
    larger = [count for size, count in sizes.items() if size[0] > width or size[1] > height]
    return {
        "pictures": total,
        "sizes": len(sizes),
        "commonest": list(commonest),
        "commonest_count": sizes[commonest],
        "smallest": list(smallest),
        "largest": list(largest),
        "resized": total - sizes.get((width, height), 0),
        "reduced": sum(larger),
        "colour_share": _colour_share(dataset.train),
    }


def _colour_share(split: Split) -> float:
    """Return the share of the images that are not grey."""
    images = mapped(split.images) if split.mapped else split.images
    step = max(1, STATISTICS_BYTES // images[0].size)
    coloured = 0
    for start in range(0, len(images), step):
        part = images[start : start + step]
        coloured += int((part != part[:, :1]).any(axis=(1, 2, 3)).sum())
        if isinstance(images, MappedImages):
            images.release()
    return round(coloured / len(images), 4)
