"""The fields of recipes as options of the command line, derived from the parts."""

import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from penstroke.recipes.fields import CHOICES, PARTS, all_parts, flat_name
from penstroke.recipes.recipe import Recipe
from penstroke.schema import fields_of


@dataclass(frozen=True)
class Option:
    """One flat field of a recipe."""

    name: str
    """Flat name, for example ``batch_size``."""
    type: Any
    """``int``, ``float``, ``str``, ``bool``, ``tuple[int, ...]`` or ``tuple[float, ...]``."""
    help: str
    """What the field is, and the kinds of parts to which it applies."""
    choices: tuple[str, ...] = ()
    """The valid values of a field that is one of several words."""
    optional: bool = False
    """Whether the field may have no value (None)."""


def options() -> list[Option]:
    """Return all flat fields that a recipe can have, in the order of the fields of ``Recipe`` and its parts."""
    result: list[Option] = []
    for name, field in fields_of(Recipe).items():
        if name in CHOICES:
            result.append(Option(name, str, str(field.description), tuple(CHOICES[name])))
            result += _options_of_parts(name)
        elif name in PARTS:
            result += _options_of_parts(name)
        else:
            result.append(_option(name, field.annotation, str(field.description)))
    names = [option.name for option in result]
    assert len(set(names)) == len(names), f"Two parts of a recipe share a flat name: {sorted(names)}."
    return result


def _options_of_parts(owner: str) -> Iterator[Option]:
    """Yield the options for the fields of all kinds of one part, each once."""
    parts = [part for name, part in all_parts() if name == owner]
    for name in dict.fromkeys(name for part in parts for name in fields_of(part)):
        with_field = [part for part in parts if name in fields_of(part)]
        field, flat = fields_of(with_field[0])[name], flat_name(with_field[0], name)
        kinds = [_plain_type(fields_of(part)[name].annotation) for part in with_field]
        if any(kind != kinds[0] for kind in kinds):
            classes = ", ".join(part.__name__ for part in with_field)
            raise TypeError(f"{classes} declare the field {name!r} with different types; rename it in one of them.")
        suffix = ""
        if len(with_field) < len(parts):
            suffix = f" Only for {owner} {', '.join(part.kind for part in with_field)}."
        elif owner == "validation" and flat != owner:
            suffix = " Only with validation."
        yield _option(flat, field.annotation, f"{field.description}{suffix}")


def _option(name: str, hint: Any, text: str) -> Option:
    """Return the option for a field with the annotation ``hint``."""
    return Option(name, _plain_type(hint), text, _words(hint), type(None) in get_args(hint))


def _words(hint: Any) -> tuple[str, ...]:
    """Return the valid values of a field that is one of several words, otherwise nothing."""
    return get_args(hint) if get_origin(hint) is Literal else ()


def _plain_type(hint: Any) -> Any:
    """Return the type of a field without constraints; a number or a tuple of numbers is a tuple."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _plain_type(arguments[0])
    if origin is Literal:
        return str
    if origin is tuple:
        return types.GenericAlias(tuple, (_plain_type(arguments[0]), ...))
    if origin in (Union, types.UnionType):
        choices = [_plain_type(choice) for choice in arguments if choice is not type(None)]
        return next((choice for choice in choices if get_origin(choice) is tuple), choices[0])
    return hint
