"""Pictures that show none of the classes, for which a model learns to give no class a high probability."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from penstroke.data.arrays import few
from penstroke.data.listing import SUFFIXES
from penstroke.data.prepared import prepare_files
from penstroke.errors import DataError

MAX_PICTURES = 20_000
"""Of more pictures in a folder, so many are used, at equal distances."""
HELD_OUT = 0.2
"""Fraction of the pictures that is not trained on. The rejection of the model is measured on them."""


@dataclass(frozen=True, eq=False)
class Outliers:
    """Images of pictures that show none of the classes.

    Args:
        images: pixel values 0..255, uint8, of the same shape as the training images.
        source: the folder that they come from.
        notes: notes that are reported to the user.
    """

    images: UInt8[np.ndarray, "n c h w"]
    source: str = ""
    notes: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """SHA-256 (hexadecimal) of the images."""
        return hashlib.sha256(repr(self.images.shape).encode() + self.images.tobytes()).hexdigest()

    def parts(self) -> tuple[UInt8[np.ndarray, "m c h w"], UInt8[np.ndarray, "k c h w"]]:
        """Return the images to train on, and those that are held out: always the same ``HELD_OUT`` of all images."""
        order = np.random.RandomState(0).permutation(len(self.images))
        count = max(1, round(HELD_OUT * len(order)))
        return self.images[np.sort(order[count:])], self.images[np.sort(order[:count])]


def read_outliers(folder: Path, preprocessing: str, image_shape: tuple[int, int, int]) -> Outliers:
    """Return the pictures in a folder and its subfolders, prepared as those that are predicted.

    Pictures that cannot be read, or in which the preparation finds nothing, are left out with a note.

    Args:
        folder: the folder.
        preprocessing: see ``penstroke.pictures.preprocess``.
        image_shape: channels, height and width of the images.

    Raises:
        DataError: the folder does not exist, or fewer than two pictures are left.
    """
    if not folder.is_dir():
        raise DataError(f"The folder of outliers {folder} does not exist.", "Check the path.")
    # Links to folders are not followed: they may form a cycle.
    found = sorted(Path(place, name) for place, _, names in os.walk(folder) for name in names if _is_picture(name))
    chosen = np.unique(np.linspace(0, len(found) - 1, min(MAX_PICTURES, len(found))).astype(int))
    paths = [found[index] for index in chosen]
    results = prepare_files(paths, preprocessing, image_shape)
    images = [result for result in results if isinstance(result, np.ndarray)]
    if len(images) < 2:
        raise DataError(
            f"The folder of outliers {folder} has {len(images)} pictures that can be used; there must be at least two.",
            f"Add pictures ({', '.join(SUFFIXES)}) that show none of the classes.",
        )
    pairs = zip(paths, results, strict=True)
    broken = [str(path.relative_to(folder)) for path, result in pairs if isinstance(result, DataError)]
    notes = (f"{len(broken)} outliers that cannot be used were left out: {few(broken)}",) if broken else ()
    return Outliers(np.stack(images), str(folder.resolve()), notes)


def _is_picture(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")
