"""Parts: the pieces of the inputs that are predicted one by one, each of which becomes one Parquet file."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from penstroke.scale.inputs import ImageArray, Input

PICTURES_PER_PART = 2_000
"""Default number of pictures of a part. A part of digits or small photographs takes a core some seconds."""
IMAGES_PER_PART = 20_000
"""Default number of images of an array in a part; fewer if they have more than ``BYTES_PER_PART`` bytes."""
BYTES_PER_PART = 64 << 20
"""Limit of the mapped bytes of a part, so that large images do not occupy more memory."""


@dataclass(frozen=True)
class Part:
    """A piece of the inputs.

    Args:
        number: position among all parts, from 0.
        files: the names of picture files; or the name of one array file.
        start: index of the first image of the array; None for picture files.
        stop: index after the last image of the array; None for picture files.
    """

    number: int
    files: tuple[str, ...]
    start: int | None = None
    stop: int | None = None

    @property
    def name(self) -> str:
        """The name of the Parquet file."""
        return f"part-{self.number:06d}.parquet"

    @property
    def rows(self) -> int:
        """Number of pictures."""
        return len(self.files) if self.start is None or self.stop is None else self.stop - self.start

    @property
    def row_names(self) -> list[str]:
        """The name of each picture: that of its file, or ``FILE#INDEX``."""
        if self.start is None or self.stop is None:
            return list(self.files)
        return [f"{self.files[0]}#{index}" for index in range(self.start, self.stop)]


def divide(inputs: Iterable[Input], part_size: int | None = None) -> list[Part]:
    """Return the parts of the inputs, in their order.

    Args:
        inputs: pictures and arrays. A part has pictures alone, or images of one array.
        part_size: pictures or images of a part; None for the defaults.
    """
    parts: list[Part] = []
    for source in inputs:
        if isinstance(source, ImageArray):
            size = part_size or max(1, min(IMAGES_PER_PART, BYTES_PER_PART // source.image_bytes))
            for start in range(0, source.images, size):
                parts.append(Part(len(parts), (str(source.path),), start, min(start + size, source.images)))
        else:
            for names in _pieces(source.paths, part_size or PICTURES_PER_PART):
                parts.append(Part(len(parts), names))
    return parts


def _pieces(paths: Sequence[Path], size: int) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(paths), size):
        yield tuple(map(str, paths[start : start + size]))


def digest(parts: Iterable[Part]) -> str:
    """Return a SHA-256 (hexadecimal) of the names and sizes of all files, and of how they are divided."""
    found = hashlib.sha256()
    sizes: dict[str, int | None] = {}
    for part in parts:
        found.update(f"{part.start} {part.stop}\n".encode())
        for name in part.files:
            size = sizes.get(name) if part.start else _size(name)
            sizes = {name: size}  # the next part may belong to the same array
            found.update(os.fsencode(name) + f"\0{size}\n".encode())
    return found.hexdigest()


def _size(name: str) -> int | None:
    """Return the size of a file in bytes; None if it cannot be read, which becomes the error of its row."""
    try:
        return Path(name).stat().st_size
    except (OSError, ValueError):
        return None
