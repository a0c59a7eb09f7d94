"""The plan of an experiment: settings of a recipe, and a training for each setting and seed.

This module imports neither torch nor NumPy, and does not depend on data, files or devices.
"""

import hashlib
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from penstroke.errors import UsageError
from penstroke.experiments.variations import Variation, value_text
from penstroke.recipes import Recipe
from penstroke.schema import InvalidFields

MAX_RUNS = 10_000
"""Maximum number of trainings of one plan."""
MAX_NAME = 100
"""Maximum length, in characters, of the name of a run without its seed."""


@dataclass(frozen=True)
class Setting:
    """One combination of values of the varied fields.

    Args:
        values: the values by flat name; empty if nothing is varied.
        recipe: the recipe with these values and the first seed.
    """

    values: dict[str, Any]
    recipe: Recipe

    @property
    def label(self) -> str:
        """The values in words: ``lr 0.5, channels 16x32``; the name of the recipe if nothing is varied."""
        return ", ".join(f"{name} {value_text(value)}" for name, value in self.values.items()) or self.recipe.name

    @property
    def name(self) -> str:
        """The beginning of the names of its runs: a function of the varied fields and their values."""
        parts = [f"{name}-{value_text(value)}" for name, value in self.values.items()]
        text = re.sub(r"[^A-Za-z0-9._-]", "-", "_".join(parts))
        if len(text) > MAX_NAME:
            text = f"{text[:MAX_NAME]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
        return f"{text}_" if text else ""


@dataclass(frozen=True)
class Experiment:
    """One training of a plan."""

    setting: Setting
    seed: int

    @property
    def name(self) -> str:
        """The name of its run folder."""
        return f"{self.setting.name}seed-{self.seed}"

    @property
    def recipe(self) -> Recipe:
        """The complete recipe of the training."""
        return self.setting.recipe.replace(seed=self.seed)


@dataclass(frozen=True)
class Plan:
    """All trainings of an experiment.

    Args:
        settings: the grid, in the order in which its variations were given.
        seeds: the seeds; each setting is trained with each of them.
        fields: flat names of the varied fields.
    """

    settings: tuple[Setting, ...]
    seeds: tuple[int, ...]
    fields: tuple[str, ...]

    def experiments(self) -> Iterator[Experiment]:
        """Yield all trainings: all settings with the first seed, then with the second, and so on."""
        for seed in self.seeds:
            for setting in self.settings:
                yield Experiment(setting, seed)

    def __len__(self) -> int:
        return len(self.settings) * len(self.seeds)


def build_plan(base: Recipe, variations: Sequence[Variation] = (), seeds: int = 1) -> Plan:
    """Return the grid of all combinations of the variations, each with several seeds.

    Args:
        base: the recipe that the variations change; its seed is the first one.
        variations: the fields to vary.
        seeds: number of seeds.

    Raises:
        UsageError: a combination is invalid (all of them are listed), a field is varied twice, ``seeds`` is less than
            1, or no accuracy would be measured.
    """
    fields = tuple(field for variation in variations for field in variation.fields)
    twice = sorted({field for field in fields if fields.count(field) > 1})
    if twice:
        raise UsageError(f"The field {twice[0]!r} is varied twice.", "Give all its values in one --vary.")
    if seeds < 1:
        raise UsageError(f"The number of seeds is {seeds}; it must be at least 1.")
    count = seeds
    for variation in variations:
        count *= len(variation.choices)
    if count > MAX_RUNS:
        raise UsageError(f"The plan has {count} trainings; at most {MAX_RUNS} are possible.", "Vary fewer values.")
    plan = Plan(_settings(base, variations), tuple(range(base.seed, base.seed + seeds)), fields)
    for experiment in (Experiment(plan.settings[0], seed) for seed in plan.seeds[-1:]):
        _ = experiment.recipe  # the largest seed must be valid, too
    _check_measured(plan)
    return plan


def _settings(base: Recipe, variations: Sequence[Variation]) -> tuple[Setting, ...]:
    settings, problems = [], []
    for choices in itertools.product(*(variation.choices for variation in variations)):
        values = {
            field: value
            for variation, choice in zip(variations, choices, strict=True)
            for field, value in zip(variation.fields, choice, strict=True)
        }
        try:
            settings.append(Setting(values, base.replace(**values)))
        except InvalidFields as error:
            label = ", ".join(f"{name} {value_text(value)}" for name, value in values.items())
            problems += [f"with {label}: {problem}" for problem in error.problems]
    if problems:
        raise UsageError(
            f"The plan is invalid: {'; '.join(problems)}.",
            "Correct these values. Fields that apply only together are varied together: "
            "--vary optimizer:momentum=sgd:0.9,muon:0.8.",
        )
    return tuple(settings)


def _check_measured(plan: Plan) -> None:
    for setting in plan.settings:
        if setting.recipe.validation is None and not setting.recipe.evaluation.test_each_epoch:
            raise UsageError(
                f"No accuracy would be measured with {setting.label}.",
                "Use --validation 0.1 to choose between settings, or --test-each-epoch to report a comparison.",
            )
    measures = {setting.recipe.validation is None for setting in plan.settings}
    if len(measures) > 1:
        raise UsageError(
            "Some settings have a validation split and others have none, so their accuracies cannot be compared.",
            "Use --validation with the same values for all settings.",
        )
