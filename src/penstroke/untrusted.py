"""Files that anybody may have made: opened only if they are plain, followed only within their folder, never waited for.

What goes wrong is an ``OSError`` or a ``ValueError`` in our own words, which the caller turns into an error of its own
kind. This file writes nothing and knows no format but JSON.
"""

import json
import math
import os
import stat
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import Any, NoReturn

MAX_JSON_BYTES = 16 << 20
MAX_JSON_DEPTH = 32
"""Objects and lists inside each other; what Penstroke writes has at most eight."""
MAX_DIGITS = 300
MAX_IMAGE_SIDE = 4096
"""Pixels of the longest side that a dataset's or a model's images may have."""


def open_plain(path: Path) -> BufferedReader:
    """Open a plain file for reading. A pipe or a device is refused unopened, so that nothing waits or is set going.

    Raises:
        OSError: there is none, it may not be read, or it is a folder or anything else that is no plain file.
    """
    _require_plain(path.stat().st_mode)
    # Should a pipe take its place in between, opening it would wait for a writer but for this flag.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        _require_plain(os.fstat(handle).st_mode)
    except OSError:
        os.close(handle)
        raise
    return os.fdopen(handle, "rb")


def _require_plain(mode: int) -> None:
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "a pipe, a device or a socket"
        raise OSError(f"it is {what}, and must be a plain file")


def is_plain(path: Path) -> bool:
    """Tell whether there is a plain file at ``path``; one that cannot be looked at is none."""
    with suppress(OSError, ValueError):
        return stat.S_ISREG(path.stat().st_mode)
    return False


def open_contained(path: Path) -> BufferedReader:
    """Open a plain file as ``open_plain`` does, unless it is a link that leads out of the folder in which it lies.

    Raises:
        OSError: as ``open_plain`` does, or it leads out.
    """
    try:
        stays = path.resolve().is_relative_to(path.parent.resolve())
    except RuntimeError as fault:  # Python's name for a ring of links before 3.13
        raise OSError("it is a link that leads to itself") from fault
    if not stays:
        raise OSError("it is a link that leads out of its folder")
    return open_plain(path)


def reason(fault: OSError) -> str:
    """Return why a file could not be opened, in words without its path."""
    return os.strerror(fault.errno) if fault.errno else str(fault)


def read_json(path: Path) -> Any:
    """Return the value of a JSON file.

    Raises:
        OSError: as ``open_contained`` does.
        ValueError: as ``parse_json`` does, or it has more than MAX_JSON_BYTES bytes.
    """
    with open_contained(path) as file:
        content = file.read(MAX_JSON_BYTES + 1)
    if len(content) > MAX_JSON_BYTES:
        raise ValueError(f"it has more than {MAX_JSON_BYTES} bytes")
    return parse_json(content)


def parse_json(content: str | bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: it is no JSON, has more than MAX_JSON_DEPTH levels, or a number that is not finite or has more
            than MAX_DIGITS digits.
    """
    deep = f"it has more than {MAX_JSON_DEPTH} levels"
    try:
        value = json.loads(content, parse_constant=_refuse, parse_float=_finite, parse_int=_whole)
    except json.JSONDecodeError as fault:
        raise ValueError(f"it is cut or no JSON, at line {fault.lineno}, column {fault.colno}") from fault
    except UnicodeDecodeError as fault:
        raise ValueError(f"it is no UTF-8 text, at byte {fault.start}") from fault
    except RecursionError as fault:
        raise ValueError(deep) from fault
    level = [value]
    for _ in range(MAX_JSON_DEPTH):
        inner = (item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list))
        level = [item for items in inner for item in items]
    if any(isinstance(item, dict | list) for item in level):
        raise ValueError(deep)
    return value


def _refuse(number: str) -> NoReturn:
    raise ValueError(f"it has the number {number[:20]}, which is not finite or too large")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse(text)


def _whole(text: str) -> int:
    return int(text) if len(text) <= MAX_DIGITS else _refuse(text)
