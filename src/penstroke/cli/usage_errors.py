"""The conversion of cyclopts' exceptions to ``UsageError``, from their fields: no message text is parsed."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Literal, get_args, get_origin

from cyclopts import (
    Argument,
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    RepeatArgumentError,
    Token,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)
from cyclopts.exceptions import ConsumeMultipleError

from penstroke.errors import PenstrokeError, UsageError, nearest
from penstroke.recipes import RECIPES


def usage_error(error: CycloptsError) -> PenstrokeError:
    """Return the error that is printed for an exception of cyclopts."""
    command = " ".join(("penstroke", *(error.command_chain or ())))
    see = f"See `{command} --help`."
    if isinstance(error.__cause__, PenstrokeError):  # raised by a converter in `options`
        return UsageError(error.__cause__.message, error.__cause__.remedy or see)
    match error:
        case UnknownCommandError():
            return _unknown_command(error, command, see)
        case UnknownOptionError():
            option = error.token.keyword or error.token.value.partition("=")[0]
            names = (name for argument in error.argument_collection for name in argument.names if argument.parse)
            return _unknown_option(option, names, see)
        case UnusedCliTokensError(unused_tokens=list(tokens)):
            return UsageError(f"`{command}` does not take {', '.join(map(repr, tokens))}.", see)
        case CoercionError(argument=Argument() as argument, token=Token() as token):
            return _wrong_value(error, token.keyword or _label(argument), token.value, see)
        case (
            ConsumeMultipleError(argument=Argument() as argument)
            | MissingArgumentError(argument=Argument() as argument)
        ):
            name = error.keyword or _label(argument)
            missing = f"{name} needs a value." if name.startswith("-") else f"{name} is missing."
            return UsageError(missing, see)
        case RepeatArgumentError():
            return UsageError(f"{error.token.keyword} is given more than once.", see)
    return UsageError(f"The arguments of `{command}` are invalid: {error}", see)


def _unknown_command(error: UnknownCommandError, command: str, see: str) -> UsageError:
    word = error.unused_tokens[0] if error.unused_tokens else ""
    known = list(error.app) if error.app else []
    if word.startswith("-"):
        return _unknown_option(word, (name for name in known if name.startswith("-")), see)
    if command == "penstroke" and word in RECIPES:
        remedy = f"{word} is a recipe: penstroke train {word}"
    else:
        remedy = nearest(word, (name for name in known if not name.startswith("-")))
    return UsageError(f"`{command}` has no command {word!r}.", remedy)


def _unknown_option(option: str, known: Iterable[str], see: str) -> UsageError:
    matches = get_close_matches(option, [name for name in known if name.startswith("--")], n=1)
    hint = f"Did you mean {matches[0]}? " if matches else ""
    return UsageError(f"The option {option} does not exist.", f"{hint}{see}")


def _wrong_value(error: CoercionError, name: str, value: str, see: str) -> UsageError:
    if get_origin(error.target_type) is Literal:
        return UsageError(f"{name} is {value!r}, which is unknown.", nearest(value, get_args(error.target_type)))
    rule = "it must be true or false" if error.target_type is bool else "it is invalid"
    return UsageError(f"{name} is {value!r}: {rule}.", see)


def _label(argument: Argument) -> str:
    """Return the name of an argument as the help prints it."""
    name = argument.names[0] if argument.names else argument.field_info.name
    return name if name.startswith("-") and argument.index is None else name.lstrip("-").upper()
