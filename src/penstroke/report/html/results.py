"""The results in the page: mistakes, classes, confusions and confidence. This module does not import torch."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, UInt8
from numpy import ndarray

from penstroke.evaluation import Report
from penstroke.evaluation.metrics import wilson_interval
from penstroke.report.html.charts import Axis, Series, chart, legend, linear_axis, range_mark
from penstroke.report.html.images import data_uri, heat_uri, image_pixels
from penstroke.report.html.verdict import confusions
from penstroke.report.html.words import count, decimal, percent

MISTAKES = 24
"""Number of mistakes that are shown."""
CONFUSIONS = 8
"""Number of frequent confusions that are listed."""
TABLE_CLASSES = 20
"""Up to this number of classes, the confusion matrix is a table; above, a picture."""
ENOUGH = 20
"""Bins of the reliability diagram with fewer images are grey, because they vary by chance."""
POINTS = 240
"""Number of points of a curve in the page."""


@dataclass(frozen=True)
class Figure:
    """A chart with its legend, a list of colour, style and name."""

    svg: str
    legend: list[tuple[str, str, str]]


@dataclass(frozen=True)
class Shown:
    """An image with what the model says about it."""

    index: int
    uri: str
    truth: str
    guess: str
    probability: str


@dataclass(frozen=True)
class Results:
    """The results in the page."""

    metrics: list[tuple[str, str, str]]
    """Name, value and explanation."""
    mistakes: list[Shown]
    mistake_count: int
    confusions: list[tuple[str, str, str, str]]
    """True class, predicted class, number of images, share of the true class."""
    classes: list[dict[str, str]]
    matrix: list[tuple[str, list[tuple[int, int]]]] | None
    """For each true class the counts and their shades, 0..5; None with many classes."""
    heat: str
    """The confusion matrix as a data URI with many classes, otherwise empty."""
    reliability: Figure
    coverage: Figure
    coverage_rows: list[tuple[str, str, str]]
    """Coverage, accuracy and threshold."""


def make_results(report: Report, images: UInt8[ndarray, "n c h w"]) -> Results:
    """Return the results of an evaluation of ``images``."""
    many = len(report.classes) > TABLE_CLASSES
    shares = report.confusion / np.maximum(report.confusion.sum(1, keepdims=True), 1)
    return Results(
        metrics=_metrics(report),
        mistakes=[show(report, images, int(index)) for index in report.worst(MISTAKES)],
        mistake_count=report.score.total - report.score.correct,
        confusions=[
            (each.truth, each.guess, count(each.images), percent(each.share)) for each in confusions(report, CONFUSIONS)
        ],
        classes=_classes(report),
        matrix=None if many else _matrix(report.classes, report.confusion),
        heat=heat_uri(shares) if many else "",
        reliability=_reliability(report),
        coverage=_coverage(report),
        coverage_rows=_coverage_rows(report),
    )


def show(report: Report, images: UInt8[ndarray, "n c h w"], index: int) -> Shown:
    """Return one image with its true and its most probable class."""
    guess = int(report.log_probs[index].argmax())
    return Shown(
        index,
        data_uri(image_pixels(images[index])),
        report.classes[int(report.labels[index])],
        report.classes[guess],
        percent(float(report.probabilities[index, guess])),
    )


def _metrics(report: Report) -> list[tuple[str, str, str]]:
    score, (low, high) = report.score, report.accuracy_ci95
    top2 = f"{percent(report.top2 / score.total)}"
    return [
        ("Accuracy", percent(score.accuracy), f"{count(score.correct)} of {count(score.total)} images"),
        ("95 % interval", f"{percent(low)} to {percent(high)}", "of the accuracy, after Wilson"),
        ("Top-2 accuracy", top2, "the true class is one of the two most probable ones"),
        ("Negative log-likelihood", decimal(score.loss), "mean over the images, in nats; 0 is perfect"),
        ("Brier score", decimal(report.brier), "squared error of the probabilities; 0 is perfect, 2 the worst"),
        ("Calibration error", percent(report.calibration_error), "expected, over 15 bins of confidence"),
        ("Abstentions", count(report.abstained), f"probability below the threshold of {report.threshold:.3g}"),
    ]


def _classes(report: Report) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = []
    bounds = [wilson_interval(row.correct, row.total) for row in report.per_class]
    lowest = min(low for (low, _), row in zip(bounds, report.per_class, strict=True) if row.total)
    start = max(0.0, 1 - 1.15 * (1 - lowest))
    for row, (low, high) in zip(report.per_class, bounds, strict=True):
        rows.append(
            {
                "range": range_mark(start, low, row.recall, high) if row.recall is not None else "",
                "label": row.label,
                "images": count(row.total),
                "recall": percent(row.recall),
                "interval": f"{percent(low, 1)} to {percent(high, 1)}" if row.total else percent(None),
                "precision": percent(row.precision),
                "f1": percent(row.f1),
                "auc": decimal(row.auc, 5),
            }
        )
    return rows


def _matrix(classes: tuple[str, ...], table: Int64[ndarray, "k k"]) -> list[tuple[str, list[tuple[int, int]]]]:
    """Return the rows of the confusion matrix; the shade of a mistake grows with its share of the true class."""
    largest = max(1, int((table - np.diag(np.diag(table))).max()))
    rows: list[tuple[str, list[tuple[int, int]]]] = []
    for label, counts in zip(classes, table.tolist(), strict=True):
        shades = [min(4, 1 + int(4 * (value / largest) ** 0.6 - 1e-9)) if value else 0 for value in counts]
        shades[len(rows)] = 5
        rows.append((label, list(zip(counts, shades, strict=True))))
    return rows


def _reliability(report: Report) -> Figure:
    bins = [each for each in report.reliability if each.count]
    width = report.reliability[0].high - report.reliability[0].low
    bars = [((each.low + each.high) / 2, each.accuracy or 0.0) for each in bins]
    few, many = (
        [(each.confidence or 0.0, each.accuracy or 0.0) for each in bins if (each.count >= ENOUGH) is enough]
        for enough in (False, True)
    )
    percents = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    series = [
        Series("", bars, "bars", width=width),
        Series("what a calibrated model would do", [(0, 0), (1, 1)], "dashed", "grey"),
        Series("the model", many, "dots", "s1"),
        Series(f"the same, fewer than {ENOUGH} images", few, "dots", "grey"),
    ]
    x = Axis("probability of its answer", 0, 1, percents, "{:.0%}")
    y = Axis("fraction that is right", 0, 1, percents, "{:.0%}")
    title = (
        "Reliability diagram: for each range of the probability of the answer, the fraction of right answers. "
        f"The expected calibration error is {percent(report.calibration_error)}."
    )
    return Figure(chart(title, x, y, series), legend(series))


def _coverage(report: Report) -> Figure:
    curve = report.coverage
    chosen = np.unique(np.linspace(0, len(curve.coverage) - 1, POINTS).astype(int))
    points = list(zip(curve.coverage[chosen].tolist(), curve.accuracy[chosen].tolist(), strict=True))
    lowest = min(accuracy for _, accuracy in points)
    series = [Series("accuracy of the answered images", points, "line", "s1")]
    low = max(0.0, lowest - 0.15 * (1 - lowest) - 1e-4)
    digits = max(0, min(2, int(-np.log10(max((1 - low) / 5, 1e-9))) - 1))
    y = linear_axis("accuracy", low, 1.0, f"{{:.{digits}%}}")
    x = Axis("fraction of images that are answered", 0, 1, (0.0, 0.2, 0.4, 0.6, 0.8, 1.0), "{:.0%}")
    title = "Accuracy against the fraction of images that the model answers, the most certain ones first."
    return Figure(chart(title, x, y, series), legend(series))


def _coverage_rows(report: Report) -> list[tuple[str, str, str]]:
    rows = []
    for share in (1.0, 0.99, 0.95, 0.9, 0.8):
        point = report.coverage.at(share)
        if point:
            rows.append((percent(share, 0), percent(point[1]), decimal(point[2])))
    return rows
