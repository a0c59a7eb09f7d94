"""Reading untrusted files: only plain files are opened, links must stay within their folder, and no read can block.

Errors are ``OSError`` and ``ValueError`` with a readable reason; the caller converts them to a ``PenstrokeError``.
This module writes nothing, and JSON is the only format that it parses.
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
"""Nesting depth of objects and lists. The files that Penstroke writes have a depth of at most eight."""
MAX_DIGITS = 300
MAX_IMAGE_SIDE = 4096
"""Maximum height and width, in pixels, of the images of a dataset or model."""


def open_plain(path: Path) -> BufferedReader:
    """Open a plain file for reading. A pipe or device is rejected without opening it, because that can block.

    Raises:
        OSError: the file is missing, may not be read, or is not a plain file.
    """
    _require_plain(path.stat().st_mode)
    # O_NONBLOCK: if the file is replaced by a pipe in the meantime, opening it would wait for a writer.
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
        raise OSError(f"it is {what}; it must be a plain file")


def is_plain(path: Path) -> bool:
    """Return whether ``path`` is a plain file; False if that cannot be determined."""
    with suppress(OSError, ValueError):
        return stat.S_ISREG(path.stat().st_mode)
    return False


def open_contained(path: Path) -> BufferedReader:
    """Open a plain file for reading. A link to a file outside the folder of ``path`` is rejected.

    Raises:
        OSError: see ``open_plain``; also if the file is such a link.
    """
    try:
        contained = path.resolve().is_relative_to(path.parent.resolve())
    except RuntimeError as error:  # raised for a cycle of links before Python 3.13
        raise OSError("it is a link to itself") from error
    if not contained:
        raise OSError("it is a link to a file outside its folder")
    return open_plain(path)


def reason(error: OSError) -> str:
    """Return why a file cannot be opened, without its path."""
    return os.strerror(error.errno) if error.errno else str(error)


def read_json(path: Path) -> Any:
    """Return the value of a JSON file.

    Raises:
        OSError: see ``open_contained``.
        ValueError: see ``parse_json``; also if the file has more than MAX_JSON_BYTES bytes.
    """
    with open_contained(path) as file:
        content = file.read(MAX_JSON_BYTES + 1)
    if len(content) > MAX_JSON_BYTES:
        raise ValueError(f"it has more than {MAX_JSON_BYTES} bytes")
    return parse_json(content)


def parse_json(content: str | bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: the text is not JSON, is nested deeper than MAX_JSON_DEPTH, has a number that is not finite or
            has more than MAX_DIGITS digits, or has half of a surrogate pair, which cannot be printed or written.
    """
    too_deep = f"it has more than {MAX_JSON_DEPTH} levels of nesting"
    try:
        value = json.loads(content, parse_constant=_reject, parse_float=_finite, parse_int=_integer)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is truncated or not JSON, at line {error.lineno}, column {error.colno}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 text, at byte {error.start}") from error
    except RecursionError as error:
        raise ValueError(too_deep) from error
    level = [value]
    for _ in range(MAX_JSON_DEPTH):
        inner = (item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list))
        level = [item for items in inner for item in items]
    if any(isinstance(item, dict | list) for item in level):
        raise ValueError(too_deep)
    if b"\\u" in content if isinstance(content, bytes) else "\\u" in content:
        _require_unicode(value)
    return value


def _require_unicode(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError("it has half of a surrogate pair, which is not Unicode text") from error


def _reject(number: str) -> NoReturn:
    raise ValueError(f"it has the number {number[:20]}, which is not finite or too large")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _reject(text)


def _integer(text: str) -> int:
    return int(text) if len(text) <= MAX_DIGITS else _reject(text)
