"""Python's audit events while a block runs, and those that must not occur."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Event = tuple[str, tuple[Any, ...]]

_FORBIDDEN = ("exec", "compile", "import", "marshal.", "pickle.", "subprocess.", "socket.", "ctypes.dlopen", "shutil.",
              "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.remove", "os.rename", "os.mkdir",
              "os.chmod", "os.link", "os.symlink", "os.putenv", "code.__new__", "urllib.")  # fmt: skip
_recording: list[list[Event]] = []
_hooked: list[bool] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _recording:
        _recording[-1].append((event, arguments))


@contextmanager
def watched() -> Iterator[list[Event]]:
    """Record every audit event of the block in the list that is yielded."""
    if not _hooked:
        sys.addaudithook(_hook)  # permanent: an audit hook cannot be removed
        _hooked.append(True)
    events: list[Event] = []
    _recording.append(events)
    try:
        yield events
    finally:
        _recording.pop()


def breaches(events: list[Event], folder: Path) -> list[str]:
    """Return what was executed, imported, connected or changed, and each file opened outside ``folder``."""
    inside = os.path.realpath(folder)
    found = []
    for event, arguments in events:
        if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
            path = os.path.realpath(os.fsdecode(arguments[0]))
            if not path.startswith(inside + os.sep):
                found.append(f"opened {path}")
        elif event.startswith(_FORBIDDEN):
            found.append(f"{event} {str(arguments)[:80]}")
    return found
