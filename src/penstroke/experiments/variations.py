"""The fields of a recipe that an experiment varies, and their values as text. Imports neither torch nor NumPy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from penstroke.errors import UsageError, nearest
from penstroke.recipes import Option, options

FIXED = {"name": "the runs are named after the varied fields", "seed": "use --seeds"}
"""Fields that cannot be varied, with the reason or the remedy."""
PER_CHANNEL = ("mean", "std")
"""Fields with one number for all channels, or one for each."""
_EXAMPLE = "Write FIELD=VALUE,VALUE, for example --vary lr=0.1,0.5 or --vary channels=8x16,16x32."
_FLAGS = {"yes": True, "true": True, "no": False, "false": False}


@dataclass(frozen=True)
class Variation:
    """One or more fields of a recipe that change together, and their values.

    Args:
        fields: flat names.
        choices: one tuple for each choice, with one value for each field.
    """

    fields: tuple[str, ...]
    choices: tuple[tuple[Any, ...], ...]


def parse_variation(text: str) -> Variation:
    """Return the variation that a text describes.

    ``lr=0.1,0.5`` gives one field two values. ``channels=8x16,16x32`` gives a field with several numbers two values.
    ``optimizer:lr=adam:0.001,sgd:0.05`` changes two fields together.

    Raises:
        UsageError: the text is not of this form, a field is unknown, or a value does not have the type of its field.
    """
    names, equals, values = text.partition("=")
    if not equals or not names.strip() or not values.strip():
        raise UsageError(f"--vary is {text!r}; it must name a field and its values.", _EXAMPLE)
    known = {option.name: option for option in options()}
    fields = tuple(name.strip().replace("-", "_") for name in names.split(":"))
    check_fields(fields, "--vary")
    if len(set(fields)) < len(fields):
        raise UsageError(f"--vary is {text!r}; it names a field twice.", _EXAMPLE)
    choices = tuple(_choice(item, text, [known[field] for field in fields]) for item in values.split(","))
    repeated = [choice for number, choice in enumerate(choices) if choice in choices[:number]]
    if repeated:
        shown = ":".join(map(value_text, repeated[0]))
        raise UsageError(f"--vary is {text!r}; it has the value {shown} twice.", "Give each value once.")
    return Variation(fields, choices)


def check_fields(fields: Sequence[str], option: str) -> None:
    """Check that fields exist and can be varied.

    Raises:
        UsageError: one does not or cannot; the message names it and ``option``.
    """
    known = [each.name for each in options()]
    for field in fields:
        if field in FIXED:
            raise UsageError(f"{option} names the field {field!r}, which cannot be varied: {FIXED[field]}.")
        if field not in known:
            raise UsageError(f"{option} names the field {field!r}, which is unknown.", nearest(field, known))


def _choice(item: str, text: str, fields: Sequence[Option]) -> tuple[Any, ...]:
    parts = item.split(":")
    if len(parts) != len(fields):
        raise UsageError(
            f"--vary is {text!r}; {item!r} has {len(parts)} values for {len(fields)} fields.",
            "Separate the values of fields that change together by colons: --vary optimizer:lr=adam:0.001,sgd:0.05.",
        )
    return tuple(parse_value(field, part.strip()) for field, part in zip(fields, parts, strict=True))


def parse_value(option: Option, text: str) -> Any:
    """Return the value of a field from text, such as ``0.5``, ``16x32``, ``yes`` or ``adam``.

    Raises:
        UsageError: the text is not a value of the type of the field.
    """
    if text == "none" and option.optional:
        return None
    kind = option.type
    if kind is str:
        return text
    if kind is bool:
        if text in _FLAGS:
            return _FLAGS[text]
        raise UsageError(f"{option.name} is {text!r}; it must be yes or no.")
    single = get_origin(kind) is not tuple
    number = kind if single else get_args(kind)[0]
    try:
        values = tuple(number(part) for part in ([text] if single else text.split("x")))
    except ValueError:
        what = "a whole number" if number is int else "a number"
        several = "" if single else ", or several joined by x, such as 16x32"
        raise UsageError(f"{option.name} is {text!r}; it must be {what}{several}.") from None
    return values[0] if single or (option.name in PER_CHANNEL and len(values) == 1) else values


def value_text(value: Any) -> str:
    """Return a value as ``parse_value`` reads it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return "x".join(map(value_text, value))
    return f"{value:.12g}" if isinstance(value, float) else str(value)
