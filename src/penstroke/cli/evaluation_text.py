"""An evaluation as text for the terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from penstroke.cli.output import percent, table

if TYPE_CHECKING:
    from penstroke.evaluation import CorruptionErrors, Report

MAX_MATRIX = 12
"""Maximum number of classes whose confusion matrix is printed."""
CONFUSIONS, WORST = 5, 5
"""Number of frequent confusions, and of confident mistakes, that are printed."""
UNDEFINED = "undefined"


def report_text(heading: str, report: "Report") -> str:
    """Return a report as text: totals, classes, confusions, coverage and the most confident mistakes.

    Args:
        heading: what was tested, for the first line.
        report: the report.
    """
    blocks = [_totals(heading, report), _classes(report)]
    if len(report.classes) <= MAX_MATRIX:
        blocks.append(_matrix(report))
    if len(report.mistakes):
        blocks += [_confusions(report), _worst(report)]
    return "\n\n".join([*blocks, _coverage(report)])


def _totals(heading: str, report: "Report") -> str:
    low, high = report.accuracy_ci95
    score = report.score
    lines = [
        f"{heading}: {score.correct}/{score.total} correct ({percent(score.accuracy)}, "
        f"95 % interval {percent(low)} to {percent(high)}), loss {score.loss:.4f}",
        f"true class among the two most probable: {report.top2}/{score.total} ({percent(report.top2 / score.total)})",
        f"Brier score {report.brier:.4f}, expected calibration error {report.calibration_error:.4f}",
    ]
    if report.abstained:
        lines.append(
            f"the model abstains on {report.abstained} images ({percent(report.abstained / score.total)}); "
            f"{report.wrong_answers} of its answers are wrong; the metrics use its most probable class everywhere"
        )
    return "\n".join(lines)


def _share(value: float | None) -> str:
    return UNDEFINED if value is None else percent(value)


def _classes(report: "Report") -> str:
    rows = [
        [
            row.label,
            *map(str, (row.total, row.correct)),
            *map(_share, (row.recall, row.precision, row.f1)),
            UNDEFINED if row.auc is None else f"{row.auc:.5f}",
        ]
        for row in report.per_class
    ]
    return table(["class", "images", "correct", "recall", "precision", "F1", "ROC AUC"], rows)


def _matrix(report: "Report") -> str:
    rows = [[name, *map(str, row)] for name, row in zip(report.classes, report.confusion.tolist(), strict=True)]
    return f"confusion matrix (rows: true class, columns: most probable class)\n{table(['', *report.classes], rows)}"


def _confusions(report: "Report") -> str:
    """Return the most frequent confusions."""
    counts, shares = report.confusion.tolist(), report.confusion_shares.tolist()
    size = range(len(report.classes))
    pairs = [(counts[i][j], i, j) for i in size for j in size if i != j and counts[i][j]]
    pairs.sort(key=lambda pair: (-pair[0], pair[1:]))
    rows = [
        [report.classes[i], report.classes[j], str(count), percent(shares[i][j])] for count, i, j in pairs[:CONFUSIONS]
    ]
    return f"most frequent confusions\n{table(['true', 'predicted', 'images', 'of the true class'], rows)}"


def _worst(report: "Report") -> str:
    """Return the most confident mistakes."""
    rows = [
        [
            str(index),
            *([report.files[index]] if report.files else []),
            report.classes[truth],
            report.classes[guess],
            f"{report.probabilities[index, guess]:.4f}",
        ]
        for index in report.worst(WORST).tolist()
        for truth, guess in [(int(report.labels[index]), int(report.log_probs[index].argmax()))]
    ]
    header = ["image", *(["file"] if report.files else []), "true", "predicted", "probability"]
    return f"most confident mistakes\n{table(header, rows)}"


def _coverage(report: "Report") -> str:
    """Return the accuracy if the model answers only the images of which it is most certain."""
    rows = [
        [percent(row["coverage"]), percent(row["accuracy"]), f"{row['threshold']:.4f}"]
        for row in report.to_json()["coverage"]
        if row["coverage"] is not None
    ]
    return f"accuracy of the most certain answers\n{table(['answered', 'accuracy', 'lowest probability'], rows)}"


def corruptions_text(found: "CorruptionErrors") -> str:
    """Return errors on corrupted images as a table, and their means in a last line."""
    header = ["error on corrupted images", *map(str, range(1, 6)), "mean", "wrong answers", "relative to book"]
    rows = [
        [
            family.name,
            *map(percent, (*family.errors, family.mean, family.mean_wrong_answers)),
            _relative(family.relative),
        ]
        for family in found.families
    ]
    return (
        f"{table(header, rows)}\n"
        f"mean of the families: error {percent(found.mean)}, wrong answers {percent(found.mean_wrong_answers)}, "
        f"relative to book {_relative(found.mean_corruption_error)} (mean corruption error)"
    )


def _relative(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:.3f}"


def without_disputed_text(raw: "Report", rest: "Report", indices: Sequence[int]) -> str:
    """Return the result without images of disputed labels, in one line."""
    low, high = rest.accuracy_ci95
    wrong = sum(not raw.correct[index] for index in indices)
    return (
        f"without {len(indices)} images of disputed labels: {rest.score.correct}/{rest.score.total} correct "
        f"({percent(rest.score.accuracy)}, 95 % interval {percent(low)} to {percent(high)}); "
        f"the model disagrees with {wrong} of these labels"
    )
