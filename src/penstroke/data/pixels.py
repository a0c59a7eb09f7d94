"""Decode many picture files to images of one size, in parallel. Files are not written."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from penstroke.data.idx import Array
from penstroke.errors import DataError
from penstroke.pictures.files import open_picture, picture_size
from penstroke.pictures.letterbox import letterbox, to_channels

GROUP = 32
"""Number of pictures that a thread decodes at once: threads that change after each small picture slow each other."""

Size = tuple[int, int]
"""Width and height in pixels."""
Report = Callable[[int, int], None]
"""Called with the number of pictures that were read, and their total."""


@dataclass
class Found:
    """What is known of pictures besides their pixels.

    Args:
        sizes: how many of the pictures that can be read have which size.
        broken: the reason why a picture cannot be read, by its position.
        uniform: positions of the pictures that have one colour.
    """

    sizes: Counter[Size] = field(default_factory=Counter)
    broken: dict[int, str] = field(default_factory=dict)
    uniform: list[int] = field(default_factory=list)


def picture_sizes(paths: Sequence[Path]) -> tuple[Counter[Size], dict[int, str]]:
    """Return how many pictures have which size, and why others cannot be read, by position. No pixels are decoded."""
    outcomes = [outcome for group in _groups(paths, _attempts(picture_size)) for outcome in group]
    sizes = Counter(size for size, problem in outcomes if problem is None)
    return sizes, {number: problem for number, (_, problem) in enumerate(outcomes) if problem is not None}


def has_colour(paths: Sequence[Path]) -> bool:
    """Return whether any picture that can be read has colour; this decodes pictures until one has."""
    attempts = _attempts(pixels_of)
    return any(pixels is not None and pixels.ndim == 3 for group in _groups(paths, attempts) for pixels, _ in group)


def decode(
    paths: Sequence[Path], size: Size, channels: int | None, found: Found, report: Report | None = None
) -> Iterator[UInt8[np.ndarray, "k c h w"]]:
    """Yield the images of groups of pictures, in order, without those that cannot be read.

    Args:
        paths: the files.
        size: width and height of the images; see ``letterbox``.
        channels: 1 or 3; None gives each group one channel if all its pictures are grey, otherwise three.
        found: is completed with what is found.
        report: called after each group.
    """

    def decode_one(path: Path) -> tuple[Array, Size]:
        pixels = pixels_of(path)
        return letterbox(pixels, size), (pixels.shape[1], pixels.shape[0])

    start = 0
    for outcomes in _groups(paths, _attempts(decode_one)):
        found.broken |= {start + place: problem for place, (_, problem) in enumerate(outcomes) if problem is not None}
        good = [(start + place, *result) for place, (result, _) in enumerate(outcomes) if result is not None]
        start += len(outcomes)
        if good:
            found.sizes.update(size for _, _, size in good)
            wanted = channels or (3 if any(pixels.ndim == 3 for _, pixels, _ in good) else 1)
            images = np.stack([to_channels(pixels, wanted) for _, pixels, _ in good])
            uniform = (images == images[:, :, :1, :1]).all(axis=(1, 2, 3))
            found.uniform += [good[place][0] for place in np.flatnonzero(uniform)]
            yield images
        if report:
            report(start, len(paths))


def pixels_of(path: Path) -> Array:
    """Return the pixels of a picture file: grey [h, w] if all of them are grey, else [h, w, 3].

    Raises:
        DataError: see ``open_picture``.
    """
    pixels = open_picture(path, min_side=1)
    grey = pixels.ndim == 3 and bool((pixels[..., :1] == pixels).all())
    return np.ascontiguousarray(pixels[..., 0]) if grey else pixels


def _attempts(action: Callable[[Path], Any]) -> Callable[[Sequence[Path]], list[Any]]:
    """Return a function that returns, for each path, a pair: its result, or None and the reason why it failed."""

    def attempt(path: Path) -> Any:
        try:
            return action(path), None
        except DataError as error:
            return None, error.message.rstrip(".")

    return lambda paths: [attempt(path) for path in paths]


def _groups(paths: Sequence[Path], action: Callable[[Sequence[Path]], list[Any]]) -> Iterator[list[Any]]:
    """Yield the results of groups of paths, in order, computed by several threads."""
    threads = min(8, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads) as pool:
        # Few groups are ahead of the reader, so that they do not fill the memory.
        waiting: list[Any] = []
        for start in range(0, len(paths), GROUP):
            waiting.append(pool.submit(action, paths[start : start + GROUP]))
            if len(waiting) > 4 * threads:
                yield waiting.pop(0).result()
        yield from (future.result() for future in waiting)
