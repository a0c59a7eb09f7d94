"""Groups of runs that differ only in the seed."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from penstroke.errors import RunError
from penstroke.runs.run import Run

NEUTRAL = ("name", "seed", "log_every", "test_each_epoch", "test_batch_size")
"""Fields of a recipe that do not tell two recipes apart: the seed, and those that do not change the training."""


@dataclass(frozen=True)
class RunGroup:
    """Runs of one recipe on the same data with different seeds, in ascending order of the seeds."""

    name: str
    """The name of the recipe and, if another group has the same name, the fields in which they differ."""
    runs: tuple[Run, ...]
    seeds: tuple[int, ...]
    repeated: tuple[Run, ...] = ()
    """Further runs with a seed that occurs in ``seeds``; they give the same result."""


def group_by_recipe(runs: Iterable[Run]) -> tuple[RunGroup, ...]:
    """Return groups of runs whose recipes differ only in the seed, in the order of their first runs.

    Two runs also belong to different groups if they were trained on different data.

    Raises:
        RunError: a run has no recipe, such as one of imported weights, or is damaged.
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        if not run.is_training:
            raise RunError(f"The run {run.path} has no recipe.", "Name runs made by `penstroke train`.")
        groups.setdefault(json.dumps(_settings(run), sort_keys=True), []).append(run)
    names = _names([members[0] for members in groups.values()])
    return tuple(_group(name, members) for name, members in zip(names, groups.values(), strict=True))


def _group(name: str, members: Sequence[Run]) -> RunGroup:
    by_seed: dict[int, Run] = {}
    repeated = []
    for run in members:
        if by_seed.setdefault(run.recipe().seed, run) is not run:
            repeated.append(run)
    seeds = sorted(by_seed)
    return RunGroup(name, tuple(by_seed[seed] for seed in seeds), tuple(seeds), tuple(repeated))


def _settings(run: Run) -> dict[str, Any]:
    """Return what the runs of a group have in common: recipe, data and the model that they start from."""
    recipe = {name: value for name, value in run.recipe().to_json().items() if name not in NEUTRAL}
    network = recipe.pop("network")
    source: Any = run.record.data or {}
    data = {name: value for name, value in source.items() if name not in ("requested", "notes")}
    if outliers := data.pop("outliers", None):
        data["outliers_from"] = f"{outliers.get('folder')} ({str(outliers.get('sha256'))[:8]})"
    if corrections := data.pop("corrections", None):
        data["corrections"] = f"{corrections.get('images')} ({str(corrections.get('sha256'))[:8]})"
    if init := run.record.init:
        data |= {"init": f"{init['source']} ({init['sha256'][:8]})", "freeze": init["freeze"]}
    return {"network": network.pop("kind")} | network | recipe | {"data": data.pop("source", None)} | data


def _names(runs: Sequence[Run]) -> list[str]:
    """Return a different name for each run, each the first one of its group."""
    names = [run.recipe().name for run in runs]
    settings = [_settings(run) for run in runs]
    result = []
    for name, own in zip(names, settings, strict=True):
        rivals = [other for other_name, other in zip(names, settings, strict=True) if other_name == name]
        fields = {field: None for other in rivals for field in other}
        parts = [
            f"{field} {_shown(own[field])}"
            for field in fields
            if field in own and any(other.get(field) != own[field] for other in rivals)
        ]
        result.append(f"{name} ({', '.join(parts)})" if parts else name)
    return result


def _shown(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
