"""Every operation that changes the disk, one function each, so that a trial can watch it, make it fail, or stop at it.

``storage`` alone uses these. This module knows nothing of what is written, or in which order it must be.
"""

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer


@dataclass(frozen=True)
class Operation:
    """One change of the disk, about to happen."""

    kind: str
    """create, append, write, sync, rename, unlink, make_folder, remove_folder or sync_folder."""
    path: Path
    target: Path | None = None
    """Of a rename: the new name."""
    content: bytes = b""
    """Of a write: its bytes."""


Watcher = Callable[[Operation], None]
"""Told of each operation before it happens; what it raises, the operation raises."""

_watchers: list[Watcher] = []


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Tell ``watcher`` of every operation within the block."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


def _announce(kind: str, path: Path, target: Path | None = None, content: bytes = b"") -> None:
    for watcher in _watchers:
        watcher(Operation(kind, path, target, content))


class _File(io.FileIO):
    """A file whose writes are announced: those that reach the system, after buffering."""

    def write(self, content: "Buffer", /) -> int:
        if _watchers:
            _announce("write", Path(str(self.name)), content=bytes(content))
        return super().write(content)


def create(path: Path) -> io.BufferedWriter:
    """Open a file for writing, empty."""
    _announce("create", path)
    return io.BufferedWriter(_File(str(path), "wb"))


def append(path: Path) -> io.BufferedWriter:
    """Open a file for writing at its end."""
    _announce("append", path)
    return io.BufferedWriter(_File(str(path), "ab"))


def sync(file: io.BufferedWriter) -> None:
    """Write out what is buffered, and flush the file to the disk."""
    file.flush()
    _announce("sync", Path(file.name))
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk, where the system allows that (Windows does not)."""
    if os.name == "nt":
        return
    _announce("sync_folder", folder)
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def rename(path: Path, target: Path) -> None:
    """Give a file or folder another name; a file of that name is replaced."""
    _announce("rename", path, target)
    os.replace(path, target)


def unlink(path: Path) -> None:
    """Remove a file."""
    _announce("unlink", path)
    path.unlink()


def make_folder(folder: Path) -> None:
    """Make a folder that does not exist, in one that does."""
    _announce("make_folder", folder)
    folder.mkdir()


def remove_folder(folder: Path) -> None:
    """Remove an empty folder."""
    _announce("remove_folder", folder)
    folder.rmdir()
