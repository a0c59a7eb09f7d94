"""The plot of a training run's loss and accuracy."""

import math
from collections.abc import Sequence
from typing import Annotated, Any, NotRequired

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter
from pydantic import AfterValidator, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic does not accept the one of typing before Python 3.12

from penstroke.report.fonts import choose_font

STEP, MEAN = "#c9d6df", "#2c5d88"
SETS = {"test": "#d35400", "validation": "#7d3c98"}
"""Sets that are measured after an epoch, with their colours."""
POINTS = 60
"""Number of windows, over the whole training, whose mean loss is drawn."""
PLAIN = StrMethodFormatter("{x:g}")


def _float32(value: float) -> float:
    if math.isfinite(value) and abs(value) > float(np.finfo(np.float32).max):
        raise ValueError("must be in the range of float32")  # the scale of the axis would overflow
    return value


Number = Annotated[int, Field(ge=1, le=10**9)]
Loss = Annotated[float, AfterValidator(_float32)]
"""A loss; that of a training run that diverged may be infinite or NaN."""


class _Step(TypedDict):
    epoch: Number
    step: Number
    loss: Loss


class _Score(TypedDict):
    loss: Loss
    accuracy: Annotated[float, Field(ge=0, le=1)]


class _Epoch(TypedDict):
    epoch: Number
    test: NotRequired[_Score | None]
    validation: NotRequired[_Score | None]
    calibrated: NotRequired[bool]


class _Metrics(TypedDict):
    step: list[_Step]
    epoch: list[_Epoch]


def check_metrics(steps: Sequence[dict[str, Any]], epochs: Sequence[dict[str, Any]]) -> None:
    """Check that rows from a metrics file have the keys, types and ranges that ``curves_figure`` needs.

    Raises:
        ValueError: a row does not; the message names its first problem.
    """
    try:
        TypeAdapter(_Metrics).validate_python({"step": steps, "epoch": epochs}, strict=True)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
        kind, index, *keys = problem["loc"]
        raise ValueError(
            f"{kind} row {index} (from 0): {'.'.join(map(str, keys))}: {problem['msg'].lower()}"
        ) from error


def curves_figure(steps: Sequence[dict[str, Any]], epochs: Sequence[dict[str, Any]], title: str) -> Figure:
    """Draw loss and accuracy of a training run from the rows of its metrics.

    Args:
        steps: rows of kind ``step``: epoch, step, loss. At least one.
        epochs: rows of kind ``epoch``: epoch, test, validation.
        title: title of the figure.
    """
    font = choose_font([title])
    figure = Figure(figsize=(8.4, 3.8), layout=ConstrainedLayoutEngine(wspace=0.08))
    loss_axis, accuracy_axis = figure.subplots(1, 2)
    figure.suptitle(font.text(title), fontsize=10, **font.style)
    last = max(row["epoch"] for row in steps)
    _draw_step_losses(loss_axis, steps)
    for name, colour in SETS.items():
        measured = [(row["epoch"], row[name]) for row in epochs if row.get(name)]
        if measured:
            x = np.array([epoch for epoch, _ in measured])
            accuracies = np.array([100 * found["accuracy"] for _, found in measured])
            style = {"color": colour, "marker": "o", "markersize": 5 if last <= 20 else 3}
            note = " (at the end: calibrated)" if epochs[-1].get("calibrated") else ""
            loss_axis.plot(x, [found["loss"] for _, found in measured], linestyle="", label=name + note, **style)
            label = f"{name}: {_summary(x, accuracies)}"
            accuracy_axis.plot(x, accuracies, linewidth=1.2, label=label, **style)
    _finish_loss(loss_axis)
    _finish_accuracy(accuracy_axis)
    for axis, first, room in ((loss_axis, 0, 0.02 * last), (accuracy_axis, 0.5, 0.5)):
        axis.set(xlabel="epoch", xlim=(first, last + room))
        axis.spines[["top", "right"]].set_visible(False)
        axis.xaxis.set_major_locator(_locator(whole=last > 1 or axis is accuracy_axis))
        axis.xaxis.set_major_formatter(PLAIN)
    return figure


def _draw_step_losses(axis: Any, steps: Sequence[dict[str, Any]]) -> None:
    per_epoch = max(row["step"] for row in steps)
    x = np.array([row["epoch"] - 1 + row["step"] / per_epoch for row in steps])
    losses = np.array([row["loss"] for row in steps], dtype=np.float64)
    window = len(losses) // POINTS
    single = window < 2
    axis.plot(x, losses, color=MEAN if single else STEP, linewidth=1.0 if single else 0.6, label="each step")
    if not single:
        axis.plot(x[window - 1 :], _moving_mean(losses, window), color=MEAN, label=f"mean of {window} steps")


def _moving_mean(values: Float[np.ndarray, " n"], window: int) -> Float[np.ndarray, " m"]:
    sums = np.cumsum(np.concatenate([[0.0], values]))
    return (sums[window:] - sums[:-window]) / window


def _summary(epochs: np.ndarray, accuracies: Float[np.ndarray, " n"]) -> str:
    best = int(accuracies.argmax())
    text = f"{accuracies[-1]:.2f} % at the end"
    if accuracies[best] > accuracies[-1]:
        text += f", best {accuracies[best]:.2f} % (epoch {epochs[best]})"
    return text


def _finish_loss(axis: Any) -> None:
    axis.set(ylabel="negative log-likelihood", yscale="log")
    low, high = axis.get_ylim()
    axis.yaxis.set_major_locator(LogLocator(subs=(1.0,) if high > 100 * low else (1.0, 2.0, 5.0)))
    axis.yaxis.set_major_formatter(PLAIN)
    axis.yaxis.set_minor_formatter(NullFormatter())
    _add_legend(axis, columns=2)


def _finish_accuracy(axis: Any) -> None:
    axis.set(ylabel="accuracy, %")
    if not axis.lines:
        axis.set_axis_off()
        axis.text(0.5, 0.5, "not measured in this training", ha="center", transform=axis.transAxes)
        return
    # Some room around the points, but no accuracies above 100 %.
    values = np.concatenate([line.get_ydata() for line in axis.lines])
    room = max(0.08 * np.ptp(values), 0.25)
    axis.set_ylim(values.min() - room, min(values.max() + room, 100 + 0.1 * room))
    axis.yaxis.set_major_locator(_locator(whole=False))
    axis.yaxis.set_major_formatter(PLAIN)
    _add_legend(axis, columns=1)


def _add_legend(axis: Any, columns: int) -> None:
    """Add a legend above the axes, where it covers no curve."""
    axis.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(-0.02, 1), borderaxespad=0, ncols=columns)


def _locator(whole: bool) -> MaxNLocator:
    return MaxNLocator(nbins=8, steps=[1, 2, 5, 10], integer=whole, min_n_ticks=1)
