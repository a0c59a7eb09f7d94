"""The figure of an experiment: accuracies with intervals, and the costs of each setting beside them.

Figures are created without pyplot, so that no global state changes. Imports matplotlib.
"""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from penstroke.experiments.table import Row, Table, count

MEAN, SEED, COST = "#1f5f99", "#8fb4d8", "#8a9097"
MAX_ROWS = 60
"""Maximum number of settings in a figure; of more settings, those with the highest accuracies are drawn."""
_ROW_HEIGHT = 0.32
"""Height of a row in inches."""


def table_figure(table: Table) -> Figure:
    """Draw a row for each setting: the accuracy of each seed, their mean with its 95 % interval, and the costs.

    Costs that are the same for all settings are stated in the title of their panel only.
    """
    rows = _shown(table.rows)
    costs = _costs(rows) if len(rows) > 1 else []
    figure = Figure(figsize=(6.4 + 1.5 * len(costs), 1.5 + _ROW_HEIGHT * max(2, len(rows))), layout="constrained")
    widths = [4.0] + [1.3] * len(costs)
    axes = figure.subplots(1, len(widths), squeeze=False, sharey=True, width_ratios=widths)[0]
    _draw_accuracies(axes[0], rows, table.measured)
    for axis, (name, values, digits) in zip(axes[1:], costs, strict=True):
        _draw_cost(axis, name, values, digits)
    axes[0].set_yticks(range(len(rows)), [row.setting.label for row in rows], fontsize=8)
    axes[0].set_ylim(len(rows) - 0.4, -0.6)
    figure.suptitle(_title(table, rows), fontsize=9)
    return figure


def _shown(rows: Sequence[Row]) -> list[Row]:
    if len(rows) <= MAX_ROWS:
        return list(rows)
    best = sorted(rows, key=lambda row: -(row.accuracy.mean or 0.0))[:MAX_ROWS]
    return [row for row in rows if row in best]


def _title(table: Table, rows: Sequence[Row]) -> str:
    conditions, seeds = table.conditions, max((len(row.accuracy.values) for row in rows), default=0)
    text = f"{conditions['recipe']} on {conditions['data']}, {conditions['train_images']} training images"
    dropped = len(table.rows) - len(rows)
    return text + f", {count(seeds, 'seed')}" + (f"; the best {len(rows)} of {len(table.rows)}" if dropped else "")


def _draw_accuracies(axis: Any, rows: Sequence[Row], measured: str) -> None:
    for position, row in enumerate(rows):
        accuracy = row.accuracy
        values = [100 * value for value in accuracy.values]
        axis.plot(values, [position - 0.2] * len(values), "o", color=SEED, markersize=3.5, zorder=2)
        if accuracy.mean is None:
            axis.annotate("diverged" if row.diverged else "missing", (0.02, position), fontsize=8, va="center",
                          xycoords=("axes fraction", "data"), color=COST)  # fmt: skip
            continue
        mean = 100 * accuracy.mean
        if row.interval:
            low, high = (100 * bound for bound in row.interval)
            axis.plot([low, high], [position] * 2, color=MEAN, linewidth=1.6, solid_capstyle="butt", zorder=3)
        axis.plot([mean], [position], "D", color=MEAN, markersize=5, zorder=4)
    several = any(row.interval for row in rows)
    legend = "dot: one seed, diamond: mean" + (", line: 95 % interval of the mean" if several else "")
    axis.set_title(legend, fontsize=8, color=COST, loc="left")
    axis.set_xlabel(f"{measured} accuracy, %", fontsize=9)
    _finish(axis)


def _costs(rows: Sequence[Row]) -> list[tuple[str, list[float | None], int]]:
    """Return the names, values and decimals of the costs that differ between settings."""
    seconds = [row.seconds.mean for row in rows]
    parameters: list[float | None] = [row.cost.parameters / 1000 for row in rows]
    flops: list[float | None] = [row.cost.training_flops / 1e6 for row in rows]
    costs = [("seconds", seconds, 1), ("1,000 parameters", parameters, 0), ("MFLOP per image", flops, 1)]
    return [cost for cost in costs if len(set(cost[1])) > 1]


def _draw_cost(axis: Any, name: str, values: Sequence[float | None], digits: int) -> None:
    known = [value or 0.0 for value in values]
    axis.barh(range(len(known)), known, color=COST, height=0.5, alpha=0.5)
    for position, value in enumerate(values):
        if value is not None:
            axis.annotate(f"{value:.{digits}f}", (value, position), xytext=(3, 0), textcoords="offset points",
                          fontsize=7, va="center")  # fmt: skip
    axis.set_xlim(0, max(known, default=0.0) * 1.45 or 1)
    axis.set_xlabel(name, fontsize=9)
    _finish(axis)
    axis.xaxis.set_major_locator(MaxNLocator(nbins=3))


def _finish(axis: Any) -> None:
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(axis="y", length=0)
    axis.tick_params(axis="x", labelsize=8)
    axis.ticklabel_format(axis="x", useOffset=False, style="plain")
    axis.grid(axis="y", color="#e4e7ea", linewidth=0.6)
    axis.set_axisbelow(True)


def tuning_figure(accuracies: Sequence[float | None], importances: dict[str, float], title: str) -> Figure:
    """Draw the validation accuracy of each trial with the best so far, and the importance of each field.

    Args:
        accuracies: one for each trial, 0..1; None for a trial that was pruned or diverged.
        importances: share of each field in the variance of the accuracies; empty if it is undefined.
        title: title of the figure.
    """
    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.6, 1])
    figure.suptitle(title, fontsize=9)
    done = [(number, 100 * value) for number, value in enumerate(accuracies) if value is not None]
    best = [max(value for _, value in done[: end + 1]) for end in range(len(done))]
    left.plot([number for number, _ in done], [value for _, value in done], "o", color=SEED, markersize=4)
    left.step([number for number, _ in done], best, where="post", color=MEAN, label="best so far")
    left.set_xlabel("trial", fontsize=9)
    left.set_ylabel("validation accuracy, %", fontsize=9)
    left.legend(frameon=False, fontsize=8, loc="lower right")
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    names = list(importances)
    right.barh(range(len(names)), [importances[name] for name in names], color=COST, height=0.5)
    right.set_yticks(range(len(names)), names, fontsize=8)
    right.invert_yaxis()
    right.set_xlabel("importance (share of the variance)", fontsize=9)
    if not names:
        right.set_axis_off()
        text = "importance: undefined,\ntoo few finished trials"
        right.text(0.5, 0.5, text, ha="center", fontsize=9, transform=right.transAxes).set_in_layout(False)
    for axis in (left, right):
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
    return figure
