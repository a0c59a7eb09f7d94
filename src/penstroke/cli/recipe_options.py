"""The fields of recipes as options of a command, derived from ``recipes.options``."""

import inspect
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin

from cyclopts import Group, Parameter, Token

from penstroke import recipes
from penstroke.cli.options import integer, number
from penstroke.data import CARDS, split_source
from penstroke.recipes.fields import CHOICES, PARTS, flat_names

Function = TypeVar("Function", bound=Callable[..., Any])

_FIRST = 10
"""Sort key of the first group, after those of the other options."""


def with_recipe_options(function: Function) -> Function:
    """Replace ``**fields`` in the signature of a command by one option for each flat field of a recipe.

    The command receives the fields that the command line gives, and no others.
    """
    signature = inspect.signature(function)
    *own, fields = signature.parameters.values()
    assert fields.kind is inspect.Parameter.VAR_KEYWORD, "the last parameter takes the fields"
    options = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in _annotations().items()
    ]
    function.__annotations__ = function.__annotations__ | {option.name: option.annotation for option in options}
    function.__signature__ = signature.replace(parameters=[*own, *options])  # type: ignore[attr-defined]
    return function


def chosen_recipe(
    name: str | None, config: Path | None, fields: dict[str, Any], data: str | None = None
) -> recipes.Recipe:
    """Return the recipe of a TOML file or of a name, by default that for the data, changed by the options.

    Args:
        name: the name of a recipe, if given.
        config: a TOML file, if given.
        fields: values of some fields.
        data: what the data are loaded from; see ``default_recipe``.

    Raises:
        UsageError: the file, the name or a field is invalid.
    """
    base = recipes.get(name) if name else None
    recipe = recipes.Recipe.from_toml(config, base) if config else base or recipes.get(default_recipe(data))
    return recipe.replace(**fields)


def default_recipe(data: str | None) -> str:
    """Return the name of the recipe for a dataset: `book` for known digits, otherwise `general`.

    Args:
        data: what the data are loaded from; None for the default.
    """
    base = str(split_source(data or "auto")[0])
    known = CARDS.get(base)
    return "book" if base == "auto" or (known and known.preprocessing == "digit") else "general"


def _annotations() -> dict[str, Any]:
    """Return the annotation of the option for each flat field of a recipe."""
    groups: dict[str, Group] = {}
    annotations = {}
    for option in recipes.options():
        title = _part(option.name).capitalize()
        group = groups.setdefault(title, Group(title, sort_key=_FIRST + len(groups)))
        kinds = f"{option.help.rstrip('.')}: {', '.join(option.choices)}." if option.name in CHOICES else option.help
        parameter = Parameter(
            group=group,
            help=kinds,
            metavar=_metavar(option),
            choices=option.choices or None,
            show_choices=False,
            show_default=partial(_values, option.name),
            negative_iterable="",
            consume_multiple=(1, None) if get_origin(option.type) is tuple else None,
            converter=_converter(option.type),
        )
        annotations[option.name] = Annotated[option.type | None, parameter]
    return annotations


def _metavar(option: recipes.Option) -> str | None:
    """Return the placeholder of a value in the help; None for a flag."""
    if option.choices or option.type is bool:
        return "CHOICE" if option.choices else None
    if get_origin(option.type) is tuple:
        return f"{get_args(option.type)[0].__name__.upper()}..."
    return "TEXT" if option.type is str else str(option.type.__name__).upper()


def _part(name: str) -> str:
    """Return the part of a recipe that a flat field belongs to, or ``training`` for the recipe itself."""
    for part, kinds in CHOICES.items():
        if name == part or any(name in flat_names(kind) for kind in kinds.values()):
            return part
    return next((part for part, kind in PARTS.items() if name in flat_names(kind)), "training")


def _values(name: str, default: None) -> str | None:  # noqa: ARG001 - the signature of `show_default`
    """Return the value of a field in the first recipe, with the recipes that have another one in parentheses."""
    texts = {recipe: _text(flat.get(name)) for recipe, flat in _flat_recipes().items()}
    if not any(texts.values()) or name == "name":
        return None
    (_, first), *others = texts.items()
    different: dict[str, list[str]] = {}
    for recipe, text in others:
        if text and text != first:
            different.setdefault(text, []).append(recipe)
    groups = ", ".join(f"{_listed(names)}: {text}" for text, names in different.items())
    return f"{first or 'none'} ({groups})" if groups else first


def _listed(names: list[str]) -> str:
    """Return names as in a sentence: ``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


@cache
def _flat_recipes() -> dict[str, dict[str, Any]]:
    return {name: recipes.get(name).flat() for name in recipes.RECIPES}


def _text(value: Any) -> str:
    """Return a value as on the command line; nothing for a field that does not apply or has no value."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _converter(kind: Any) -> Callable[[Any, Sequence[Token]], Any] | None:
    """Return the converter from arguments to values of a type, or None for text and flags."""
    parse = {int: integer, float: number}.get(get_args(kind)[0] if get_origin(kind) is tuple else kind)
    if parse is None:
        return None

    def convert(type_: Any, tokens: Sequence[Token]) -> Any:  # noqa: ARG001 - the signature of a converter
        values = tuple(parse(token) for token in tokens)
        return values if get_origin(kind) is tuple else values[0]

    return convert
