"""Recipes in TOML files."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from penstroke.errors import UsageError
from penstroke.recipes.fields import REMEDY
from penstroke.recipes.presets import RECIPES, book, get
from penstroke.recipes.recipe import Recipe
from penstroke.schema import InvalidFields, Problem, shown


def read_toml(path: Path, base: Recipe | None) -> Recipe:
    """Return the recipe in a TOML file; see ``Recipe.from_toml``."""
    text = _read_text(path)
    try:
        values = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is not a TOML file: {error}.", "Correct the syntax.") from error
    try:
        return _base(values, base).replace(**values)
    except InvalidFields as error:
        located = [problem._replace(text=f"{problem.text}{_line(text, problem)}") for problem in error.problems]
        raise InvalidFields.of(str(path), located, REMEDY) from None
    except UsageError as error:
        raise UsageError(f"{path} is invalid: {error.message}", error.remedy) from error


def toml_text(recipe: Recipe) -> str:
    """Return the text of a TOML file from which ``Recipe.from_toml`` makes an equal recipe."""
    # TOML has no None: such a value comes from a built-in recipe that has it, too.
    values = {name: value for name, value in recipe.flat().items() if value is not None}
    for name in RECIPES:
        if get(name).replace(**values) == recipe:
            lines = [f"recipe = {_toml(name)}", *(f"{field} = {_toml(value)}" for field, value in values.items())]
            return "\n".join(lines) + "\n"
    raise AssertionError("every field that can be None is None in a built-in recipe")


def _toml(value: Any) -> str:
    """Return a value as TOML, in which numbers and quoted texts without control characters are as in JSON."""
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UsageError(f"The recipe file {path} does not exist.") from error
    except OSError as error:
        raise UsageError(f"The recipe file {path} is not readable: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not a TOML file: byte {error.start} is not UTF-8 text.") from error


def _base(values: dict[str, Any], base: Recipe | None) -> Recipe:
    """Remove the key ``recipe`` from ``values``, and return the recipe that it names."""
    if "recipe" not in values:
        return base or book()
    name = values.pop("recipe")
    if not isinstance(name, str):
        raise UsageError(f"recipe is {shown(name)} but must be the name of a recipe.")
    return get(name)


def _line(text: str, problem: Problem) -> str:
    """Return the line of the file that sets the field of a problem, as `` (line 3)``, or nothing."""
    match = re.search(rf"^\s*{re.escape(problem.field)}\s*=", text, re.MULTILINE) if problem.field else None
    return f" (line {text.count(chr(10), 0, match.end()) + 1})" if match else ""
