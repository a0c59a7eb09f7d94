"""Corrections of the web page's answers: a folder with one folder of drawings per class, which a training can read."""

import hashlib
from pathlib import Path
from threading import Lock

from penstroke import storage
from penstroke.errors import StorageError
from penstroke.serve.problems import Problem
from penstroke.storage.names import folder_name

MAX_FILE_BYTES = 4 << 20
"""Maximum size of one stored drawing in bytes."""


class Collection:
    """A folder of corrected drawings.

    Args:
        folder: the folder; it is created when needed.
        limit: maximum number of drawings.

    Raises:
        StorageError: the folder is not writable.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        storage.check_writable(folder)
        self._folder, self._limit = folder, limit
        self._lock = Lock()
        self._count = sum(1 for _ in folder.glob("*/*.png")) if folder.is_dir() else 0

    def add(self, label: str, png: bytes) -> int:
        """Store a drawing under its label, and return the number of stored drawings.

        The same drawing is stored once. The name of the file is a hash of its content, so no client can choose it.

        Raises:
            Problem: the collection is full, the drawing is too large, or the disk is.
        """
        if len(png) > MAX_FILE_BYTES:
            raise Problem("too-large", f"A stored drawing may have at most {MAX_FILE_BYTES} bytes as PNG.")
        with self._lock:
            if self._count >= self._limit:
                raise Problem("collection-full", f"It has {self._limit} drawings.")
            try:
                folder = storage.make_folder(self._folder / folder_name(label))
                path = folder / f"{hashlib.sha256(png).hexdigest()[:24]}.png"
                if not path.exists():
                    storage.write_bytes(path, png)
                    self._count += 1
            except StorageError as error:
                raise Problem("collection-full", "The drawing could not be stored.") from error
            return self._count
