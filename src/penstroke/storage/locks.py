"""Locks of folders, so that only one process at a time works on one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from penstroke.errors import RunError
from penstroke.storage.files import explained


@contextmanager
def locked(folder: Path, message: str, *, file: str = ".lock", patience: float = 0.0) -> Iterator[None]:
    """Hold the lock of a folder within the block. The lock of a killed process is released.

    Args:
        folder: an existing folder.
        message: that another process works on the folder, as a sentence.
        file: name of the lock file in the folder.
        patience: seconds to wait for another process that holds the lock.

    Raises:
        RunError: with this message, if another process still holds the lock.
        StorageError: the lock cannot be written.
    """
    lock = FileLock(folder / file)
    with explained(folder):
        try:
            lock.acquire(timeout=patience, poll_interval=0.1)
        except Timeout:
            raise RunError(message, "Wait until it ends, or stop it.") from None
        except NotImplementedError:
            pass  # the file system does not support locks; work without one
    try:
        yield
    finally:
        lock.release()
