"""From words on the command line to a typed dataclass, with one clear error for what does not fit."""

import contextlib
import io
import re
from collections.abc import Sequence
from typing import Any, TypeVar

import tyro

from penstroke.errors import UsageError

Options = TypeVar("Options")


def parse(kind: type[Options], verb: str, words: Sequence[str], default: Options | None = None) -> Options:
    """Return the dataclass ``kind`` filled from ``words``; ``--help`` prints its help and exits.

    Raises:
        UsageError: a word is unknown, missing or of the wrong type, with the nearest option.
    """
    complaint = io.StringIO()
    settings: dict[str, Any] = {} if default is None else {"default": default}
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(
                kind,
                prog=f"penstroke {verb}",
                args=list(words),
                config=(tyro.conf.OmitArgPrefixes, tyro.conf.AvoidSubcommands, tyro.conf.FlagCreatePairsOff),
                **settings,
            )
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        message, options = _read_complaint(complaint.getvalue())
        hint = f"Perhaps you meant {' or '.join(options)}. " if options else ""
        raise UsageError(message, f"{hint}See `penstroke {verb} --help`.") from None


def _read_complaint(complaint: str) -> tuple[str, list[str]]:
    """Return tyro's boxed complaint as one plain sentence, and the options that it thinks were meant."""
    lines = [re.sub(r"[╭╮╰╯│─]+", " ", line).strip() for line in complaint.splitlines()]
    # The first line is the box's title, which the second one repeats in full.
    text = "\n".join(line for line in lines[1:] if line)
    text, _, meant = re.split(r"For full helptext|Argument helptext", text)[0].partition("Perhaps you meant:")
    sentence = " ".join(text.split()).removeprefix("Error parsing recipe: ").rstrip(".")
    return f"{sentence}.", re.findall(r"^(--[\w-]+)", meant, re.MULTILINE)
