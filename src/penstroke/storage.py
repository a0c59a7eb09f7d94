"""The only writer of files: nothing is overwritten in place, and a crash leaves the old file or the new one.

A file is written beside its place, flushed to the disk, renamed into place, and the folder is flushed too.
This module knows nothing of runs, models or datasets.
"""

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from penstroke import disk
from penstroke.errors import PenstrokeError, StorageError

PARTIAL = ".partial"
"""Ending of the hidden name under which a file or folder is written, before it gets its own."""
REMOVED = ".removed"
"""Ending of the hidden name under which a folder is removed."""

_REMEDIES = {
    errno.ENOSPC: "Free some room on the disk, or choose another folder.",
    errno.EDQUOT: "Your quota is used up: free some room, or choose another folder.",
    errno.EACCES: "Choose a folder that you may write to.",
    errno.EPERM: "Choose a folder that you may write to.",
    errno.EROFS: "The disk is read-only: choose another folder.",
    errno.EMFILE: "Too many files are open: raise the limit with `ulimit -n`, or close some programs.",
    errno.ENFILE: "Too many files are open on this machine: close some programs.",
    errno.ENOENT: "The folder has vanished: check that the disk is still there.",
    errno.ENOTDIR: "A part of that path is a file: choose another folder.",
    errno.EEXIST: "A file is in the way: choose another folder.",
}


@contextmanager
def explained(path: Path, error: type[PenstrokeError] = StorageError) -> Iterator[None]:
    """Turn an ``OSError`` on ``path`` into ``error`` with the reason and a remedy."""
    try:
        yield
    except OSError as fault:
        reason = os.strerror(fault.errno) if fault.errno else str(fault)
        remedy = _REMEDIES.get(fault.errno or 0, "Check the disk, or choose another folder.")
        raise error(f"Cannot write {path}: {reason}.", remedy) from fault


def make_folder(folder: Path) -> Path:
    """Make ``folder`` and its parents if they are missing, each of them on the disk, and return it."""
    with explained(folder):
        missing = [part for part in (folder, *folder.parents) if not part.is_dir()]
        for part in reversed(missing):
            try:
                disk.make_folder(part)
            except FileExistsError:
                if not part.is_dir():  # else another process was faster
                    raise
            disk.sync_folder(part.parent)
    return folder


def new_folder(wanted: Path) -> Path:
    """Make and return a folder that did not exist: ``wanted``, or the next free ``wanted-2``, ``wanted-3``..."""
    make_folder(wanted.parent)
    number = 1
    while True:
        folder = wanted if number == 1 else wanted.with_name(f"{wanted.name}-{number}")
        try:
            with explained(folder):
                disk.make_folder(folder)
        except StorageError as fault:
            if isinstance(fault.__cause__, FileExistsError):
                number += 1
                continue
            raise
        with explained(folder):
            disk.sync_folder(folder.parent)
        return folder


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make ``folder``, which must not exist, with ``files`` (name -> content), whole or not at all.

    Raises:
        StorageError: it cannot be written; nothing is left of it.
    """
    with _put_in_place(folder) as partial:
        disk.make_folder(partial)
        for name, content in files.items():
            with disk.create(partial / name) as file:
                file.write(content)
                disk.sync(file)
        disk.sync_folder(partial)


@contextmanager
def _put_in_place(path: Path) -> Iterator[Path]:
    """Yield a name beside ``path`` to write to; it gets the name ``path`` if the block succeeds, else it is removed."""
    partial = _beside(path, PARTIAL)
    with explained(path):
        try:
            yield partial
            disk.rename(partial, path)
            disk.sync_folder(path.parent)
        except BaseException:
            _remove(partial)
            raise


def remove_folder(folder: Path) -> None:
    """Remove a folder of files: from its name at once, from the disk if that can be done.

    What stays behind is hidden; ``clear_leftovers`` tries it again.
    """
    gone = _beside(folder, REMOVED)
    with suppress(OSError):
        disk.rename(folder, gone)
        disk.sync_folder(folder.parent)
    _remove(gone)


def clear_leftovers(folder: Path) -> None:
    """Remove what processes that were killed left half-written or half-removed in ``folder``.

    Only for a folder that nobody else writes to at the moment.
    """
    for path in [*folder.glob(f".*{PARTIAL}"), *folder.glob(f".*{REMOVED}")]:
        _remove(path)


def _beside(path: Path, ending: str) -> Path:
    """Return a hidden name beside ``path`` that no other process uses."""
    return path.with_name(f".{path.name}.{os.getpid()}{ending}")


def _remove(path: Path) -> None:
    """Remove a file, or a folder of files, as far as that can be done: in two attempts, since a fault may pass."""
    for _ in range(2):
        with suppress(OSError):
            if not path.is_dir() or path.is_symlink():
                disk.unlink(path)
                return
            for file in path.iterdir():
                disk.unlink(file)
            disk.remove_folder(path)
            return


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file beside ``path`` for writing; put it in the place of ``path`` only if the block succeeds.

    Raises:
        StorageError: it cannot be written; what stood at ``path`` is untouched and nothing is left beside it.
    """
    with _put_in_place(path) as partial, disk.create(partial) as file:
        yield file
        disk.sync(file)


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``, whole or not at all."""
    with replacing(path) as file:
        file.write(content)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` to ``path`` as indented JSON, whole or not at all. NaN and infinity are refused."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    write_bytes(path, f"{text}\n".encode())


class JsonLines:
    """A file of JSON lines that only grows: ``append`` adds whole lines and flushes them to the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def size(self) -> int:
        """Bytes written so far; 0 if there is no file yet."""
        return self.path.stat().st_size if self.path.exists() else 0

    def append(self, *rows: dict[str, Any]) -> None:
        """Add ``rows`` at the end, one line each, in one write."""
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        with explained(self.path):
            new = not self.path.exists()
            with disk.append(self.path) as file:
                file.write(text.encode())
                disk.sync(file)
            if new:
                disk.sync_folder(self.path.parent)

    def cut(self, size: int) -> None:
        """Drop what comes after the first ``size`` bytes: the file is replaced by its beginning."""
        if self.size > size:
            with explained(self.path), open(self.path, "rb") as file:
                beginning = file.read(size)
            write_bytes(self.path, beginning)


def set_aside(path: Path) -> Path:
    """Rename what cannot be trusted to ``path.rejected`` (or the next free number): kept, never used."""
    number = 1
    while (aside := path.with_name(f"{path.name}.rejected{'' if number == 1 else f'-{number}'}")).exists():
        number += 1
    with explained(path):
        disk.rename(path, aside)
        disk.sync_folder(path.parent)
    return aside
