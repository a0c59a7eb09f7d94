"""Child processes for trials that kill them. They are forked, so that PyTorch is imported only once.

Fork only from a process that has used PyTorch with one thread.
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
    """Run ``action`` in a child process and return its process id."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        action()
        code = 0
    except BaseException:  # noqa: BLE001 - the child must not return into the code of its parent
        traceback.print_exc()
    finally:
        os._exit(code)


def exit_code(child: int, kill_after: float | None = None) -> int:
    """Wait for a child, killed after some seconds, and return its exit code, or minus the signal that ended it."""
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
