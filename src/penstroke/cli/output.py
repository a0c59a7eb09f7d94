"""The output of the command line: results on stdout, progress and warnings on stderr."""

import json
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from penstroke.errors import PenstrokeError
from penstroke.runtime.terminal import emit


@dataclass(frozen=True)
class Result:
    """The result of a command.

    Args:
        value: what ``--json`` prints.
        text: what is printed otherwise.
        exit_code: the exit code of the command.
        errors: errors of single items, for stderr; ``value`` also contains them.
        printed: whether the command has printed its result itself, while it was made.
    """

    value: Any
    text: str = ""
    exit_code: int = 0
    errors: Sequence[PenstrokeError] = ()
    printed: bool = False


def print_result(result: Result, *, as_json: bool) -> None:
    """Print the result of a command as one JSON value or as text."""
    if result.printed:
        return
    if as_json:
        print_json(result.value)
        return
    for error in result.errors:
        print_error(error, as_json=False)
    if result.text:
        say(result.text)


def print_json(value: Any) -> None:
    """Print one JSON value on stdout."""
    say(_to_json(value))


def _to_json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace").decode()  # file names that are not UTF-8: an escape of JSON


class JsonArray:
    """Prints one JSON array on stdout, item by item, so that the items need not be in memory together."""

    def __init__(self) -> None:
        self._before = "["

    def add(self, value: Any) -> None:
        """Print the next item, on a line of its own."""
        say(self._before + _to_json(value), end="")
        self._before = ",\n"

    def close(self) -> None:
        """Print the end of the array."""
        say("[]" if self._before == "[" else "]")


def say(text: str, end: str = "\n") -> None:
    """Print a line of the result on stdout."""
    emit(text, sys.stdout, end)


_notes = {"muted": False}


def mute_notes() -> None:
    """Print no notes in this process, because another one prints them."""
    _notes["muted"] = True


def warn(text: str) -> None:
    """Print a note on stderr."""
    if not _notes["muted"]:
        emit(f"note: {escape_control(text)}", sys.stderr)


def print_error(error: PenstrokeError, *, as_json: bool) -> None:
    """Print an error: the message, and the remedy on a second line."""
    if as_json:
        print_json({"error": error.to_json()})
        return
    emit(f"penstroke: {escape_control(error.message)}", sys.stderr)
    if error.remedy:
        emit(f"  {escape_control(error.remedy)}", sys.stderr)


def print_bug(error: Exception, *, as_json: bool) -> None:
    """Print an unexpected exception with its traceback, which a bug report needs."""
    if as_json:
        remedy = "This is a bug in Penstroke. Please report it with the command that you ran."
        print_json({"error": {"kind": "bug", "message": f"{type(error).__name__}: {error}", "remedy": remedy}})
    traceback.print_exception(error)
    emit("penstroke: this is a bug in Penstroke. Please report it with the lines above.", sys.stderr)


def escape_control(text: str) -> str:
    """Return ``text`` with control characters escaped; text from files and servers can contain them."""
    return "".join(letter if letter.isprintable() or letter == "\n" else f"\\x{ord(letter):02x}" for letter in text)


def percent(share: float) -> str:
    """Return a fraction, 0..1, as a percentage."""
    return f"{100 * share:.2f} %"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows as aligned text; columns of numbers are right-aligned, others left-aligned."""
    columns = []
    for name, *cells in zip(header, *rows, strict=True):
        width = max(map(len, (name, *cells)))
        justify = str.rjust if cells and all(cell[:1].isdigit() for cell in cells) else str.ljust
        columns.append([justify(cell, width) for cell in (name, *cells)])
    return "\n".join("  ".join(line).rstrip() for line in zip(*columns, strict=True))
