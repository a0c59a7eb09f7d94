"""The only writer of files: nothing is overwritten in place, and a crash leaves the old file or the new one.

A file is written beside its place, flushed to the disk, renamed into place, and the folder is flushed too.
This module knows nothing of runs, models or datasets.
"""

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from penstroke.errors import PenstrokeError, StorageError

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


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk, where the system allows that (Windows does not)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path) -> Path:
    """Make ``folder`` and its parents if they are missing, and return it."""
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def new_folder(wanted: Path) -> Path:
    """Make and return a folder that did not exist: ``wanted``, or the next free ``wanted-2``, ``wanted-3``..."""
    make_folder(wanted.parent)
    number = 1
    while True:
        folder = wanted if number == 1 else wanted.with_name(f"{wanted.name}-{number}")
        try:
            with explained(folder):
                folder.mkdir()
        except StorageError as fault:
            if isinstance(fault.__cause__, FileExistsError):
                number += 1
                continue
            raise
        with explained(folder):
            sync_folder(folder.parent)
        return folder


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file beside ``path`` for writing; put it in the place of ``path`` only if the block succeeds.

    Raises:
        StorageError: it cannot be written; what stood at ``path`` is untouched and nothing is left beside it.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with explained(path):
            with open(partial, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
            sync_folder(path.parent)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


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

    def append(self, *rows: dict[str, Any]) -> None:
        """Add ``rows`` at the end, one line each, in one write."""
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        with explained(self.path), open(self.path, "ab") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())


def set_aside(path: Path) -> Path:
    """Rename a file that cannot be trusted to ``path.rejected`` (or the next free number): kept, never used."""
    number = 1
    while (aside := path.with_name(f"{path.name}.rejected{'' if number == 1 else f'-{number}'}")).exists():
        number += 1
    with explained(path):
        os.replace(path, aside)
        sync_folder(path.parent)
    return aside
