"""How the command line speaks: results on stdout, progress and warnings on stderr, JSON when asked."""

import json
import os
import sys
import traceback
from typing import Any, TextIO

from penstroke.errors import PenstrokeError


def emit(text: str, stream: TextIO) -> None:
    """Print a line; where the reader, such as `head`, has gone, it and all that follow go nowhere, and work goes on."""
    try:
        print(text, file=stream, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def say(text: str) -> None:
    """Print a line of the result."""
    emit(text, sys.stdout)


def say_json(value: Any) -> None:
    """Print the result as one JSON value."""
    say(json.dumps(value, ensure_ascii=False, allow_nan=False))


def warn(text: str) -> None:
    """Say something aloud that is no result."""
    emit(f"note: {text}", sys.stderr)


def as_fault(fault: PenstrokeError) -> dict[str, str]:
    """Return an error as JSON values."""
    return {"kind": fault.kind, "message": fault.message, "remedy": fault.remedy}


def print_error(fault: PenstrokeError, as_json: bool) -> None:
    """Print an error: what is wrong, and on a second line what to do about it."""
    if as_json:
        say_json({"error": as_fault(fault)})
        return
    emit(f"penstroke: {harmless(fault.message)}", sys.stderr)
    if fault.remedy:
        emit(f"  {harmless(fault.remedy)}", sys.stderr)


def harmless(text: str) -> str:
    """Return ``text`` with what would steer a terminal spelt out: it may come from a file or a server."""
    return "".join(letter if letter.isprintable() or letter == "\n" else f"\\x{ord(letter):02x}" for letter in text)


def print_bug(fault: Exception, as_json: bool) -> None:
    """Print an unforeseen error, with all that is needed to report it."""
    if as_json:
        remedy = "This is a bug of Penstroke: please report it with the command that you ran."
        say_json({"error": {"kind": "bug", "message": f"{type(fault).__name__}: {fault}", "remedy": remedy}})
    traceback.print_exception(fault)
    emit("penstroke: this is a bug of Penstroke; please report it with the lines above.", sys.stderr)


def percent(share: float) -> str:
    """Return a share of 0..1 as per cent."""
    return f"{100 * share:.2f} %"


def table(header: list[str], rows: list[list[str]]) -> str:
    """Return rows as aligned text: the first column to the left, the others to the right."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
