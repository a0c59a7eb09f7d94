"""Decoded pictures, kept on the disk so that a dataset is decoded once.

An entry is a plain ``KEY.npy`` (uint8 images, which can be mapped) and ``KEY.json`` with its shape and SHA-256, in the
folder ``.decoded`` of the data folder. The key is a SHA-256 of the format of the cache, the versions of Pillow and of
the decoding, the options of the reading, and for each picture, in order: its name relative to the dataset, size, times
of the last changes, and inode. The content of the pictures is not read to find an entry: that would take longer than
to use it. A file whose content changes has another time of change, which no program can set, so that an entry cannot
be outdated; in return, the pictures of a copied dataset are decoded again. Pictures that changed in the seconds before
they were read are not cached, because a second change could leave the same time. An entry whose images do not have the
recorded SHA-256, that is incomplete or of another version is ignored, and replaced.
"""

import hashlib
import math
import os
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from penstroke import storage
from penstroke.data.fetch import data_folder
from penstroke.data.file_states import FileStates
from penstroke.data.pixels import Found
from penstroke.runtime.memory import release_pages
from penstroke.storage.untrusted import read_json

FORMAT = 1
"""Version of the files of the cache."""
FOLDER = ".decoded"
"""Hidden, so that it is not taken as a class if the data folder is itself a dataset."""
MIN_PICTURES, MIN_BYTES = 2_000, 16 << 20
"""Number and total size of pictures from which they are cached; fewer and smaller ones are decoded in a second."""
MAX_BYTES = 16 << 30
"""Size of all entries from which the oldest are removed; the newest one may be larger."""
MAPPED_FROM = 1 << 30
"""Bytes of images from which they are mapped instead of read into memory. It does not depend on the free memory: mapped
images are trained on in another order, and a training must give the same result on the same data."""
ABANDONED = 86_400.0
"""Seconds after which a partly written file belongs to a process that was killed."""
_PIECE = 1 << 24


@dataclass(frozen=True)
class Decoded:
    """The images of pictures, without those that cannot be read, and what is known of the pictures."""

    images: UInt8[np.ndarray, "n c h w"]
    found: Found
    mapped: bool


@dataclass(frozen=True)
class PictureCache:
    """The cache of decoded pictures in ``folder``, which need not exist."""

    folder: Path

    @classmethod
    def suitable(cls, states: FileStates) -> "PictureCache | None":
        """Return the cache; None if it is switched off with ``PENSTROKE_NO_CACHE=1``, or not worthwhile."""
        if os.environ.get("PENSTROKE_NO_CACHE", "") not in ("", "0"):
            return None
        size = sum(state[0] for state in states.files.values() if state)
        return cls(data_folder() / FOLDER) if len(states.files) >= MIN_PICTURES or size >= MIN_BYTES else None

    def find(self, key: str) -> Decoded | None:
        """Return the entry with this key if it is complete and has the recorded SHA-256; None otherwise."""
        try:
            return self._read(key)
        except (OSError, ValueError, TypeError, KeyError, EOFError, MemoryError):
            return None

    def _read(self, key: str) -> Decoded:
        about, path = read_json(self._json(key)), self._npy(key)
        shape = tuple(about["shape"])
        mapped = math.prod(shape) >= MAPPED_FROM
        images = np.load(path, mmap_mode="c" if mapped else None, allow_pickle=False)
        described = about["format"] == FORMAT and about["key"] == key
        if not described or images.shape != shape or images.dtype != np.uint8 or images.ndim != 4:
            raise ValueError("the entry is not the one that its key describes")
        if _sha256(images, mapped) != about["sha256"]:
            raise ValueError("the images are damaged")
        sizes = Counter({(int(width), int(height)): int(count) for width, height, count in about["sizes"]})
        broken = {int(number): str(problem) for number, problem in about["broken"].items()}
        return Decoded(np.asarray(images), Found(sizes, broken, [int(number) for number in about["uniform"]]), mapped)

    def write_images(self, key: str, parts: Iterable[UInt8[np.ndarray, "k c h w"]], shape: tuple[int, ...]) -> int:
        """Write the images of an entry, which is not valid before ``complete``, and return their number.

        Args:
            key: key of the entry.
            parts: the images in order.
            shape: number of images or more, channels, height, width.

        Raises:
            StorageError: they cannot be written.
        """
        storage.make_folder(self.folder)
        count = 0
        with storage.replacing(self._npy(key)) as file:
            _write_header(file, shape)
            for part in parts:
                file.write(np.ascontiguousarray(part).data)
                count += len(part)
            if count != shape[0]:
                file.seek(0)
                _write_header(file, (count, *shape[1:]))
        return count

    def complete(self, key: str, found: Found, about: dict[str, Any]) -> Decoded:
        """Make an entry valid, and return it. Remove the entries that it replaces, and the oldest ones if necessary.

        Args:
            key: key of the entry, whose images are written.
            found: what is known of the pictures.
            about: the dataset and the options of the reading; another entry with the same is outdated.

        Raises:
            StorageError: it cannot be written.
        """
        path = self._npy(key)
        with storage.explained(path):
            images = np.load(path, mmap_mode="c", allow_pickle=False)
            mapped = images.nbytes >= MAPPED_FROM
            images = images if mapped else np.array(images)
        value = {
            "format": FORMAT,
            "key": key,
            "about": about,
            "shape": list(images.shape),
            "sha256": _sha256(images, mapped),
            "sizes": [[*size, count] for size, count in found.sizes.items()],
            "broken": found.broken,
            "uniform": found.uniform,
        }
        storage.write_json(self._json(key), value)
        self._tidy(key, about)
        return Decoded(np.asarray(images), found, mapped)

    def remove(self, key: str) -> None:
        """Remove an entry. An entry that does not exist or cannot be removed is not an error."""
        storage.remove_file(self._json(key))
        storage.remove_file(self._npy(key))

    def _tidy(self, key: str, about: dict[str, Any]) -> None:
        """Remove outdated entries, what killed processes left, and the oldest entries above ``MAX_BYTES``."""
        entries = []
        with suppress(OSError):
            for path in self.folder.glob(f".*{storage.PARTIAL}"):
                if path.stat().st_mtime < time.time() - ABANDONED:
                    storage.remove_file(path)
            entries = [(path.stat().st_mtime, path.stat().st_size, path.stem) for path in self.folder.glob("*.npy")]
        total = 0
        for _, size, other in sorted(entries, key=lambda entry: (entry[2] != key, -entry[0])):
            total += size
            if other != key and (total > MAX_BYTES or self._about(other) == about):
                self.remove(other)
                total -= size

    def _about(self, key: str) -> Any:
        with suppress(OSError, ValueError, KeyError, TypeError):
            return read_json(self._json(key))["about"]
        return None

    def _npy(self, key: str) -> Path:
        return self.folder / f"{key}.npy"

    def _json(self, key: str) -> Path:
        return self.folder / f"{key}.json"


def _write_header(file: Any, shape: tuple[int, ...]) -> None:
    """Write the header of a NumPy file. Its length does not depend on the number of images."""
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})


def _sha256(images: UInt8[np.ndarray, "n c h w"], mapped: bool) -> str:
    digest = hashlib.sha256()
    step = max(1, _PIECE // max(1, images[:1].nbytes))
    for start in range(0, len(images), step):
        digest.update(np.ascontiguousarray(images[start : start + step]).data)
        if mapped:
            release_pages(images)
    return digest.hexdigest()
