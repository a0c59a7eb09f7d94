"""Plots of an evaluation: confusion matrix, calibration, and errors on corrupted images."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from penstroke.evaluation import Bin, CorruptionErrors, Coverage, Report, wilson_interval
from penstroke.evaluation.corruptions import SEVERITIES
from penstroke.report.fonts import Font, choose_font

MODEL, WRONG, BOOK, LINE = "#2c5d88", "#d35400", "#8a9097", "#c9d6df"
MAX_NUMBERED = 20
"""Maximum number of classes for which the cells of a confusion matrix show numbers."""


def confusion_figure(report: Report, title: str) -> Figure:
    """Draw the confusion matrix: numbers of images, and shares of the true class in percent.

    Beyond 20 classes the shares are drawn alone, as colours.
    """
    font = choose_font([title, *report.classes])
    numbered = len(report.classes) <= MAX_NUMBERED
    side = max(3.6, 0.42 * len(report.classes)) if numbered else 8.0
    figure = Figure(figsize=(side * 2 + 0.8 if numbered else side + 1, side + 0.7), layout="constrained")
    figure.suptitle(font.text(title), fontsize=10, **font.style)
    shares = report.confusion_shares
    if not numbered:
        axis = figure.subplots()
        drawn = _draw_matrix(axis, shares, None, report.classes, font)
        figure.colorbar(drawn, ax=axis, label="share of the true class", shrink=0.8)
        return figure
    counts_axis, shares_axis = figure.subplots(1, 2)
    counts = [[str(value) if value else "" for value in row] for row in report.confusion.tolist()]
    percents = [[_percent(value) for value in row] for row in shares.tolist()]
    _draw_matrix(counts_axis, shares, counts, report.classes, font)
    counts_axis.set_title("number of images", fontsize=9)
    _draw_matrix(shares_axis, shares, percents, report.classes, font)
    shares_axis.set_title("share of the true class, %", fontsize=9)
    return figure


def _percent(share: float) -> str:
    if math.isnan(share):
        return "–"
    return f"{100 * share:.1f}" if share else ""


def _draw_matrix(
    axis: Any, shares: np.ndarray, texts: Sequence[Sequence[str]] | None, classes: Sequence[str], font: Font
) -> Any:
    # A power below 1 makes rare confusions visible beside the diagonal.
    drawn = axis.imshow(np.nan_to_num(shares), cmap="Blues", norm=PowerNorm(0.35, 0, 1))
    names, ticks = font.names(classes), range(len(classes))
    size = 8 if len(classes) <= MAX_NUMBERED else 6
    upright = {"rotation": 90} if max(map(len, names)) > 2 else {}
    axis.set_xticks(ticks, names, fontsize=size, **upright, **font.style)
    axis.set_yticks(ticks, names, fontsize=size, **font.style)
    axis.set(xlabel="most probable class", ylabel="true class")
    axis.spines[:].set_visible(False)
    for row, line in enumerate(texts or ()):
        for column, text in enumerate(line):
            if not text:
                continue
            colour = "white" if shares[row, column] > 0.25 else "#1d2733"
            axis.text(column, row, text, ha="center", va="center", fontsize=6.5, color=colour)
    return drawn


def calibration_figure(report: Report, title: str) -> Figure:
    """Draw the reliability diagram, and accuracy against the share of images that are answered."""
    font = choose_font([title])
    figure = Figure(figsize=(8.4, 4.0), layout="constrained")
    figure.suptitle(font.text(title), fontsize=10, **font.style)
    left, right = figure.subplots(1, 2)
    _draw_reliability(left, report.reliability, report.calibration_error)
    _draw_coverage(right, report.coverage, report.threshold)
    for axis in (left, right):
        axis.spines[["top", "right"]].set_visible(False)
    return figure


def _draw_reliability(axis: Any, bins: Sequence[Bin], error: float) -> None:
    axis.plot([0, 1], [0, 1], color=BOOK, linewidth=0.8, linestyle="--", label="perfect calibration")
    filled = [found for found in bins if found.confidence is not None and found.accuracy is not None]
    for found in filled:
        correct = round((found.accuracy or 0) * found.count)
        axis.plot([found.confidence] * 2, wilson_interval(correct, found.count), color=LINE, linewidth=2.5, zorder=1)
    x, y = [found.confidence for found in filled], [found.accuracy for found in filled]
    axis.plot(x, y, "o", color=MODEL, markersize=5, label="images of one bin, 95 % interval")
    for found in filled:
        axis.annotate(
            f"{found.count:,}", (found.confidence, -0.11), fontsize=5.5, rotation=90, ha="center", va="bottom"
        )
    axis.set(xlim=(0, 1.02), ylim=(-0.12, 1.04), xlabel="highest probability", ylabel="accuracy")
    axis.set_title(f"expected calibration error {error:.4f}; numbers: images", fontsize=9)
    axis.legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(0, -0.16), ncols=2)


def _draw_coverage(axis: Any, curve: Coverage, threshold: float) -> None:
    answered, accuracy = 100 * curve.coverage, 100 * curve.accuracy
    axis.plot(answered, accuracy, color=MODEL, drawstyle="steps-pre", linewidth=1.2)
    kept = curve.threshold >= threshold
    if threshold and kept.any() and not kept.all():
        place = int(np.flatnonzero(kept)[-1])
        axis.plot(answered[place], accuracy[place], "o", color=MODEL, markersize=5)
        note = f"the model answers {answered[place]:.1f} %:\naccuracy {accuracy[place]:.2f} %"
        axis.annotate(
            note,
            (answered[place], accuracy[place]),
            (-8, -8),
            textcoords="offset points",
            fontsize=7,
            ha="right",
            va="top",
        )
    # The first few answers can have any accuracy; they would hide the rest of the curve.
    low = min(float(accuracy[answered >= min(10.0, answered[-1])].min()), 99.9)
    axis.set(xlim=(0, 101), ylim=(low - 0.15 * (100 - low), 100 + 0.06 * (100 - low)))
    axis.set(xlabel="answered images, most certain first, %", ylabel="accuracy, %")
    axis.set_title(f"accuracy of all images {accuracy[-1]:.2f} %", fontsize=9)


def corruptions_figure(found: CorruptionErrors, title: str) -> Figure:
    """Draw the error at each severity of each family, beside the wrong answers and the error of ``book``."""
    font = choose_font([title])
    columns = min(4, len(found.families))
    rows = math.ceil(len(found.families) / columns)
    figure = Figure(figsize=(2.2 * columns, 1.75 * rows + 0.6), layout="constrained")
    figure.suptitle(font.text(title), fontsize=10, **font.style)
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    x = (0, *SEVERITIES)
    for axis, family in zip(axes, found.families, strict=False):
        axis.plot(x, [100 * error for error in (found.clean, *family.errors)], color=MODEL, marker="o", markersize=3)
        if family.wrong_answers != family.errors:
            axis.plot(SEVERITIES, [100 * share for share in family.wrong_answers], color=WRONG, linewidth=1)
        if family.book:
            axis.plot(SEVERITIES, [100 * error for error in family.book], color=BOOK, linewidth=1, linestyle="--")
        axis.set_title(family.name.replace("_", " "), fontsize=8)
        axis.tick_params(labelsize=7)
        axis.spines[["top", "right"]].set_visible(False)
        axis.set(ylim=(0, 100), xticks=x)
    for axis in axes[len(found.families) :]:
        axis.set_axis_off()
    for axis in axes[-columns:]:
        axis.set_xlabel("severity (0: none)", fontsize=8)
    lines = {"error": Line2D([], [], color=MODEL, marker="o", markersize=3)}
    if any(family.wrong_answers != family.errors for family in found.families):
        lines["wrong answers (the model does not abstain)"] = Line2D([], [], color=WRONG, linewidth=1)
    if any(family.book for family in found.families):
        lines["error of book"] = Line2D([], [], color=BOOK, linewidth=1, linestyle="--")
    figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    figure.supylabel("images, %", fontsize=8)
    return figure
