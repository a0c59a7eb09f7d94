"""The text of ``--help``: sections of two columns, wrapped at the width of the terminal.

It is built from cyclopts' description of the arguments. The help page of cyclopts takes twice as long, because it
imports rich.
"""

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence

from cyclopts import App, Argument

Row = tuple[str, str]
"""A label, and its description."""

_INDENT, _GAP = 2, 2
_LABEL_WIDTH = 26
_MAX_WIDTH = 120
_NO_BREAK = "\N{NO-BREAK SPACE}"


def help_page(command: App, commands: Sequence[Row] = (), flags: Sequence[Row] = ()) -> str:
    """Return the help of a command.

    Args:
        command: the command, or an application with commands.
        commands: the commands of an application with their summaries.
        flags: options of an application.
    """
    paragraphs = [_bold(f"Usage: {command.usage}"), command.help]
    narrow = max((len(name) for name, _ in commands), default=0)
    for title, rows, width in (("Commands", commands, narrow), *_sections(command), ("Options", flags, _LABEL_WIDTH)):
        if rows:
            paragraphs.append("\n".join([_bold(f"{title}:"), *(_lines(label, text, width) for label, text in rows)]))
    return "\n\n".join([*paragraphs, *filter(None, [command.help_epilogue])])


def _sections(command: App) -> Iterator[tuple[str, list[Row], int]]:
    """Yield title, rows and width of the first column for each group of arguments."""
    if command.default_command is None:
        return
    arguments = command.assemble_argument_collection(parse_docstring=False)
    for group in sorted(arguments.groups, key=lambda group: group.sort_key):
        rows = [(_label(argument), _description(argument)) for argument in arguments.filter_by(group=group)]
        yield group.name, rows, _LABEL_WIDTH


def _label(argument: Argument) -> str:
    """Return ``RUN``, ``--lr FLOAT`` or ``--[no-]tune``."""
    name = argument.names[0].lstrip("-")
    if argument.index is not None:
        return name.upper()
    if f"--no-{name}" in argument.negatives:
        return f"--[no-]{name}"
    return f"--{name} {argument.parameter.metavar or ''}".rstrip()


def _description(argument: Argument) -> str:
    """Return the help of an argument with its choices and default in brackets."""
    parameter = argument.parameter
    parts = [parameter.help or ""]
    if parameter.show_choices and (choices := argument.get_choices()):
        parts.append(f"[{', '.join(choices)}]")
    default = argument.field_info.default
    if callable(parameter.show_default):
        default = parameter.show_default(default)
    elif parameter.show_default is not None:
        default = parameter.show_default or None
    if default is not None and default is not argument.field_info.empty:
        parts.append(f"[default: {default}]")
    return " ".join(parts)


def _lines(label: str, description: str, width: int) -> str:
    """Return a label with the description in the second column, below it if the label is longer than ``width``."""
    column = _INDENT + width + _GAP
    unbroken = re.sub(r"\[[^]]*\]$| %", lambda match: match[0].replace(" ", _NO_BREAK), description)
    terminal = min(shutil.get_terminal_size().columns, _MAX_WIDTH)
    wrapped = textwrap.wrap(unbroken, max(20, terminal - column), break_on_hyphens=False)
    lines = [line.replace(_NO_BREAK, " ") for line in wrapped] or [""]
    first = " " * _INDENT + label
    if len(label) <= width:
        first = first.ljust(column) + lines.pop(0)
    return "\n".join([first, *(" " * column + line for line in lines)]).rstrip()


def _bold(text: str) -> str:
    return f"\x1b[1m{text}\x1b[0m" if sys.stdout.isatty() and "NO_COLOR" not in os.environ else text
