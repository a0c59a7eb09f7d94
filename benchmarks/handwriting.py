"""Digits, lines and pages of other origin, over several models: ``python -m benchmarks.handwriting RUN RUN ...``.

The models are runs of recipe ``robust`` with different seeds; all see the same pictures. The digits of generated
pictures are MNIST's test digits, except those of small pictures, which the recipe holds out. Writes
``benchmarks/results/handwriting.json``; ``--only ROW`` measures one row and keeps the others.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice, starmap
from pathlib import Path
from typing import Any, TypeAlias

import cyclopts
from jaxtyping import UInt8
from numpy import ndarray

from benchmarks import outlier_pictures, pages_without_digits, small_pictures, turned_pages
from benchmarks.conditions import RESULTS, load_result, save_result
from benchmarks.pictures import FIRST_SEED
from benchmarks.ready import postal_digits, scikit_digits
from benchmarks.trial_pictures import KINDS, trial
from penstroke import Classifier, load, runtime

Picture: TypeAlias = UInt8[ndarray, "h w *c"]
Case: TypeAlias = tuple[int, Callable[[Classifier], int]]
"""A number of trials, and a function that returns with how many of them a model succeeds."""


def answered(picture: Any, label: str) -> Case:
    """Return the case of a picture of one digit. A rejected one counts as wrong."""
    return 1, lambda model: model.predict(picture).label == label


def rejected(picture: Picture) -> Case:
    """Return the case of a picture that should be rejected."""
    return 1, lambda model: model.predict(picture).abstained


def read(picture: Picture, lines: list[str]) -> Case:
    """Return the case of a page of which all lines are read."""
    return 1, lambda model: model.read(picture).lines == lines


def single_digits(n: int) -> Iterator[Case]:
    """Generated photographs of one digit, of 14 kinds."""
    for index in range(n):
        yield answered(*trial(FIRST_SEED + index // len(KINDS), KINDS[index % len(KINDS)]))


def lines(n: int, touching: int) -> Iterator[Case]:
    """Generated lines of 5 digits."""
    for seed in range(FIRST_SEED, FIRST_SEED + n):
        picture, text = trial(seed, "mixed", 5, touching)
        yield read(picture, [text])


def tight_digits(n: int) -> Iterator[Case]:
    """Small pictures that a digit fills, of seven kinds."""
    kinds = small_pictures.KINDS
    for index in range(n):
        picture, _, label = small_pictures.small_picture(index // len(kinds), kinds[index % len(kinds)])
        yield answered(picture, label)


def pages(n: int) -> Iterator[Case]:
    """Pages without digits, on which none should be found, of six kinds."""
    kinds = pages_without_digits.KINDS
    for index in range(n):
        yield read(pages_without_digits.page_without_digits(index // len(kinds), kinds[index % len(kinds)]), [])


def turned(n: int) -> Iterator[Case]:
    """Pages turned by 90, 180 and 270 degrees that are as good as upright, or rejected."""
    for seed in range(FIRST_SEED, FIRST_SEED + n // len(turned_pages.TURNS)):
        picture, truth = turned_pages.page(seed)
        yield len(turned_pages.TURNS), partial(_turned_well, picture, truth)


def _turned_well(picture: Picture, truth: list[str], model: Classifier) -> int:
    return sum(outcome != "worse" for outcome in turned_pages.outcomes(model, picture, truth))


def others(n: int) -> Iterator[Case]:
    """Pictures of no digit, of eight kinds, that are rejected."""
    kinds = outlier_pictures.KINDS
    for index in range(n):
        yield rejected(outlier_pictures.outlier_picture(index // len(kinds), kinds[index % len(kinds)]))


def kept_digits(n: int) -> Iterator[Case]:
    """MNIST's test digits that are not rejected."""
    images = load("mnist").test.images[:n]
    yield len(images), lambda model: sum(not found.abstained for found in model.predict(images))


ROWS: dict[str, tuple[float, int, Callable[[int], Iterator[Case]]]] = {
    "scanned postal digits, 16x16": (98.7, 7291, lambda n: starmap(answered, islice(postal_digits(), n))),
    "small pictures that a digit fills, seven kinds": (99.0, 2100, tight_digits),
    "generated single digits, 14 kinds": (98.5, 2100, single_digits),
    "scikit-learn's digits, 8x8": (97.8, 1797, lambda n: starmap(answered, islice(scikit_digits(), n))),
    "lines of 5, none touching": (97.0, 400, lambda n: lines(n, 0)),
    "lines of 5, one pair touching": (82.0, 400, lambda n: lines(n, 1)),
    "pages without digits: none found": (95.0, 126, pages),
    "turned pages: as good as upright, or rejected": (97.0, 102, turned),
    "no digit, eight kinds: rejected": (95.0, 1600, others),
    "MNIST's test digits: not rejected": (99.5, 10_000, kept_digits),
}
"""Target in per cent, number of trials, and the cases of each row."""


def measure(cases: Iterator[Case], models: Sequence[Classifier]) -> dict[str, Any]:
    """Return the number of trials, and with how many each model succeeds."""
    n, right = 0, [0] * len(models)
    for trials, succeeds in cases:
        n += trials
        right = [count + int(succeeds(model)) for count, model in zip(right, models, strict=True)]
    return {"n": n, "right": right}


def main(*models: Path, share: float = 1.0, only: str | None = None) -> None:
    """Measure several models on the same pictures.

    Parameters
    ----------
    models
        Run folders or model files.
    share
        Fraction of the pictures, for a short trial whose figures are not saved.
    only
        Measure one row.
    """
    runtime.configure()
    classifiers = [Classifier.load(path) for path in models]
    rows = load_result("handwriting")["rows"] if only and (RESULTS / "handwriting.json").exists() else {}
    for name in [only] if only else ROWS:
        aim, n, cases = ROWS[name]
        started = time.perf_counter()
        rows[name] = {"aim": aim} | measure(cases(round(share * n)), classifiers)
        print(f"{name}: {rows[name]}, {time.perf_counter() - started:.0f} s", flush=True)
        if share == 1.0:
            save_result("handwriting", {"models": len(models), "rows": rows})


if __name__ == "__main__":
    cyclopts.run(main)
