"""Process-wide settings that affect speed: threads, memory allocator, denormal numbers.

No other module changes these settings. They change only when ``configure`` is called: by the command line, and by
``fit(..., tune=True)``.
"""

import ctypes
import os
import sys
from typing import Any

from penstroke.errors import UsageError

MAX_THREADS = 1024

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # from glibc's malloc.h
_MMAP_THRESHOLD = 1 << 25  # bytes; glibc silently ignores larger values
_TRIM_THRESHOLD = (1 << 31) - 1  # bytes of free memory
_settings: dict[str, Any] = {"prepared": False, "allocator": "as found", "flush_denormal": False}


def configure(threads: int | None = None, *, tune: bool = True) -> None:
    """Configure the process for training. Call it before PyTorch allocates large blocks.

    Tuning changes only the speed. glibc keeps large freed blocks instead of returning them to the kernel at every
    step, and the processor flushes denormal numbers, which Adadelta's averages reach, to zero. Flushing applies to
    the calling thread and to the threads that PyTorch starts afterwards, so call this before the first long operation.

    Args:
        threads: number of threads of PyTorch's operators; None keeps PyTorch's default, one per core.
        tune: False leaves the allocator and denormal numbers unchanged.

    Raises:
        UsageError: ``threads`` is not from 1 to 1024.
    """
    import torch

    if threads is not None:
        if not 1 <= threads <= MAX_THREADS:
            raise UsageError(f"threads is {threads}; it must be from 1 to {MAX_THREADS}.")
        torch.set_num_threads(threads)
    _settings["prepared"] = True
    if tune:
        _settings["allocator"] = "large blocks kept" if _keep_large_blocks() else "as found"
        _settings["flush_denormal"] = torch.set_flush_denormal(True)


def settings() -> dict[str, Any]:
    """Return the settings in effect: ``prepared`` (``configure`` was called), ``allocator``, ``flush_denormal``."""
    return dict(_settings)


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _keep_large_blocks() -> bool:
    """Raise the thresholds above which glibc returns memory to the kernel, and return whether that succeeded."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # musl has no mallopt
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD) and mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD))
