"""Memory: errors when it is exhausted, and the release of pages of a mapped file. Does not import torch."""

import ctypes
import mmap
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstroke.errors import ModelError

if TYPE_CHECKING:
    import numpy as np

KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 25), "MALLOC_TRIM_THRESHOLD_": str(1 << 28)}
"""Environment in which glibc keeps freed memory for the next picture, up to 256 MB, which saves a tenth of the time."""


@contextmanager
def enough_memory(remedy: str) -> Iterator[None]:
    """Convert the errors that PyTorch and NumPy raise when memory is exhausted.

    Args:
        remedy: the remedy of the error that is raised instead.

    Raises:
        ModelError: memory is exhausted within the block. Other errors are not changed.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        requested = re.search(r"allocate (\d+ bytes|[\d.]+ [KMGT]iB)", str(error))
        if not (requested or isinstance(error, MemoryError)):
            raise
        size = f": {requested[1]} more were requested" if requested else ""
        raise ModelError(f"This machine does not have enough memory{size}.", remedy) from error


def release_pages(array: "np.ndarray[Any, Any]") -> None:
    """Release the memory that a mapped file occupies; the pages are read from the file again when they are used.

    This function has an effect on Linux only.

    Args:
        array: a contiguous array over a mapped file. The content of any other array is lost.
    """
    if sys.platform.startswith("linux"):
        start = array.ctypes.data & -mmap.PAGESIZE
        length = array.ctypes.data + array.nbytes - start
        ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), mmap.MADV_DONTNEED)


def available_memory() -> int | None:
    """Return how many bytes programs can use without swapping; None if the system does not tell (only Linux does)."""
    with suppress(OSError):
        found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
        return int(found[1]) * 1024 if found else None
    return None
