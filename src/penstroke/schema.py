"""Typed values that are checked when they are created: the base of network specs, recipes and descriptions.

Constraints are declared in the annotations of a class and checked by pydantic. All invalid fields are reported at
once. This module imports neither torch nor NumPy.
"""

import functools
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass as plain_dataclass
from difflib import get_close_matches
from threading import Lock
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union, dataclass_transform, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass, rebuild_dataclass
from pydantic.fields import FieldInfo
from pydantic_core import ArgsKwargs

from penstroke.errors import UsageError, nearest

Value = TypeVar("Value")

# Building a validator when the first instance is created, not at import, saves 30 ms of the import of recipes.
_CONFIG = ConfigDict(strict=True, allow_inf_nan=False, extra="forbid", defer_build=True)
_MAX_SHOWN = 80
"""Maximum length, in characters, of an invalid value in an error message."""


@plain_dataclass(frozen=True)
class Rule:
    """Annotation with the rule of a field in words, for fields whose type and bounds do not state it completely."""

    text: str
    """Completes the sentence "the value must be ..."."""


class Problem(NamedTuple):
    """One invalid field."""

    field: str
    """Name of the field; empty if the problem concerns several fields."""
    text: str
    """What is invalid, as a clause without the field and without a full stop: ``is 0 but must be ...``."""

    def __str__(self) -> str:
        return f"{self.field} {self.text}".lstrip()


class InvalidFields(UsageError):
    """A value with invalid fields; ``problems`` lists them."""

    problems: tuple[Problem, ...] = ()

    @classmethod
    def of(cls, what: str, problems: Sequence[Problem], remedy: str = "Correct these fields.") -> "InvalidFields":
        """Return the error that lists ``problems`` of ``what``."""
        error = cls(f"{what} is invalid: {'; '.join(map(str, problems))}.", remedy)
        error.problems = tuple(problems)
        return error


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
def value_class(cls: type[Value]) -> type[Value]:
    """Make ``cls`` a frozen keyword-only dataclass whose fields are checked when an instance is created.

    Types are strict: a bool is not a number, and text is not converted. An int is accepted for a float, and NaN and
    infinity are rejected. Creating an invalid instance raises ``InvalidFields``, a ``UsageError``. A static method
    ``_remedy`` of the class, if there is one, returns the remedy for the problems.
    """
    checked: Any = dataclass(cls, frozen=True, kw_only=True, config=_CONFIG)
    lock = Lock()
    remedy: Callable[[Sequence[Problem]], str] = getattr(cls, "_remedy", lambda _: "Correct these fields.")

    @functools.wraps(checked.__init__)
    def __init__(self: Any, **values: Any) -> None:  # noqa: N807
        with lock:
            if not checked.__pydantic_complete__:
                rebuild_dataclass(checked, force=True)
                checked.__init__ = __init__  # pydantic has replaced it
        try:
            checked.__pydantic_validator__.validate_python(ArgsKwargs((), values), self_instance=self)
        except ValidationError as error:
            problems = list(_problems(checked, values, error))
            raise InvalidFields.of(cls.__name__, problems, remedy(problems)) from None

    checked.__init__ = __init__
    return checked


def as_tuple(value: Any) -> Any:
    """Return a list as a tuple, and any other value unchanged."""
    return tuple(value) if isinstance(value, list) else value


def as_number_or_tuple(value: Any) -> Any:
    """Return a list or tuple of one item as that item, a longer list as a tuple, any other value unchanged."""
    value = as_tuple(value)
    return value[0] if isinstance(value, tuple) and len(value) == 1 else value


FromList = BeforeValidator(as_tuple)
"""Annotation of a tuple: a list, as in JSON and TOML, is converted."""
PerChannel = BeforeValidator(as_number_or_tuple)
"""Annotation of one number for all channels, or a tuple with one for each: a list is converted."""


def fields_of(cls: type[Any]) -> dict[str, FieldInfo]:
    """Return the fields of a value class by name, in order."""
    return dict(cls.__pydantic_fields__)


def requirement(cls: type[Any], name: str) -> str:
    """Return the rule of a field in words, for example ``a whole number from 0 to 64``."""
    field = cls.__pydantic_fields__[name]
    return _requirement(field.annotation, field.metadata)


def shown(value: Any) -> str:
    """Return a value as it appears in an error message: its ``repr``, shortened."""
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."


def unknown_field(name: str, known: Sequence[str]) -> Problem:
    """Return the problem of a field that does not exist, with the most similar name if there is one."""
    similar = get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    return Problem(
        shown(name)[1:-1] or "''", "is not a field" + (f" (did you mean {similar[0]!r}?)" if similar else "")
    )


def unknown_choice(name: str, value: Any, known: Sequence[str]) -> Problem:
    """Return the problem of a field whose value is not one of the ``known`` names."""
    if isinstance(value, str):
        return Problem(name, f"is {shown(value)}, which is unknown ({nearest(value, known).rstrip('.')})")
    return Problem(name, f"is {shown(value)} but must be one of {', '.join(known)}")


def _problems(cls: type[Any], values: Mapping[str, Any], error: ValidationError) -> Iterator[Problem]:
    """Yield one problem for each invalid field of ``cls``."""
    reported = set()
    for item in error.errors(include_url=False, include_input=False):
        if not item["loc"]:
            yield Problem("", str(item["ctx"]["error"]))
            continue
        name = str(item["loc"][0])
        if name in reported:
            continue
        reported.add(name)
        if name not in cls.__pydantic_fields__:
            yield unknown_field(name, list(cls.__pydantic_fields__))
        elif name not in values:
            yield Problem(name, "is missing")
        else:
            yield Problem(name, f"is {shown(values[name])} but must be {requirement(cls, name)}")


def _requirement(hint: Any, metadata: Sequence[Any] = (), plural: bool = False) -> str:
    for item in metadata:
        if isinstance(item, Rule):
            return item.text
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _requirement(arguments[0], [*arguments[1:], *metadata], plural)
    if origin in (Union, types.UnionType):
        return " or ".join(_requirement(choice, metadata) for choice in arguments if choice is not type(None))
    if origin is Literal:
        return f"one of {', '.join(arguments)}"
    if origin is tuple:
        count = "one or more" if arguments[-1] is Ellipsis else str(len(arguments))
        return f"{count} {_requirement(arguments[0], plural=True)}"
    words = {int: ("a whole number", "whole numbers"), float: ("a number", "numbers"), str: ("text", "texts")}
    words |= {bool: ("true or false", "true or false")}
    return f"{words[hint][plural] if hint in words else f'a {hint.__name__}'}{_bounds(metadata, plural)}"


def _bounds(metadata: Sequence[Any], plural: bool) -> str:
    """Return the bounds of a number in words, to be appended to its type, or nothing."""
    words = {Ge: "at least", Gt: "above", Le: "at most", Lt: "below"}
    values = {kind: getattr(item, kind.__name__.lower()) for item in metadata for kind in words if type(item) is kind}
    if values.keys() == {Ge, Le}:
        return f" from {values[Ge]} to {values[Le]}"
    clauses = " and ".join(f"{word} {values[kind]}" for kind, word in words.items() if kind in values)
    return f", {'each ' if plural else ''}{clauses}" if clauses else ""


def collected(problems: list[Problem], create: Callable[[], Value]) -> Value | None:
    """Return what ``create`` returns, or add its invalid fields to ``problems`` and return None."""
    try:
        return create()
    except InvalidFields as error:
        problems.extend(error.problems)
        return None
