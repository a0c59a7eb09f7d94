"""Files of JSON lines: one object per line, added at the end."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from penstroke.storage import disk
from penstroke.storage.files import explained, write_bytes
from penstroke.storage.untrusted import open_contained

MAX_LINE = 1 << 20
"""Maximum length of a line in bytes."""


class JsonLines:
    """A file of JSON lines; appended rows are flushed to the disk.

    Args:
        path: the file, which need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def size(self) -> int:
        """Size of the file in bytes; 0 if it does not exist."""
        return self.path.stat().st_size if self.path.exists() else 0

    def append(self, *rows: dict[str, Any]) -> None:
        """Add ``rows`` at the end, one line each, in one write.

        Raises:
            StorageError: the file cannot be written.
        """
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        with explained(self.path):
            new = not self.path.exists()
            with disk.append(self.path) as file:
                file.write(text.encode())
                disk.sync(file)
            if new:
                disk.sync_folder(self.path.parent)

    def cut(self, size: int) -> None:
        """Remove everything after the first ``size`` bytes. The file is replaced, not changed in place.

        Raises:
            StorageError: the file cannot be written.
        """
        if self.size > size:
            with explained(self.path), open(self.path, "rb") as file:
                beginning = file.read(size)
            write_bytes(self.path, beginning)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the objects of the file; stop at the first line that is not JSON, such as one cut by a crash.

        Yields nothing if the file is missing or is not a plain file in its folder.
        """
        try:
            file = open_contained(self.path)
        except OSError:
            return
        with file:
            while line := file.readline(MAX_LINE):
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError):
                    return
                if isinstance(row, dict):
                    yield row
