"""From words on the command line to a typed dataclass, with one clear error for what does not fit."""

import contextlib
import io
import re
import sys
from collections.abc import Sequence
from typing import Any, TypeVar

import tyro

from penstroke.cli.output import say
from penstroke.errors import UsageError

Options = TypeVar("Options")

_KINDS = {"invalid literal for int()": "a whole number", "could not convert string to float": "a number"}


def parse(kind: type[Options], usage: str, words: Sequence[str], default: Options | None = None) -> Options:
    """Return the dataclass ``kind`` filled from ``words``; ``--help`` prints its help and exits.

    Args:
        kind: a dataclass with a default for each option.
        usage: the verb, and what may follow it: `test [RUN] [options]`.
        words: what followed the verb.
        default: values where ``words`` give none, instead of the class's own.

    Raises:
        UsageError: a word is unknown, missing or of the wrong type, with the nearest option.
    """
    verb = re.split(r" [\[A-Z]", usage)[0]
    # tyro draws its boxes in what the output can show, so the stand-in must have the output's encoding.
    help_text, complaint = (
        io.TextIOWrapper(io.BytesIO(), encoding=getattr(sys.stdout, "encoding", None) or "utf-8"),
        io.StringIO(),
    )
    settings: dict[str, Any] = {} if default is None else {"default": default}
    try:
        with contextlib.redirect_stdout(help_text), contextlib.redirect_stderr(complaint):
            return tyro.cli(
                kind,
                prog=f"penstroke {verb}",
                args=list(words),
                config=(tyro.conf.OmitArgPrefixes, tyro.conf.AvoidSubcommands, tyro.conf.FlagCreatePairsOff),
                **settings,
            )
    except SystemExit as stop:
        if stop.code in (0, None):
            help_text.seek(0)
            say(_plain_help(help_text.read(), usage))
            raise
        message, option = _read_complaint(complaint.getvalue(), verb)
        hint = f"Perhaps you meant {option}. " if option else ""
        raise UsageError(message, f"{hint}See `penstroke {verb} --help`.") from None


def _plain_help(text: str, usage: str) -> str:
    """Return tyro's help with our own usage line, and without Python's word for an option that is not given."""
    body = text.partition("\n\n")[2].rstrip()
    body = re.sub(r"\{None\}\|(\w+\]?)", r"\1       ", body)  # as wide as before, since it stands in a box
    body = re.sub(r"\(default: (?:None|False|True|)\)", lambda found: " " * len(found[0]), body)
    return f"usage: penstroke {usage}\n\n{body}"


def _read_complaint(complaint: str, verb: str) -> tuple[str, str]:
    """Return tyro's boxed complaint as one plain sentence, and the option that it thinks was meant, if any."""
    lines = [re.sub(r"[╭╮╰╯│─]+|-{5,}", " ", line).strip() for line in complaint.splitlines()]
    # The first line is the box's title, which the second one repeats in full.
    text = "\n".join(line for line in lines[1:] if line)
    text, _, meant = re.split(r"For full helptext|Argument helptext", text)[0].partition("Perhaps you meant:")
    sentence = " ".join(text.split()).removeprefix("Error parsing recipe: ").rstrip(".")
    options = re.findall(r"^(--[\w-]+)", meant, re.MULTILINE)
    return _in_plain_words(sentence, verb), options[0] if options else ""


def _in_plain_words(sentence: str, verb: str) -> str:
    unknown = sentence.removeprefix("Unrecognized options: ")
    if unknown != sentence:
        words = unknown.split(", ")
        if options := [word for word in words if word.startswith("-")]:  # what follows them are their values
            return f"There is no option {' and no option '.join(options)}."
        return f"`penstroke {verb}` has no place for {', '.join(words)}."
    for jargon, wanted in _KINDS.items():
        if found := re.match(rf"Error parsing (\S+): {re.escape(jargon)}.*: '(.*)'$", sentence):
            return f"{found[1]} is '{found[2]}', and must be {wanted}."
    return f"{sentence}."
