"""Errors on corrupted images in the page, where ``penstroke test --corruptions`` has measured and stored them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from penstroke import runs
from penstroke.errors import RunError
from penstroke.evaluation import Report
from penstroke.evaluation.stored import CORRUPTIONS
from penstroke.report.html.words import decimal, percent

SHADES = (0.02, 0.05, 0.15, 0.4)
"""Error rates, 0..1, from which on a cell has a stronger colour."""


@dataclass(frozen=True)
class Corrupted:
    """Error rates on corrupted images."""

    mean: str
    relative: str
    """Mean corruption error relative to recipe ``book``."""
    rows: list[tuple[str, list[tuple[str, int]], str]]
    """Family, the error and its shade at each severity, and the error relative to ``book``."""


def stored_corruptions(run: runs.Run | None, name: str, report: Report) -> Corrupted | None:
    """Return the stored errors on corrupted images of the data ``name``; None if there are none of this model."""
    if run is None or name not in runs.list_evaluations(run):
        return None
    try:
        stored = runs.read_evaluation(run, name)
    except RunError:  # damaged; the page does not depend on it
        return None
    same = stored.log_probs.shape == report.log_probs.shape and np.array_equal(stored.labels, report.labels)
    # Another number of threads changes the last bits of the values.
    if not same or not np.allclose(np.exp(stored.log_probs), report.probabilities, atol=1e-4):
        return None
    try:
        return _corrupted(stored.values[CORRUPTIONS])
    except (KeyError, TypeError, ValueError, AttributeError):  # not measured, or written by another version
        return None


def _corrupted(values: dict[str, Any]) -> Corrupted:
    rows = []
    for family in values["families"]:
        cells = [(percent(float(error), 1), sum(error >= limit for limit in SHADES)) for error in family["errors"]]
        rows.append((str(family["name"]).replace("_", " "), cells, decimal(family.get("relative_to_book"), 2)))
    return Corrupted(percent(float(values["mean"]), 1), decimal(values.get("mean_corruption_error"), 2), rows)
