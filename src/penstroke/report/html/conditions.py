"""How the model was trained, and under which conditions: curves, recipe, environment, speed."""

import itertools
import shlex
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from penstroke import recipes
from penstroke.errors import UsageError
from penstroke.inference import Classifier
from penstroke.recipes import Recipe
from penstroke.report.html.charts import Series, chart, legend, linear_axis, log_axis
from penstroke.report.html.results import Figure
from penstroke.report.html.words import UNDEFINED, count, decimal, duration, percent
from penstroke.runs import Run
from penstroke.runtime.conditions import environment

WINDOWS = 120
"""Number of points to which the losses of the steps are averaged."""
MIN_EPOCHS = 3
"""Number of epochs from which on a chart shows more of the accuracy than the table does."""
SINGLE_IMAGES = 60
"""Number of images that are classified one at a time to measure the time for one."""
Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class Conditions:
    """How the model was trained and measured."""

    recipe: Pairs
    training: Pairs
    """Conditions of the training, by name."""
    measured: Pairs
    """Conditions of the evaluation and of this page."""
    speed: Pairs
    command: str
    """The command that repeats the training; empty if it is not known."""
    loss: Figure | None
    accuracy: Figure | None
    epochs: list[tuple[str, ...]]
    """Rows of the table of epochs: epoch, train loss, accuracy on validation and on test, seconds."""


def make_conditions(
    classifier: Classifier, run: Run | None, images: UInt8[ndarray, "n c h w"], seconds: float
) -> Conditions:
    """Return how a model was trained and measured.

    Args:
        classifier: the model.
        run: its run; None for a model file.
        images: images to measure the speed with.
        seconds: duration of the evaluation of ``images``.
    """
    trained = classifier.description.trained
    recipe: dict[str, Any] = trained.get("recipe") or {}
    steps, epochs = (list(run.rows("step")), list(run.rows("epoch"))) if run else ([], [])
    return Conditions(
        recipe=_flat(recipe),
        training=_environment(trained.get("environment") or {}),
        measured=_environment(environment("cpu")),
        speed=_speed(classifier, images, seconds, run),
        command=_command(trained),
        loss=_loss_chart(steps, epochs),
        accuracy=_accuracy_chart(epochs),
        epochs=[_epoch(row) for row in epochs],
    )


