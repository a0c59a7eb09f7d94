"""Read the pictures of one split as images: decoded, or from the cache of decoded pictures."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL

from penstroke.data.arrays import few
from penstroke.data.file_states import FileStates
from penstroke.data.picture_cache import FORMAT, MAPPED_FROM, Decoded, PictureCache
from penstroke.data.pixels import Found, Report, Size, decode, has_colour, picture_sizes
from penstroke.data.transfer import PICTURES, Progress
from penstroke.errors import DataError, StorageError
from penstroke.runtime.memory import available_memory

DECODING = 2
"""Version of what decoding makes of a picture. Change it with the pixels that any picture gives, or with the size that
is chosen: then decoded pictures in the cache are not used."""
MAX_SIDE = 64
COMMON_SHARE = 0.25
"""Share of the pictures that must have the commonest size; otherwise the median width and height are used."""
SQUARE = 1.2
"""Ratio of the median sides up to which images are square."""


@dataclass(frozen=True)
class Reading:
    """How the pictures of a dataset are read.

    Args:
        size: width and height of all images; None takes a size that suits the training pictures.
        skip_broken: leave out pictures that cannot be read, and name them in the notes.
        progress: called while pictures are decoded, with ``PICTURES``, their number so far and in total.
    """

    size: Size | None = None
    skip_broken: bool = False
    progress: Progress | None = None

    @property
    def report(self) -> Report | None:
        """A function that is called with the number of decoded pictures and their total."""
        progress = self.progress
        return progress and (lambda done, total: progress(PICTURES, done, total))


def read_pictures(
    paths: Sequence[Path], root: Path, reading: Reading, channels: int | None, name: str
) -> tuple[Decoded, tuple[str, ...]]:
    """Return the images of pictures, from the cache if it has them, and notes for the user.

    Args:
        paths: the pictures.
        root: the folder or table that they belong to.
        reading: without a size, one that suits these pictures is taken.
        channels: 1 or 3; None takes 1 if all pictures are grey.
        name: name of the split.

    Raises:
        DataError: pictures cannot be read and are not to be skipped, or the files were changed in the meantime.
        StorageError: the images fit neither into memory nor on the disk.
    """
    states = FileStates.of(root, paths)
    options: dict[str, Any] = {"size": reading.size and list(reading.size), "channels": channels}
    version = (FORMAT, DECODING, PIL.__version__)
    key = states.digest(version, options)
    cache = PictureCache.suitable(states)
    if cache and (known := cache.find(key)):
        _check_broken(known.found.broken, len(paths), reading)
        return known, ()
    if not states.settled:
        key = states.digest(version, options, states.when)  # is not found again
    try:
        decoder = _Decoder(paths, _sized(paths, reading), channels)
        about = {"source": str(root.resolve()), "split": name, **options}
        return decoder.decoded(cache, states, key, about)
    except DataError:
        states.require_unchanged()  # which is the better explanation
        raise


def _sized(paths: Sequence[Path], reading: Reading) -> Reading:
    """Return the options with a size."""
    if reading.size:
        return reading
    sizes, broken = picture_sizes(paths)
    _check_broken(broken, len(paths), reading)
    return replace(reading, size=_default_size(sizes) if sizes else (1, 1))


def _default_size(sizes: Counter[Size]) -> Size:
    """Return the commonest size, or the medians if few pictures have it, with at most MAX_SIDE pixels a side."""
    (width, height), count = sizes.most_common(1)[0]
    if count < COMMON_SHARE * sizes.total():
        every = list(sizes.elements())
        width, height = (round(float(np.median([size[axis] for size in every]))) for axis in (0, 1))
        if max(width, height) <= SQUARE * min(width, height):
            width = height = max(width, height)
    scale = min(1.0, MAX_SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _check_broken(broken: dict[int, str], total: int, reading: Reading) -> None:
    if broken and not reading.skip_broken:
        raise DataError(
            f"{len(broken)} of {total} pictures cannot be read: {few(broken.values())}.",
            "Repair or remove them; `penstroke data info` names them. Or leave them out: train, sweep or tune with "
            "--skip-broken, in Python load(..., skip_broken=True).",
        )


@dataclass(frozen=True)
class _Decoder:
    """Decodes pictures to memory or, if they are large, to a file of the cache. ``reading`` has a size."""

    paths: Sequence[Path]
    reading: Reading
    channels: int | None

    def decoded(
        self, cache: PictureCache | None, states: FileStates, key: str, about: dict[str, Any]
    ) -> tuple[Decoded, tuple[str, ...]]:
        """Decode the pictures, and add them to the cache."""
        assert self.reading.size
        width, height = self.reading.size
        notes: tuple[str, ...] = ()
        size = len(self.paths) * (self.channels or 3) * height * width
        try:
            if cache and size >= MAPPED_FROM:
                return self._to_file(cache, states, key, about), ()
        except StorageError as error:
            _check_memory(size, error)
            notes, cache = (_not_cached(error),), None
        decoded = self._to_memory()
        states.require_unchanged()
        if cache and states.settled and len(decoded.images):
            try:
                cache.write_images(key, [decoded.images], decoded.images.shape)
                cache.complete(key, decoded.found, about)
            except StorageError as error:
                notes = (_not_cached(error),)
        return decoded, notes

    def _to_memory(self) -> Decoded:
        assert self.reading.size
        found = Found()
        parts = list(decode(self.paths, self.reading.size, self.channels, found, self.reading.report))
        _check_broken(found.broken, len(self.paths), self.reading)
        width, height = self.reading.size
        channels = self.channels or max((part.shape[1] for part in parts), default=1)
        images = np.empty((sum(map(len, parts)), channels, height, width), np.uint8)
        start = 0
        for part in parts:  # grey parts are repeated in all channels
            images[start : start + len(part)] = part
            start += len(part)
        return Decoded(images, found, mapped=False)

    def _to_file(self, cache: PictureCache, states: FileStates, key: str, about: dict[str, Any]) -> Decoded:
        """Decode to a file of the cache, which is removed again if the pictures were changed or cannot be read."""
        assert self.reading.size
        width, height = self.reading.size
        channels = self.channels or (3 if has_colour(self.paths) else 1)
        found = Found()
        try:
            parts = decode(self.paths, self.reading.size, channels, found, self.reading.report)
            cache.write_images(key, parts, (len(self.paths), channels, height, width))
            _check_broken(found.broken, len(self.paths), self.reading)
            states.require_unchanged()
            return cache.complete(key, found, about)
        except BaseException:
            cache.remove(key)
            raise


def _check_memory(size: int, error: StorageError) -> None:
    """Check that images that cannot be written to the cache can be decoded to memory."""
    free = available_memory()
    if free is not None and 2 * size > free:
        raise StorageError(
            f"The decoded images have {size / 1e9:.1f} GB, which the free memory ({free / 1e9:.1f} GB) cannot hold. "
            f"{error.message}",
            "Set PENSTROKE_DATA to a folder with enough space, or choose smaller images with --size.",
        ) from error


def _not_cached(error: StorageError) -> str:
    return (
        f"the decoded pictures are not cached, and are decoded again by the next command: {error.message.rstrip('.')}"
    )
