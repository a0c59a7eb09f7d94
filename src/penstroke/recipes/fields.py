"""The flat view of a recipe: one unique name for each field of its parts, as on the command line and in JSON.

This module imports neither torch nor NumPy.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from penstroke.networks import NETWORKS
from penstroke.recipes.parts import OPTIMIZERS, SCHEDULES, Augmentation, Evaluation, Selection, Validation
from penstroke.schema import (
    InvalidFields,
    Problem,
    Value,
    collected,
    fields_of,
    shown,
    unknown_choice,
    unknown_field,
)

if TYPE_CHECKING:
    from penstroke.recipes.recipe import Recipe

CHOICES: dict[str, dict[str, Any]] = {"network": NETWORKS, "optimizer": OPTIMIZERS, "schedule": SCHEDULES}
"""The parts of which a recipe has one of several kinds; the flat name of the part is its kind."""
FIXED: dict[str, type[Any]] = {"augmentation": Augmentation, "evaluation": Evaluation, "selection": Selection}
"""The parts of one kind that every recipe has."""
PARTS = FIXED | {"validation": Validation}
"""The parts of one kind."""
_FLAT_NAMES = {(Validation, "share"): "validation", (Validation, "seed"): "validation_seed"}
"""Flat names of the fields whose own name is not unique or clear without their part."""
REMEDY = "Correct these fields; `penstroke train --help` lists all of them."


def flat_name(part: type[Any], field: str) -> str:
    """Return the flat name of a field of a part."""
    return _FLAT_NAMES.get((part, field), field)


def flat_names(part: type[Any]) -> dict[str, str]:
    """Return the fields of a part by their flat names."""
    return {flat_name(part, name): name for name in fields_of(part)}


def of_network(kind: str) -> dict[str, str]:
    """Return the fields of a kind of network by their flat names."""
    return flat_names(NETWORKS[kind])


def flatten(recipe: "Recipe") -> dict[str, Any]:
    """Return all fields of a recipe by their flat names; see ``Recipe.flat``."""
    flat: dict[str, Any] = {}
    for name in fields_of(type(recipe)):
        value = getattr(recipe, name)
        if name == "validation" and value is None:
            flat[name] = 0.0
        elif name in CHOICES:
            flat |= {name: value.kind} | _flat_part(value)
        elif name in PARTS:
            flat |= _flat_part(value)
        else:
            flat[name] = value
    return flat


def _flat_part(part: Any) -> dict[str, Any]:
    return {flat: getattr(part, name) for flat, name in flat_names(type(part)).items()}


def assemble(cls: "type[Recipe]", given: Mapping[str, Any], inherited: Mapping[str, Any]) -> "Recipe":
    """Return the recipe with the values of ``given`` and, for the other fields that apply, those of ``inherited``.

    Args:
        cls: the class of the recipe.
        given: flat values, or whole parts under their names. Each must apply.
        inherited: flat values, as from ``flatten``. Those that do not apply are left out.

    Raises:
        InvalidFields: listing every invalid field.
    """
    problems: list[Problem] = []
    given = _expanded(given, inherited.get("network"), problems)
    values = _default_kinds(cls) | _inherit(inherited, given)
    chosen = _chosen_parts(values, problems)
    arguments = {name: values[name] for name in _own_names(cls) if name in values}
    for name, part in chosen.items():
        created = _create(part, values, problems)
        if created is not None:
            arguments[name] = created
    problems += _inapplicable(cls, given, chosen, values)
    problems += _ambiguous(cls, chosen["network"]) if "network" in chosen else []
    for name in ("optimizer", "schedule"):
        if name not in chosen:
            _check_alone(name, given, problems)
    recipe = collected(problems, lambda: cls(**arguments))
    if recipe is None or problems:
        raise InvalidFields.of(f"The recipe {shown(values.get('name'))}", problems, remedy(REMEDY, problems))
    return recipe


def _expanded(given: Mapping[str, Any], network: Any, problems: list[Problem]) -> dict[str, Any]:
    """Return flat values, with the fields of whole parts in the place of the parts."""
    parts: dict[str, Any] = {}
    flat: dict[str, Any] = {}
    for name, value in given.items():
        if name == "network" and isinstance(value, dict):
            parts |= _expanded_network({"kind": network} | value, problems)
        elif type(value) in CHOICES.get(name, {}).values():
            parts |= {name: value.kind} | _flat_part(value)
        elif isinstance(value, PARTS.get(name, ())):
            parts |= _flat_part(value)
        elif name in FIXED:
            problems.append(Problem(name, f"is {shown(value)} but must be of type {FIXED[name].__name__}"))
        else:
            flat[name] = value
    return parts | flat


def _expanded_network(values: dict[str, Any], problems: list[Problem]) -> dict[str, Any]:
    """Return the flat values of a JSON object or TOML table with the fields of a network."""
    kind = values.pop("kind")
    if not isinstance(kind, str) or kind not in NETWORKS:
        return {"network": kind}  # reported as an unknown choice
    known = of_network(kind)
    problems += [unknown_field(name, list(known)) for name in values if name not in known]
    return {"network": kind} | {name: value for name, value in values.items() if name in known}


def _inherit(inherited: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return all values, given and inherited. A part of a new kind starts from its defaults.

    The kinds of a part share names but not sensible values: 0.5 is a learning rate for Adadelta and not for Adam.
    """
    dropped: set[str] = set()
    for name, kinds in CHOICES.items():
        old = inherited.get(name)
        if given.get(name, old) != old:
            dropped.update(flat for part in kinds.values() for flat in flat_names(part))
    return {name: value for name, value in inherited.items() if name not in dropped} | dict(given)


