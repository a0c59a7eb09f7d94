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
        raise UsageError(_in_one_line(complaint.getvalue()), f"See `penstroke {verb} --help`.") from None


def _in_one_line(complaint: str) -> str:
    """Return tyro's boxed complaint as plain text."""
    lines = [re.sub(r"[╭╮╰╯│─]+", " ", line).strip() for line in complaint.splitlines()]
    kept = [line for line in lines if line and not line.startswith("For full helptext")]
    # The first line is the box's title, which the second one repeats in full.
    text = " ".join(" ".join(kept[1:] or kept).split())
    return text if text.endswith(".") else f"{text}."
