"""The comparison of models on the same images, and of recipes over several seeds, with a verdict in words."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from penstroke.errors import UsageError
from penstroke.evaluation.comparison import MIN_SEEDS, bca_interval, expanded, holm, mcnemar, sign_flip_test

LEVEL = 0.05
"""Two models are distinguishable if the adjusted p-value is at most this."""


@dataclass(frozen=True, eq=False)
class Entrant:
    """One model, or the models of one recipe with different seeds, measured on the same images."""

    name: str
    correct: Bool[ndarray, "models n"]
    """Whether each model is correct on each image."""
    seeds: tuple[int, ...] = ()
    """The seed of each model; empty for a single model."""

    @property
    def accuracies(self) -> list[float]:
        """Accuracy of each model, 0..1."""
        return [float(row.mean()) for row in self.correct]

    @property
    def mean(self) -> float:
        """Mean accuracy, 0..1."""
        return float(np.mean(self.accuracies))

    @property
    def deviation(self) -> float | None:
        """Standard deviation of the accuracies of several models; None for a single one."""
        return float(np.std(self.accuracies, ddof=1)) if len(self.correct) > 1 else None


@dataclass(frozen=True)
class Comparison:
    """The comparison of two entrants."""

    a: str
    b: str
    test: Literal["mcnemar", "sign-flip"]
    images: int
    """Number of images."""
    difference: float
    """Accuracy, or mean accuracy, of ``a`` minus that of ``b``."""
    interval: tuple[float, float] | None
    """95 % interval of the difference: over the images for two models, over the seeds for two recipes.

    None if it is not defined: the differences do not vary, or there are fewer than 6 seeds. A bootstrap interval lies
    between the smallest and the largest difference, and is too short for so few.
    """
    p_value: float
    p_adjusted: float
    """The p-value after Holm's correction for all comparisons made together."""
    only_a: int | None = None
    """For two models: images that only ``a`` classifies correctly."""
    only_b: int | None = None
    """For two models: images that only ``b`` classifies correctly."""
    pairs: int | None = None
    """For two recipes: number of seeds that both have."""

    @property
    def too_few_seeds(self) -> bool:
        """Whether the seeds are too few for a significant difference."""
        return self.pairs is not None and self.pairs < MIN_SEEDS

    @property
    def better(self) -> str | None:
        """The name of the one that is more accurate, or None if the two are not distinguishable."""
        if self.p_adjusted > LEVEL or not self.difference:
            return None
        return self.a if self.difference > 0 else self.b

    @property
    def verdict(self) -> str:
        """The result as one sentence."""
        place = f" on these {_counted(self.images, 'image')}" if self.test == "mcnemar" else ""
        p_value = f"p {_shown_p(self.p_adjusted)}"
        if self.better is not None:
            worse = self.b if self.better == self.a else self.a
            return f"{self.better} is more accurate than {worse}{place} ({p_value})."
        reason = f": a two-sided sign-flip test needs {MIN_SEEDS} seeds, and they have {self.pairs} in common"
        return (
            f"{self.a} and {self.b} are not distinguishable{place} ({p_value}){reason if self.too_few_seeds else ''}."
        )

    @property
    def evidence(self) -> str:
        """The difference with its interval, the counts, and the test, as one clause."""
        sign = -1 if self.better == self.b else 1
        names = (self.b, self.a) if sign < 0 else (self.a, self.b)
        interval = "undefined"
        if self.interval:
            low, high = sorted(sign * limit for limit in self.interval)
            interval = f"{_points(low)} to {_points(high)}"
        parts = [f"{names[0]} minus {names[1]}: {_points(sign * self.difference)} points, 95 % interval {interval}"]
        if self.test == "mcnemar":
            only = dict(zip((self.a, self.b), (self.only_a, self.only_b), strict=True))
            parts += [f"correct alone on {only[names[0]]} and {only[names[1]]} images", "exact McNemar test"]
        else:
            parts.append(f"sign-flip test of {self.pairs} seeds")
        return "; ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "a": self.a,
            "b": self.b,
            "test": self.test,
            "images": self.images,
            "difference": self.difference,
            "interval": list(self.interval) if self.interval else None,
            "p_value": self.p_value,
            "p_adjusted": self.p_adjusted,
            "only_a": self.only_a,
            "only_b": self.only_b,
            "pairs": self.pairs,
            "better": self.better,
            "verdict": self.verdict,
            "evidence": self.evidence,
        }


def compare_models(models: Sequence[Entrant]) -> list[Comparison]:
    """Compare each model with each other one on the same images by the exact McNemar test.

    Args:
        models: two or more entrants of one model each.

    Raises:
        UsageError: the models were measured on different numbers of images.
    """
    found = []
    for a, b in combinations(models, 2):
        result = mcnemar(a.correct[0], b.correct[0])
        differences = a.correct[0].astype(np.float64) - b.correct[0]
        found.append(
            Comparison(
                a=a.name,
                b=b.name,
                test="mcnemar",
                images=len(differences),
                difference=float(differences.mean()),
                interval=bca_interval(differences),
                p_value=result.p_value,
                p_adjusted=result.p_value,
                only_a=result.only_a,
                only_b=result.only_b,
            )
        )
    return _adjusted(found)


def compare_recipes(recipes: Sequence[Entrant]) -> list[Comparison]:
    """Compare each recipe with each other one by a sign-flip test of the seeds that both have.

    Args:
        recipes: two or more entrants with several models each.

    Raises:
        UsageError: two recipes have fewer than two seeds in common.
    """
    found = []
    for a, b in combinations(recipes, 2):
        seeds = [seed for seed in a.seeds if seed in b.seeds]
        if len(seeds) < 2:
            raise UsageError(
                f"{a.name} (seeds {_listed(a.seeds)}) and {b.name} (seeds {_listed(b.seeds)}) have "
                f"{_counted(len(seeds), 'seed')} in common; recipes are compared seed by seed, and "
                f"need 2 or more, or {MIN_SEEDS} for a test.",
                "Train both with the same seeds, or name one run of each to compare two models.",
            )
        rows_a, rows_b = (np.array(each.accuracies)[[each.seeds.index(seed) for seed in seeds]] for each in (a, b))
        differences = rows_a - rows_b
        p_value = sign_flip_test(differences)
        found.append(
            Comparison(
                a=a.name,
                b=b.name,
                test="sign-flip",
                images=a.correct.shape[1],
                difference=float(differences.mean()),
                interval=bca_interval(differences, expanded(0.95, len(seeds))) if len(seeds) >= MIN_SEEDS else None,
                p_value=p_value,
                p_adjusted=p_value,
                pairs=len(seeds),
            )
        )
    return _adjusted(found)


def _adjusted(found: list[Comparison]) -> list[Comparison]:
    adjusted = holm([each.p_value for each in found])
    return [replace(each, p_adjusted=p_value) for each, p_value in zip(found, adjusted, strict=True)]


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'s' * (count != 1)}"


def _points(share: float) -> str:
    """Return a difference of fractions in percentage points, with its sign."""
    text = f"{100 * share:+.2f}"
    return "0.00" if float(text) == 0 else text


def _shown_p(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else f"= {value:.2g}"


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds[:8])) + (", ..." if len(seeds) > 8 else "")
