"""Atomic writing: nothing is overwritten in place, and a crash leaves either the old file or the new one.

A file is written under a hidden name next to its target, flushed to the disk and renamed to the target; then the folder
is flushed. The same applies to folders of files.
"""

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from penstroke.errors import PenstrokeError, StorageError
from penstroke.storage import disk

PARTIAL = ".partial"
"""Ending of the hidden name of a file or folder that is being written."""
REMOVED = ".removed"
"""Ending of the hidden name of a folder that is being removed."""

_REMEDIES = {
    errno.ENOSPC: "Free some space on the disk, or choose another folder.",
    errno.EDQUOT: "Your disk quota is used up: free some space, or choose another folder.",
    errno.EACCES: "Choose a folder that you may write to.",
    errno.EPERM: "Choose a folder that you may write to.",
    errno.EROFS: "The disk is read-only: choose another folder.",
    errno.EMFILE: "Too many files are open: raise the limit with `ulimit -n`, or close some programs.",
    errno.ENFILE: "Too many files are open on this machine: close some programs.",
    errno.ENOENT: "Check the path, and create the folder if it does not exist.",
    errno.ENOTDIR: "A part of the path is a file: choose another folder.",
    errno.EEXIST: "A file of that name exists: choose another folder.",
}


@contextmanager
def explained(path: Path, error: type[PenstrokeError] = StorageError) -> Iterator[None]:
    """Convert an ``OSError`` within the block.

    Args:
        path: the file or folder that is written, named in the message.
        error: the class of the error that is raised instead, with the reason and a remedy.
    """
    try:
        yield
    except OSError as cause:
        reason = os.strerror(cause.errno) if cause.errno else str(cause)
        remedy = _REMEDIES.get(cause.errno or 0, "Check the disk, or choose another folder.")
        raise error(f"Cannot write {path}: {reason}.", remedy) from cause


def check_writable(folder: Path) -> None:
    """Check that files can be written to ``folder``, or that it can be created.

    Raises:
        StorageError: the folder, or the nearest one above it that exists, is not writable.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    with explained(folder):
        if not existing.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(existing, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def make_folder(folder: Path) -> Path:
    """Create ``folder`` and its missing parents, flush them to the disk, and return ``folder``.

    Raises:
        StorageError: the folder cannot be created.
    """
    with explained(folder):
        missing = [part for part in (folder, *folder.parents) if not part.is_dir()]
        for part in reversed(missing):
            try:
                disk.make_folder(part)
            except FileExistsError:
                if not part.is_dir():  # otherwise another process has created it in the meantime
                    raise
            disk.sync_folder(part.parent)
    return folder


def new_folder(path: Path) -> Path:
    """Create and return a folder that did not exist: ``path``, or the next free ``path-2``, ``path-3``...

    Raises:
        StorageError: the folder cannot be created.
    """
    make_folder(path.parent)
    number = 1
    while True:
        folder = path if number == 1 else path.with_name(f"{path.name}-{number}")
        try:
            with explained(folder):
                disk.make_folder(folder)
        except StorageError as error:
            if isinstance(error.__cause__, FileExistsError):
                number += 1
                continue
            raise
        with explained(folder):
            disk.sync_folder(folder.parent)
        return folder


def write_folder(folder: Path, files: Mapping[str, bytes], *, replace: bool = False) -> None:
    """Write a folder of files completely or not at all.

    Args:
        folder: the folder; its parent must exist.
        files: content of each file by its name.
        replace: whether an existing folder is replaced. The old one is removed only after the new one is complete.

    Raises:
        StorageError: the folder cannot be written, or it exists and ``replace`` is false. No partial folder is left.
    """
    with _renamed_to(folder) as partial:
        disk.make_folder(partial)
        for name, content in files.items():
            with disk.create(partial / name) as file:
                file.write(content)
                disk.sync(file)
        disk.sync_folder(partial)
        if replace and folder.exists():
            remove_folder(folder)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file for writing that replaces ``path`` if the block succeeds.

    Raises:
        StorageError: the file cannot be written. The file at ``path`` is unchanged and no temporary file is left.
    """
    with _renamed_to(path) as partial, disk.create(partial) as file:
        yield file
        disk.sync(file)


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` completely or not at all.

    Raises:
        StorageError: the file cannot be written.
    """
    with replacing(path) as file:
        file.write(content)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` to ``path`` as indented JSON, completely or not at all.

    Raises:
        StorageError: the file cannot be written.
        ValueError: ``value`` contains NaN or infinity.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    write_bytes(path, f"{text}\n".encode())


def remove_file(path: Path) -> None:
    """Remove a file. A file that is missing or cannot be removed is not an error."""
    with suppress(OSError):
        disk.unlink(path)


def remove_folder(folder: Path) -> None:
    """Remove a folder of files: rename it to a hidden name, then delete it.

    Files that cannot be deleted remain under the hidden name; ``clear_leftovers`` tries again.
    """
    hidden = _hidden_name(folder, REMOVED)
    with suppress(OSError):
        disk.rename(folder, hidden)
        disk.sync_folder(folder.parent)
    _remove(hidden)


def clear_leftovers(folder: Path) -> None:
    """Remove the partly written and partly removed files and folders that killed processes left in ``folder``.

    Call it only while no other process writes to the folder.
    """
    for path in [*folder.glob(f".*{PARTIAL}"), *folder.glob(f".*{REMOVED}")]:
        _remove(path)


def set_aside(path: Path) -> Path:
    """Rename an invalid file or folder to ``path.rejected``, or the next free number, and return the new path.

    Raises:
        StorageError: the file or folder cannot be renamed.
    """
    number = 1
    while (aside := path.with_name(f"{path.name}.rejected{'' if number == 1 else f'-{number}'}")).exists():
        number += 1
    with explained(path):
        disk.rename(path, aside)
        disk.sync_folder(path.parent)
    return aside


@contextmanager
def _renamed_to(path: Path) -> Iterator[Path]:
    """Yield a hidden name to write to. It is renamed to ``path`` if the block succeeds, and removed otherwise."""
    partial = _hidden_name(path, PARTIAL)
    with explained(path):
        try:
            yield partial
            disk.rename(partial, path)
            disk.sync_folder(path.parent)
        except BaseException:
            _remove(partial)
            raise


def _hidden_name(path: Path, ending: str) -> Path:
    """Return a hidden name next to ``path`` that no other process uses."""
    return path.with_name(f".{path.name}.{os.getpid()}{ending}")


def _remove(path: Path) -> None:
    """Remove a file or a folder of files if possible. Try twice, because an I/O error may be temporary."""
    for _ in range(2):
        with suppress(OSError):
            if not path.is_dir() or path.is_symlink():
                disk.unlink(path)
                return
            for file in path.iterdir():
                disk.unlink(file)
            disk.remove_folder(path)
            return
