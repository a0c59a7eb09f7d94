"""Processes of their own for trials that die: forked, so that PyTorch is imported once.

Fork only from a program that has run PyTorch on one thread.
"""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

KILLED = -signal.SIGKILL


def forked(action: Callable[[], Any]) -> int:
    """Start ``action`` in a child and return its process id."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        action()
        code = 0
    except BaseException:  # noqa: BLE001 - a child must not go on as its parent
        traceback.print_exc()
    finally:
        os._exit(code)


def ended(child: int, kill_after: float | None = None) -> int:
    """Wait for a child and return its exit code, or minus the signal that ended it; kill it after some seconds."""
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