def _chosen_parts(values: Mapping[str, Any], problems: list[Problem]) -> dict[str, type[Any]]:
    """Return the classes of the parts that the recipe has, by their names; a part of an unknown kind is left out."""
    chosen: dict[str, type[Any]] = {}
    for name, kinds in CHOICES.items():
        kind = values[name]
        if isinstance(kind, str) and kind in kinds:
            chosen[name] = kinds[kind]
        else:
            problems.append(unknown_choice(name, kind, list(kinds)))
    return chosen | FIXED | ({"validation": Validation} if _has_validation(values) else {})


def _has_validation(values: Mapping[str, Any]) -> bool:
    share = values.get("validation")
    return share is not None and not (type(share) in (int, float) and share == 0)


def _create(part: type[Value], values: Mapping[str, Any], problems: list[Problem]) -> Value | None:
    """Return the part with its values among the flat ``values``, or None after adding to ``problems``."""
    names = flat_names(part)
    invalid: list[Problem] = []
    created = collected(invalid, lambda: part(**{name: values[flat] for flat, name in names.items() if flat in values}))
    problems += [problem._replace(field=flat_name(part, problem.field)) for problem in invalid]
    return created


def _check_alone(owner: str, given: Mapping[str, Any], problems: list[Problem]) -> None:
    """Add the invalid fields of a part whose kind is unknown. Each is checked by the first kind that has it."""
    parts = {flat: part for name, part in reversed(list(all_parts())) if name == owner for flat in flat_names(part)}
    for flat in given:
        if flat in parts:
            _create(parts[flat], {flat: given[flat]}, problems)


def _inapplicable(
    cls: "type[Recipe]", given: Mapping[str, Any], chosen: Mapping[str, type[Any]], values: Mapping[str, Any]
) -> list[Problem]:
    """Return a problem for each given field that is unknown, or not a field of the chosen parts."""
    owners = {flat: name for name, part in all_parts() for flat in flat_names(part)}
    applicable = {flat for part in chosen.values() for flat in flat_names(part)}
    known = [*_own_names(cls), *CHOICES, *owners]
    problems = []
    for name in given:
        owner = owners.get(name, "")
        if name not in known:
            problems.append(unknown_field(name, known))
        elif owner == "validation" and owner not in chosen and name != owner:
            problems.append(Problem(name, "applies only with validation"))
        elif owner in chosen and name not in applicable:
            problems.append(Problem(name, f"does not apply to {owner} {values[owner]!r}"))
    return problems


def _ambiguous(cls: "type[Recipe]", network: type[Any]) -> list[Problem]:
    """Return a problem for each field of a network, such as one of the user, that has the name of another field."""
    others = {flat for owner, part in all_parts() if owner != "network" for flat in flat_names(part)}
    taken = others | {*_own_names(cls), *CHOICES}
    return [
        Problem(name, f"is a field of the network {network.kind!r} and of recipes; rename it in the network")
        for name in flat_names(network)
        if name in taken
    ]


def remedy(general: str, problems: Sequence[Problem]) -> str:
    """Return the remedy for invalid fields of a recipe.

    Args:
        general: the remedy for any field. A sentence is added for flat names that were given as fields of ``Recipe``,
            and for a network that is a module.
        problems: the invalid fields.
    """
    flat = {name for _, part in all_parts() for name in flat_names(part)}
    sentences = [general]
    for field, text in problems:
        if field in flat and text.startswith("is not a field"):
            sentences.append(f"Flat names are accepted by recipes.book({field}=...) and recipe.replace({field}=...).")
            break
    if any(field == "network" and "but must be" in text for field, text in problems):
        sentences.append("Pass your own module to fit(recipe, data, network=module).")
    return " ".join(sentences)


def all_parts() -> Iterator[tuple[str, type[Any]]]:
    """Yield the name in a recipe and the class of each part that a recipe can have."""
    for name, kinds in CHOICES.items():
        for part in kinds.values():
            yield name, part
    yield from PARTS.items()


def _own_names(cls: "type[Recipe]") -> list[str]:
    """Return the names of the fields that are not parts."""
    return [name for name in fields_of(cls) if name not in CHOICES and name not in PARTS]


def _default_kinds(cls: "type[Recipe]") -> dict[str, Any]:
    """Return the kinds of the parts of a recipe for which none is given."""
    fields = fields_of(cls)
    return {name: fields[name].get_default(call_default_factory=True).kind for name in CHOICES}
