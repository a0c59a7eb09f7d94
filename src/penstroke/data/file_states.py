"""The states of a dataset's files, which tell whether a file has changed. The content of the files is not read."""

import hashlib
import os
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from penstroke.data.arrays import few
from penstroke.data.listing import SUFFIXES, shown_path
from penstroke.errors import DataError

SETTLED = 2.0
"""Seconds after which a change of a file gives it another time, on all file systems; on FAT, times are even seconds."""

State = tuple[int, int, int, int]
"""Size, time of the last change of the content, time of the last change of content or name (both in ns), inode."""


@dataclass(frozen=True)
class FileStates:
    """The states of files, in order.

    Args:
        root: the folder or table that the files belong to.
        files: the state of each file; None if it does not exist.
        folders: the time of the last change of each folder that has files; a new or removed file changes it.
        when: the time at which the states were read, in ns.
    """

    root: Path
    files: dict[Path, State | None]
    folders: dict[Path, State | None]
    when: int

    @classmethod
    def of(cls, root: Path, paths: Iterable[Path]) -> "FileStates":
        """Return the states of the files at this moment."""
        when, files = time.time_ns(), {path: _state(path) for path in paths}
        # The files that a table lists are fixed: other files in their folders do not belong to the dataset.
        folders = {path.parent for path in files} if root.is_dir() else ()
        return cls(root, files, {folder: _state(folder) for folder in folders}, when)

    @property
    def settled(self) -> bool:
        """Whether any later change of a file changes its state: none has changed in the last ``SETTLED`` seconds."""
        latest = max((max(state[1:3]) for state in self.files.values() if state), default=0)
        return latest < self.when - SETTLED * 1e9

    def digest(self, *more: object) -> str:
        """Return a SHA-256 (hexadecimal) of the files' names relative to the root, their states, and ``more``."""
        top = str(self.root) + os.sep
        names = ((str(path).removeprefix(top), state) for path, state in self.files.items())
        text = "\n".join(f"{name}\0{state}" for name, state in names)
        return hashlib.sha256(f"{more!r}\n{text}".encode(errors="surrogateescape")).hexdigest()

    def require_unchanged(self) -> None:
        """Check that the files are as they were, and that no pictures were added.

        Raises:
            DataError: naming what has changed.
        """
        now = FileStates.of(self.root, self.files)
        changed = [
            f"{shown_path(path, self.root)} ({_what(path, now)})"
            for path in self.files
            if self.files[path] != now.files[path]
        ]
        for folder in [folder for folder, state in self.folders.items() if state != now.folders[folder]]:
            changed += [f"{shown_path(path, self.root)} (new)" for path in _pictures(folder) if path not in self.files]
        if changed:
            raise DataError(
                f"{self.root} was changed while it was read: {few(changed)}.",
                "Wait until no other program writes to it, and run the command again.",
            )


def _state(path: Path) -> State | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _what(path: Path, now: FileStates) -> str:
    return "changed" if now.files[path] else "removed"


def _pictures(folder: Path) -> Sequence[Path]:
    with suppress(OSError):
        return [path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES and path.name[0] != "."]
    return []
