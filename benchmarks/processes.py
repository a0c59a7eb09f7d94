"""The processes that a process has started, from Linux's ``/proc``."""

import contextlib
from pathlib import Path


def children(pid: int) -> list[int]:
    """Return the processes that a process has started; none if it has ended."""
    found: list[int] = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):  # of each thread
        with contextlib.suppress(OSError):
            found += map(int, listed.read_text().split())
    return found


def descendants(pid: int) -> list[int]:
    """Return the processes that a process has started, and theirs."""
    found = children(pid)
    return [*found, *(each for child in found for each in descendants(child))]
