"""The ranges of recipe fields that tuning searches. Imports neither torch, NumPy nor Optuna."""

from dataclasses import dataclass
from typing import Any

from penstroke.errors import UsageError
from penstroke.experiments.variations import check_fields, parse_value, value_text
from penstroke.recipes import Option, Recipe, options
from penstroke.recipes.fields import CHOICES

LOG_FROM = 10.0
"""A range of numbers whose bounds differ by this factor is searched on a logarithmic scale."""
_EXAMPLE = "Write FIELD=LOW..HIGH or FIELD=VALUE,VALUE: --range lr=0.01..1 or --range channels=8x16,16x32."


@dataclass(frozen=True)
class Range:
    """The values of one field.

    Args:
        field: flat name.
        low: smallest number, or None for choices.
        high: largest number, or None for choices.
        choices: the values as text, as ``parse_value`` reads them; empty for an interval of numbers.
    """

    field: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()

    @property
    def log(self) -> bool:
        """Whether the interval is searched on a logarithmic scale."""
        return self.low is not None and self.high is not None and 0 < self.low * LOG_FROM <= self.high

    def __str__(self) -> str:
        """Return the text from which ``parse_range`` makes an equal range."""
        if self.choices:
            return f"{self.field}={','.join(self.choices)}"
        return f"{self.field}={value_text(self.low)}..{value_text(self.high)}"


def parse_range(text: str) -> Range:
    """Return the range that a text describes: ``lr=0.01..1``, ``hidden=32..128`` or ``optimizer=adam,sgd``.

    Raises:
        UsageError: the text is not of this form, the field is unknown, or a value does not have its type.
    """
    name, equals, values = text.partition("=")
    if not equals or not name.strip() or not values.strip():
        raise UsageError(f"--range is {text!r}; it must name a field and its values.", _EXAMPLE)
    field = name.strip().replace("-", "_")
    check_fields([field], "--range")
    option = {option.name: option for option in options()}[field]
    low, dots, high = values.partition("..")
    if dots:
        return _interval(option, low.strip(), high.strip(), text)
    choices = tuple(value_text(parse_value(option, item.strip())) for item in values.split(","))
    if len(set(choices)) < 2:
        raise UsageError(f"--range is {text!r}; it must have at least two different values.", _EXAMPLE)
    return Range(field, choices=tuple(dict.fromkeys(choices)))


def _interval(option: Option, low: str, high: str, text: str) -> Range:
    if option.type not in (int, float):
        raise UsageError(f"--range is {text!r}; {option.name} has no interval of numbers.", _EXAMPLE)
    first, last = parse_value(option, low), parse_value(option, high)
    if not first < last:
        raise UsageError(f"--range is {text!r}; the first value must be less than the second.", _EXAMPLE)
    return Range(option.name, first, last)


def value_of(found: Range, value: Any) -> Any:
    """Return a suggested value of a range as a value of its field; numbers have four significant digits."""
    if found.choices:
        return parse_value({option.name: option for option in options()}[found.field], value)
    if isinstance(value, int) or found.low is None or found.high is None:
        return value
    return min(max(float(f"{value:.4g}"), found.low), found.high)


def applicable(base: Recipe, ranges: tuple[Range, ...], kinds: dict[str, Any]) -> list[Range]:
    """Return the ranges of fields that a recipe has when its network, optimizer and schedule are ``kinds``."""
    flat = base.replace(**kinds).flat()
    # The fields of a validation split are absent without one; a range of `validation` itself always applies.
    return [found for found in ranges if found.field in flat and found.field not in kinds]


def check_ranges(base: Recipe, ranges: tuple[Range, ...]) -> None:
    """Check that the bounds and choices of each range are valid in some recipe.

    Raises:
        UsageError: there is no range, a field has two, a field never applies, or a value is invalid.
    """
    if not ranges:
        raise UsageError("--range is missing.", _EXAMPLE)
    fields = [found.field for found in ranges]
    twice = sorted({field for field in fields if fields.count(field) > 1})
    if twice:
        raise UsageError(f"The field {twice[0]!r} has two ranges.", "Give one.")
    for combination in _kinds(ranges):
        base.replace(**combination)  # raises for an unknown kind
    for found in ranges:
        if found.field not in CHOICES:
            _check_values(base, ranges, found)


def _check_values(base: Recipe, ranges: tuple[Range, ...], found: Range) -> None:
    fitting = [kinds for kinds in _kinds(ranges) if found in applicable(base, ranges, kinds)]
    if not fitting:
        raise UsageError(
            f"--range names the field {found.field!r}, which does not apply to {base.name} with these kinds.",
            "Choose a network, optimizer or schedule that has it, for example --optimizer sgd.",
        )
    values = [value_of(found, choice) for choice in found.choices] or [found.low, found.high]
    for value in values:
        base.replace(**fitting[0], **{found.field: value})  # raises for an invalid value


def _kinds(ranges: tuple[Range, ...]) -> list[dict[str, Any]]:
    """Return each combination of the kinds that the ranges choose from."""
    combinations: list[dict[str, Any]] = [{}]
    for found in ranges:
        if found.field in CHOICES:
            combinations = [old | {found.field: kind} for old in combinations for kind in found.choices]
    return combinations
