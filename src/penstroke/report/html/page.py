"""Write the HTML report of a model: measure it, collect the sections, render the template.

The page holds its style, charts and images; it loads nothing and needs no JavaScript.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from math import prod
from pathlib import Path
from typing import Any

from penstroke import __version__, storage
from penstroke.data import Dataset
from penstroke.errors import PenstrokeError, UsageError, require_extra
from penstroke.evaluation import Report, evaluate
from penstroke.inference import Classifier
from penstroke.report.html.charts import interval_chart
from penstroke.report.html.conditions import make_conditions
from penstroke.report.html.corrupted import stored_corruptions
from penstroke.report.html.dataset import make_card
from penstroke.report.html.inside import make_inside, with_layers
from penstroke.report.html.results import make_results
from penstroke.report.html.verdict import make_verdict
from penstroke.runs import Run

MAX_BYTES = 1_000_000
"""Largest size of a page of a model on MNIST, in bytes."""
STATISTICS = ("normalise.", "calibration.")
"""Starts of the names of tensors that are not trained."""


@dataclass(frozen=True)
class Request:
    """What to report.

    Args:
        classifier: the model.
        data: the dataset, on whose test split the model is measured.
        path: HTML file to write.
        run: the run of the model; None for a model file.
        index: index of the test image whose feature maps are shown.
        name: name of the model in the page.
    """

    classifier: Classifier
    data: Dataset
    path: Path
    run: Run | None = None
    index: int = 0
    name: str = "model"


@dataclass(frozen=True)
class Written:
    """A written report."""

    path: Path
    size: int
    """Bytes."""
    report: Report
    """The evaluation."""
    omitted: tuple[str, ...]
    """What the page lacks, and how to add it."""


def write_report(request: Request) -> Written:
    """Measure a model on the test split of a dataset, and write the report as one HTML file.

    Raises:
        MissingExtraError: jinja2 is not installed, or the model needs PyTorch and it is not installed.
        UsageError: ``index`` is larger than the number of test images.
        DataError: the dataset has no test split, or the model does not take its images.
        StorageError: the file cannot be written.
    """
    require_extra("report", "jinja2")
    test = request.data.test
    if not 0 <= request.index < len(test):
        raise UsageError(
            f"--index is {request.index}: there are {len(test)} test images.",
            f"Use an index from 0 to {len(test) - 1}.",
        )
    _ = request.classifier.log_probs(test.images[:1])  # the model is opened outside the measured time
    started = time.perf_counter()
    report = evaluate(request.classifier, test)
    seconds = time.perf_counter() - started
    values = _values(request, report, seconds)
    content = _render(values).encode()
    storage.make_folder(request.path.parent)
    storage.write_bytes(request.path, content)
    return Written(request.path, len(content), report, tuple(values["inside"].omitted))


def _values(request: Request, report: Report, seconds: float) -> dict[str, Any]:
    """Return the values that the template shows."""
    classifier, data = request.classifier, request.data
    images, description = data.test.images, classifier.description
    low, high = report.accuracy_ci95
    return {
        "name": request.name,
        "data": data.card.title,
        "data_name": data.card.name,
        "verdict": make_verdict(report, description, data, _parameters(classifier)),
        "interval": interval_chart(low, report.score.accuracy, high),
        "results": make_results(report, images),
        "corrupted": stored_corruptions(request.run, data.card.name, report),
        "inside": make_inside(classifier, report, images, request.index),
        "conditions": make_conditions(classifier, request.run, images, seconds),
        "card": make_card(data, report.classes),
        "classes": report.classes,
        "version": __version__,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def _parameters(classifier: Classifier) -> int | None:
    """Return the number of trained weights, or None for a model that does not give access to them."""
    try:
        weights = with_layers(classifier).backend.weights()
    except PenstrokeError:
        return None
    return sum(prod(array.shape) for name, array in weights.items() if not name.startswith(STATISTICS))


def _render(values: dict[str, Any]) -> str:
    from jinja2 import Environment, StrictUndefined

    folder = resources.files(__package__)
    # Class names and names of datasets come from files, so everything is escaped that is not marked as safe.
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((folder / "page.html.j2").read_text(encoding="utf-8"))
    return template.render(values | {"style": (folder / "style.css").read_text(encoding="utf-8")})