def _flat(recipe: Mapping[str, Any]) -> Pairs:
    """Return the fields of a recipe in the order of the recipe; those of a newer version's recipe in its own order."""
    try:
        return [(name, _value(value)) for name, value in Recipe.from_json(recipe).flat().items()]
    except UsageError:
        return [(name, _value(value)) for name, value in recipe.items()]


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_value(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "that of the training images" if value is None else str(value)


def _environment(values: Mapping[str, Any]) -> Pairs:
    packages = values.get("packages") or {}
    names = {
        "processor": "Processor",
        "cores": "Cores",
        "threads": "Threads",
        "device_name": "Device",
        "system": "System",
        "python": "Python",
        "commit": "Commit",
    }
    pairs = [(title, str(values[name])) for name, title in names.items() if values.get(name) is not None]
    return [*pairs, *((f"{name}", str(version)) for name, version in packages.items())]


def _command(trained: Mapping[str, Any]) -> str:
    """Return the command that repeats the training, or nothing if its recipe is not one of this version."""
    if isinstance(trained.get("command"), str):
        return str(trained["command"])
    try:
        recipe = Recipe.from_json(trained.get("recipe"))
        base = recipes.get(recipe.name).flat()
    except UsageError:
        return ""
    changed = {name: value for name, value in recipe.flat().items() if base.get(name) != value}
    if None in changed.values():
        return ""  # no option sets a field to its default
    source = (trained.get("data") or {}).get("source", "auto")
    words = ["penstroke", "train", recipe.name, "--data", source, *itertools.chain(*map(_option, changed.items()))]
    return shlex.join(map(str, words))


def _option(field: tuple[str, Any]) -> list[str]:
    name, value = field
    flag = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        return [flag if value else f"--no-{flag[2:]}"]
    return [flag, *(map(str, value) if isinstance(value, tuple) else [str(value)])]


def _speed(classifier: Classifier, images: UInt8[ndarray, "n c h w"], seconds: float, run: Run | None) -> Pairs:
    times = []
    for image in images[:SINGLE_IMAGES]:
        start = time.perf_counter()
        classifier.log_probs(image[None])
        times.append(time.perf_counter() - start)
    rate = round(len(images) / max(seconds, 1e-9))
    pairs = [
        ("One image alone", f"{1000 * statistics.median(times):.2f} ms (median of {len(times)})"),
        (
            "Many images",
            f"{count(rate)} per second ({count(len(images))} in one go)",
        ),
        ("Computed by", {"torch": "PyTorch", "onnx": "onnxruntime"}.get(classifier.backend_name, "another backend")),
    ]
    trained = run.record.seconds if run else None
    return [*pairs, *([("Training", duration(trained))] if trained is not None else [])]


def _epoch(row: Mapping[str, Any]) -> tuple[str, ...]:
    cells = [str(row.get("epoch", UNDEFINED)), decimal(row.get("train_loss"))]
    for name in ("validation", "test"):
        found = row.get(name)
        cells.append(percent(found["accuracy"]) if found else "not measured")
    return (*cells, duration(row["seconds"]) if "seconds" in row else UNDEFINED)


def _loss_chart(steps: Sequence[Mapping[str, Any]], epochs: Sequence[Mapping[str, Any]]) -> Figure | None:
    if not steps:
        return None
    per_epoch = max(row["step"] for row in steps)
    x = np.array([row["epoch"] - 1 + row["step"] / per_epoch for row in steps])
    losses = np.array([row["loss"] for row in steps], np.float64)
    parts = np.array_split(np.arange(len(steps)), min(WINDOWS, len(steps)))
    means = [(float(x[part].mean()), float(losses[part].mean())) for part in parts]
    series = [Series("training, while the weights change", means, "line", "s1")]
    series += [
        Series(f"{name}, after each epoch", [(row["epoch"], row[name]["loss"]) for row in measured], "dots", colour)
        for name, colour in (("validation", "s3"), ("test", "s2"))
        if (measured := [row for row in epochs if row.get(name)])
    ]
    values = [y for each in series for _, y in each.points if np.isfinite(y) and y > 0]
    if not values:
        return None
    last = float(max(row["epoch"] for row in steps))
    y_axis = log_axis("negative log-likelihood", 0.8 * min(values), 1.2 * max(values))
    x_axis = linear_axis("epoch", 0, last, count=8, whole=True)
    return Figure(chart("Loss during the training.", x_axis, y_axis, series), legend(series))


def _accuracy_chart(epochs: Sequence[Mapping[str, Any]]) -> Figure | None:
    series = []
    for name, colour in (("validation", "s3"), ("test", "s2")):
        points = [(row["epoch"], row[name]["accuracy"]) for row in epochs if row.get(name)]
        if points:
            series += [Series(name, points, "line", colour), Series("", points, "dots", colour)]
    if not series or len(epochs) < MIN_EPOCHS:
        return None
    values = [y for each in series for _, y in each.points]
    room = max(0.1 * (max(values) - min(values)), 0.001)
    low, high = max(0.0, min(values) - room), min(1.0, max(values) + room)
    digits = 2 if high - low < 0.02 else 1 if high - low < 0.2 else 0
    y_axis = linear_axis("accuracy", low, high, f"{{:.{digits}%}}")
    x_axis = linear_axis("epoch", 1, len(epochs), count=8, whole=True)
    return Figure(chart("Accuracy after each epoch.", x_axis, y_axis, series), legend(series))
