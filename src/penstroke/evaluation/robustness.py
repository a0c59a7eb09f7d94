"""Errors of a model on corrupted images, and their comparison with those of recipe ``book``."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from penstroke.data import Split, fingerprint
from penstroke.errors import UsageError, nearest
from penstroke.evaluation.corruptions import CORRUPTIONS, SEVERITIES, corrupt
from penstroke.evaluation.measure import LogProbs, Model, evaluate
from penstroke.evaluation.report import Report

BASELINE = Path(__file__).with_name("book_corruptions.json")
"""Errors of a model of recipe ``book`` on MNIST's corrupted test images, written by ``benchmarks/corruptions.py``."""
SEED = 0
"""Seed of the corruptions; the baseline has the same."""
Notify = Callable[[str, int, int], None]


@dataclass(frozen=True)
class FamilyErrors:
    """Errors of a model on images that are corrupted in one way.

    Args:
        name: the family of corruptions.
        errors: fraction of wrong images, 0..1, at each severity from 1 to 5.
        wrong_answers: fraction of images, 0..1, on which the model does not abstain and is wrong, at each severity.
        book: ``errors`` of a model of recipe ``book`` on the same images, or None if they are not known.
    """

    name: str
    errors: tuple[float, ...]
    wrong_answers: tuple[float, ...]
    book: tuple[float, ...] | None = None

    @property
    def mean(self) -> float:
        """Mean error of all severities, 0..1."""
        return sum(self.errors) / len(self.errors)

    @property
    def mean_wrong_answers(self) -> float:
        """Mean fraction of wrong answers at all severities, 0..1."""
        return sum(self.wrong_answers) / len(self.wrong_answers)

    @property
    def relative(self) -> float | None:
        """Sum of the errors divided by that of ``book``; None if the errors of ``book`` are not known, or 0."""
        return sum(self.errors) / sum(self.book) if self.book and sum(self.book) else None


@dataclass(frozen=True)
class CorruptionErrors:
    """Errors of a model on corrupted images.

    Args:
        clean: fraction of wrong images, 0..1, without corruption.
        families: the errors in each family.
    """

    clean: float
    families: tuple[FamilyErrors, ...]

    @property
    def mean(self) -> float:
        """Mean error of all families, 0..1."""
        return sum(family.mean for family in self.families) / len(self.families)

    @property
    def mean_wrong_answers(self) -> float:
        """Mean fraction of wrong answers in all families, 0..1."""
        return sum(family.mean_wrong_answers for family in self.families) / len(self.families)

    @property
    def mean_corruption_error(self) -> float | None:
        """Mean of the errors relative to ``book``, which has 1; None if one of them is not known.

        Hendrycks and Dietterich (2019) define it with AlexNet instead of ``book``.
        """
        known = [family.relative for family in self.families if family.relative is not None]
        return sum(known) / len(known) if len(known) == len(self.families) else None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        rows = [
            {
                "name": each.name,
                "errors": list(each.errors),
                "mean": each.mean,
                "wrong_answers": list(each.wrong_answers),
                "mean_wrong_answers": each.mean_wrong_answers,
                "book": list(each.book) if each.book else None,
                "relative_to_book": each.relative,
            }
            for each in self.families
        ]
        return {
            "clean": self.clean,
            "mean": self.mean,
            "mean_wrong_answers": self.mean_wrong_answers,
            "mean_corruption_error": self.mean_corruption_error,
            "families": rows,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Return the errors that ``to_json`` wrote.

        Raises:
            KeyError, TypeError, ValueError: ``values`` has another form.
        """
        rows = [
            FamilyErrors(
                str(row["name"]),
                _errors(row["errors"]),
                _errors(row["wrong_answers"]),
                None if row["book"] is None else _errors(row["book"]),
            )
            for row in values["families"]
        ]
        if not rows:
            raise ValueError("families must not be empty")
        return cls(float(values["clean"]), tuple(rows))


def corruption_errors(
    model: LogProbs | Model,
    split: Split,
    names: Sequence[str] | None = None,
    clean: float | None = None,
    notify: Notify | None = None,
) -> CorruptionErrors:
    """Return the errors of a model on corrupted images of a split.

    The corruptions are drawn with a fixed seed, so that all models are measured on the same images.

    Args:
        model: see ``evaluate``.
        split: images, bright strokes on black, and their true classes.
        names: families of corruptions; by default all.
        clean: error of the model on the images as they are; measured if it is None.
        notify: called before each family, with its name, its number from 0, and the number of families.

    Raises:
        UsageError: a family does not exist.
        DataError, ModelError: see ``evaluate``.
    """
    names = tuple(CORRUPTIONS) if names is None else tuple(names)
    for name in names:
        if name not in CORRUPTIONS:
            raise UsageError(f"The corruption {name!r} does not exist.", nearest(name, CORRUPTIONS))
    if not names:
        raise UsageError("No corruption is chosen.", nearest("", CORRUPTIONS))
    baseline = _baseline(split)
    clean = _error(evaluate(model, split)) if clean is None else clean
    rows = []
    for number, name in enumerate(names):
        if notify:
            notify(name, number, len(names))
        reports = [_report(model, split, name, severity) for severity in SEVERITIES]
        errors = tuple(map(_error, reports))
        wrong = tuple(report.wrong_answers / report.score.total for report in reports)
        rows.append(FamilyErrors(name, errors, wrong, baseline.get(name)))
    return CorruptionErrors(clean, tuple(rows))


def _report(model: LogProbs | Model, split: Split, name: str, severity: int) -> Report:
    images = corrupt(split.images, name, severity, SEED)
    return evaluate(model, Split(images, split.labels, split.classes, f"{split.name}, {name} {severity}"))


def _error(report: Report) -> float:
    return (report.score.total - report.score.correct) / report.score.total


def _errors(values: Sequence[float]) -> tuple[float, ...]:
    """Return the errors at each severity as a tuple.

    Raises:
        ValueError: there is not one for each severity, or one is not in 0..1.
    """
    errors = tuple(map(float, values))
    if len(errors) != len(SEVERITIES) or not all(0 <= error <= 1 for error in errors):
        raise ValueError(f"errors must be {len(SEVERITIES)} numbers from 0 to 1")
    return errors


def _baseline(split: Split) -> dict[str, tuple[float, ...]]:
    """Return the errors of ``book`` by family, which are known for MNIST's test split only."""
    stored = json.loads(BASELINE.read_text(encoding="utf-8"))
    known = stored["errors"] if stored["fingerprint"] == fingerprint(split) else {}
    return {name: _errors(errors) for name, errors in known.items()}
