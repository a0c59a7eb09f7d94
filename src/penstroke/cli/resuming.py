"""What ``train --resume`` and ``--checkpoint-every`` mean. Imports no torch."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from penstroke import runs
from penstroke.errors import RunError, UsageError
from penstroke.recipes import Recipe
from penstroke.runs import Run

LATEST = "latest"
"""What ``--resume`` alone stands for."""


def completed(words: Sequence[str]) -> list[str]:
    """Return ``words`` with the value of ``--resume`` put in where it was left out."""
    found = list(words)
    if "--resume" in found:
        after = found.index("--resume") + 1
        if after == len(found) or found[after].startswith("-"):
            found.insert(after, LATEST)
    return found


def wanted(words: Sequence[str]) -> Run | None:
    """Return the run that ``words`` ask to resume, if any.

    Raises:
        RunError: there is no such run.
    """
    if "--resume" in words:
        place = words[words.index("--resume") + 1]
    else:
        place = next((word.removeprefix("--resume=") for word in words if word.startswith("--resume=")), "")
    if not place or {"-h", "--help"} & set(words):
        return None
    return runs.to_resume(None if place == LATEST else Path(place))


def as_before(old: Run) -> dict[str, Any]:
    """Return the options with which a run was made, as far as its result hangs on them.

    Raises:
        RunError: they cannot be read, or make no sense.
    """
    conditions, data = old.environment(), old.read().get("data")
    options = {
        "data": data.get("source") if isinstance(data, dict) else None,
        "device": conditions.get("device"),
        "threads": conditions.get("threads"),
        "tune": conditions.get("flush_denormal"),
    }
    for (name, value), kind in zip(options.items(), (str, str, int, bool), strict=True):
        if type(value) is not kind:
            raise RunError(f"The run {old.path} says of its {name}: {value!r}.", "The run is damaged; train it anew.")
    return {"recipe": old.recipe(), **options}


def refuse_changes(old: Run, recipe: Recipe, data: str, named: str | None, out: Path | None) -> None:
    """Check that nothing is asked for that would make of a resumed run another one.

    Raises:
        UsageError: naming every change.
    """
    before = old.recipe()
    changes = list(_changes(before.to_json(), recipe.to_json()))
    if named and named != before.name:
        changes.insert(0, f"recipe {before.name} -> {named}")
    source = old.read()["data"]
    if data not in (source["source"], source.get("requested")):
        changes.append(f"data {source['source']} -> {data}")
    if out is not None:
        changes.append(f"out {old.path} -> {out}")
    if changes:
        raise UsageError(
            f"The run {old.path} cannot be resumed with changes: {', '.join(changes)}.",
            "Leave these options out, or train a new run without --resume.",
        )


def _changes(before: dict[str, Any], now: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in now.items():
        if isinstance(value, dict) and isinstance(before.get(name), dict):
            yield from _changes(before[name], value, f"{prefix}{name}.")
        elif before.get(name) != value:
            yield f"{prefix}{name} {before.get(name)} -> {value}"


def pace(text: str) -> dict[str, Any]:
    """Return the arguments of ``training.checkpoint.Pace`` that ``--checkpoint-every`` asks for.

    Raises:
        UsageError: it is neither steps, nor seconds, nor `never` or `auto`.
    """
    if text == "auto":
        return {}
    if text == "never" or re.fullmatch(r"0+s?", text):
        return {"never": True}
    if re.fullmatch(r"[0-9]{1,9}", text):
        return {"steps": int(text)}
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?s", text):
        return {"seconds": float(text[:-1])}
    raise UsageError(
        f"--checkpoint-every is {text!r}, and must be steps, such as 500, or seconds, such as 30s.",
        "`never` or 0 writes no checkpoint; `auto` is the default.",
    )
