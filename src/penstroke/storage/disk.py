"""The operations that change the disk, one function each, so that a test can observe them or make them fail.

Only the other modules of ``storage`` use these functions. The order in which files must be written and flushed is
their responsibility.
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
    """One change of the disk, before it is made."""

    kind: str
    """create, append, write, sync, rename, unlink, make_folder, remove_folder or sync_folder."""
    path: Path
    target: Path | None = None
    """The new name, for a rename."""
    content: bytes = b""
    """The bytes, for a write."""


Watcher = Callable[[Operation], None]
"""Called before each operation. The operation raises what the watcher raises."""

_watchers: list[Watcher] = []


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Call ``watcher`` before every operation within the block."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


def _notify(kind: str, path: Path, target: Path | None = None, content: bytes = b"") -> None:
    for watcher in _watchers:
        watcher(Operation(kind, path, target, content))


class _File(io.FileIO):
    """A file that reports its writes to the watchers after buffering, before they reach the operating system."""

    def write(self, content: "Buffer", /) -> int:
        if _watchers:
            _notify("write", Path(str(self.name)), content=bytes(content))
        return super().write(content)


def create(path: Path) -> io.BufferedWriter:
    """Open an empty file for writing."""
    _notify("create", path)
    return io.BufferedWriter(_File(str(path), "wb"))


def append(path: Path) -> io.BufferedWriter:
    """Open a file for writing at its end."""
    _notify("append", path)
    return io.BufferedWriter(_File(str(path), "ab"))


def sync(file: io.BufferedWriter) -> None:
    """Write out the buffer of a file, and flush the file to the disk."""
    file.flush()
    _notify("sync", Path(file.name))
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Flush the entries of a folder to the disk, where the operating system supports it (Windows does not)."""
    if os.name == "nt":
        return
    _notify("sync_folder", folder)
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def rename(path: Path, target: Path) -> None:
    """Rename a file or folder. An existing file ``target`` is replaced."""
    _notify("rename", path, target)
    os.replace(path, target)


def unlink(path: Path) -> None:
    """Remove a file."""
    _notify("unlink", path)
    path.unlink()


def make_folder(folder: Path) -> None:
    """Create a new folder in an existing one."""
    _notify("make_folder", folder)
    folder.mkdir()


def remove_folder(folder: Path) -> None:
    """Remove an empty folder."""
    _notify("remove_folder", folder)
    folder.rmdir()
