"""The conditions that ``train --resume`` restores, and the check of the others. Does not depend on torch."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstroke.errors import RunError, UsageError

if TYPE_CHECKING:
    from penstroke.recipes import Recipe
    from penstroke.runs import Run


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """The options of a training run that are not part of its recipe; the defaults are those of a new training run."""

    data: str = "auto"
    size: tuple[int, int] | None = None
    skip_broken: bool = False
    outliers_from: Path | None = None
    device: str = "auto"
    threads: int | None = None
    tune: bool = True

    def changed(self, **values: Any) -> "Conditions":
        """Return the conditions with other values. Values that are None are not changed."""
        return replace(self, **{name: value for name, value in values.items() if value is not None})


def conditions_of(run: "Run") -> Conditions:
    """Return the conditions of a run that its result depends on.

    Raises:
        RunError: the conditions are missing or invalid.
    """
    record, environment = run.record, run.environment()
    values: dict[str, Any] = {
        "data": record.data["source"] if record.data else None,
        "device": environment.get("device"),
        "threads": environment.get("threads"),
        "tune": environment.get("flush_denormal"),
    }
    kinds = {"data": str, "device": str, "threads": int, "tune": bool}
    for name, kind in kinds.items():
        value = values[name]
        if type(value) is not kind:
            raise RunError(
                f"{name} of the run {run.path} is {value!r}: it must be of type {kind.__name__}.",
                "The run is damaged. Train again.",
            )
    from penstroke.data.sources import load_options

    folder = (record.data.get("outliers") or {}).get("folder") if record.data else None
    outliers_from = Path(folder) if isinstance(folder, str) else None
    try:
        options = load_options(record.data.get("options") or {} if record.data else {})
    except ValueError as error:
        raise RunError(f"The run {run.path} is damaged: {error}.", "Train again.") from error
    return Conditions(**values, **options, outliers_from=outliers_from)


def check_unchanged(
    run: "Run",
    recipe: "Recipe",
    name: str | None,
    data: str | None,
    out: Path | None,
    size: tuple[int, int] | None = None,
) -> None:
    """Check that the options do not change what a resumed run trains.

    Args:
        run: the run to continue.
        recipe: the recipe of the run, changed by the options.
        name: the name of a recipe, if given.
        data: the data, if given.
        out: the folder for a new run, if given.
        size: the size of the images, if given.

    Raises:
        UsageError: listing every change.
    """
    before = run.recipe()
    changes = list(_differences(before.to_json(), recipe.to_json()))
    if name and name != before.name:
        changes.insert(0, f"recipe {before.name} -> {name}")
    source = run.record.data
    if data and source and data not in (source["source"], source.get("requested")):
        changes.append(f"data {source['source']} -> {data}")
    if size and size != (before_size := conditions_of(run).size):
        named = "x".join(map(str, before_size)) if before_size else "not given"
        changes.append(f"size {named} -> {size[0]}x{size[1]}")
    if out is not None:
        changes.append(f"out {run.path} -> {out}")
    if changes:
        raise UsageError(
            f"The run {run.path} cannot be resumed with changes: {', '.join(changes)}.",
            "Omit these options, or train a new run without --resume.",
        )


def _differences(before: dict[str, Any], now: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name in {**before, **now}:
        old, new = before.get(name), now.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _differences(old, new, f"{prefix}{name}.")
        elif old != new:
            yield f"{prefix}{name} {old} -> {new}"
