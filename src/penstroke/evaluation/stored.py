"""Evaluations in run folders: a report with the data that it was made on, and back."""

from pathlib import Path
from typing import Any

import numpy as np

from penstroke import runs
from penstroke.data import Dataset, fingerprint
from penstroke.errors import RunError
from penstroke.evaluation.report import Report

CORRUPTIONS = "corruptions"
"""Key of the errors on corrupted images, which are part of a stored evaluation if they were measured."""


def save_report(run: runs.Run, data: Dataset, report: Report, corruptions: dict[str, Any] | None = None) -> Path:
    """Store a report on the test split of ``data`` in the run, and return the folder of the evaluation.

    Errors on corrupted images that are already stored are kept if the model still returns the same values.

    Args:
        run: the run of the model.
        data: the dataset.
        report: the report.
        corruptions: errors on corrupted images, as JSON values.

    Raises:
        StorageError: the evaluation cannot be written.
    """
    name = data.card.name
    if corruptions is None:
        corruptions = _known_corruptions(run, name, report)
    values = {
        "data": name,
        "fingerprint": fingerprint(data.test),
        "classes": list(report.classes),
        "threshold": report.threshold,
        **report.to_json(),
        CORRUPTIONS: corruptions,
    }
    return runs.save_evaluation(run, name, report.log_probs, report.labels, values)


def read_report(run: runs.Run, name: str) -> Report:
    """Return the report of a stored evaluation.

    Args:
        run: the run of the model.
        name: the name of the evaluation, see ``runs.list_evaluations``.

    Raises:
        RunError: the evaluation does not exist, or is damaged.
    """
    stored = runs.read_evaluation(run, name)
    size = stored.log_probs.shape[1]
    try:
        # Evaluations without these two keys have the class names only with the metrics of each class.
        rows = stored.values.get("per_class", [])
        classes = tuple(stored.values.get("classes") or [row["label"] for row in rows])
        threshold = float(stored.values.get("threshold", 0.0))
        if len(classes) != size or not all(isinstance(each, str) for each in classes):
            raise ValueError(f"it must name {size} classes")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"The evaluation {name!r} of {run.path} is invalid: {error}.", "Make it again with `penstroke test`."
        ) from error
    return Report(stored.log_probs, stored.labels, classes, threshold)


def _known_corruptions(run: runs.Run, name: str, report: Report) -> dict[str, Any] | None:
    """Return the stored errors on corrupted images if they belong to the model and data of ``report``."""
    try:
        stored = runs.read_evaluation(run, name)
    except RunError:  # there is none, or it is damaged and is replaced
        return None
    same = np.array_equal(stored.log_probs, report.log_probs) and np.array_equal(stored.labels, report.labels)
    found = stored.values.get(CORRUPTIONS)
    return found if same and isinstance(found, dict) else None
