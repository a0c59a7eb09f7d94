"""Locks of folders, so that only one process at a time works on one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from penstroke.errors import RunError
from penstroke.storage.files import explained


@contextmanager
def locked(folder: Path, message: str) -> Iterator[None]:
    """Hold the lock of a folder within the block. The lock of a killed process is released.

    Args:
        folder: an existing folder; the lock is the file ``.lock`` in it.
        message: that another process works on the folder, as a sentence.

    Raises:
        RunError: with this message, if another process holds the lock.
        StorageError: the lock cannot be written.
    """
    lock = FileLock(folder / ".lock")
    with explained(folder):
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise RunError(message, "Wait until it ends, or stop it.") from None
        except NotImplementedError:
            pass  # the file system does not support locks; work without one
    try:
        yield
    finally:
        lock.release()
