"""The inside of the network in the page: kernels, maps of each layer, attributions.

PyTorch and Captum are used through ``penstroke.inference.explanations``. Where one is missing, the page says how to
install it.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from penstroke.errors import PenstrokeError, require_extra
from penstroke.evaluation import Report
from penstroke.inference import Classifier
from penstroke.report.html.images import attribution_scale, attribution_uri, kernel_uris, map_uris
from penstroke.report.html.results import Shown, show
from penstroke.report.html.words import count, decimal, percent

if TYPE_CHECKING:
    from penstroke.inference.explanations import Stage

MAX_MAPS = 64
"""Number of maps of a layer that are shown."""
EXAMPLES = 6
"""Number of right and of wrong answers that are explained."""
VARIETY_IMAGES = 500
"""Number of test images over which the maps are compared."""


@dataclass(frozen=True)
class Layer:
    """One stage of the network, for the chosen image."""

    name: str
    shape: str
    note: str
    maps: list[str]
    """Data URIs of maps."""
    kernels: list[str]
    """Data URIs of the kernels, one for each map; empty except for the first convolution."""
    units: list[tuple[str, float]]
    """Height, 0..1, of each unit, with its label; empty for maps."""


@dataclass(frozen=True)
class Explained:
    """An image with the attributions for the class that the model predicts, and for the true one."""

    shown: Shown
    guess: str
    truth: str
    """Data URI; empty if the answer is right."""


@dataclass(frozen=True)
class Inside:
    """The inside of the network."""

    image: Shown
    layers: list[Layer] = field(default_factory=list)
    summary: tuple[str, ...] = ()
    right: list[Explained] = field(default_factory=list)
    wrong: list[Explained] = field(default_factory=list)
    omitted: list[str] = field(default_factory=list)
    """What is missing in the page, and how to add it."""


def make_inside(classifier: Classifier, report: Report, images: UInt8[ndarray, "n c h w"], index: int) -> Inside:
    """Return the inside of a network.

    Args:
        classifier: the model.
        report: its evaluation on ``images``.
        images: raw test images.
        index: index of the image whose maps are shown.
    """
    chosen = show(report, images, index)
    try:
        classifier = with_layers(classifier)
    except PenstrokeError as error:
        return Inside(chosen, omitted=[f"Kernels, maps and attributions are left out. {error}"])
    from penstroke.inference import explanations

    stages = explanations.stages(classifier, images[index])
    kernels = explanations.first_kernels(classifier)
    drawn = kernel_uris(kernels.values) if kernels else []
    layers = [
        _layer(stage, drawn if kernels and stage.layers[0] == kernels.layer else [], report.classes)
        for stage in stages[1:]  # the first one is the image itself, normalised
    ]
    right, wrong, omitted = _attributions(classifier, report, images)
    return Inside(chosen, layers, _summary(classifier, images), right, wrong, omitted)


def with_layers(classifier: Classifier) -> Classifier:
    """Return a classifier of the same model that PyTorch computes, because its layers can be read.

    Raises:
        MissingExtraError: PyTorch is not installed.
        UsageError: the model is an ONNX file, which PyTorch does not compute.
    """
    if classifier.backend_name == "torch":
        return classifier
    require_extra("train", "torch")
    return Classifier.load(Path(classifier.source), backend="torch")


def _layer(stage: "Stage", kernels: list[str], classes: tuple[str, ...]) -> Layer:
    values, name = stage.values, " → ".join(stage.layers)
    if stage.is_maps:
        number, height, width = values.shape
        more = f"; the first {MAX_MAPS} are shown" if number > MAX_MAPS else ""
        shape = f"{count(number, 'map')} of {height} × {width}"
        return Layer(name, shape + more, "", map_uris(values[:MAX_MAPS]), kernels[:MAX_MAPS], [])
    if len(values) == len(classes) and stage.layers[-1] in ("log_softmax", "calibration"):
        probabilities = np.exp(values.astype(np.float64)).tolist()
        labels = [f"{label}: {percent(value)}" for label, value in zip(classes, probabilities, strict=True)]
        return Layer(
            name,
            f"{count(len(values), 'probability', 'probabilities')}",
            "",
            [],
            [],
            list(zip(labels, probabilities, strict=True)),
        )
    scale = max(float(values.max()), 1e-12)
    active = int((values > 0).sum())
    heights = np.clip(values / scale, 0, 1).tolist()
    labels = [f"unit {number}: {value:.3g}" for number, value in enumerate(values)]
    units = list(zip(labels, heights, strict=True))
    return Layer(name, count(len(values), "unit"), f"{count(active)} of them are active", [], [], units)


def _summary(classifier: Classifier, images: UInt8[ndarray, "n c h w"]) -> tuple[str, ...]:
    from penstroke.inference import explanations

    found = explanations.variety(classifier, images[:VARIETY_IMAGES])
    if not found:
        return ()
    over = f"over the first {count(found.images, 'test image')}"
    number = f"{count(found.silent)} of the" if found.silent else "None of the"
    verb = "is" if found.silent < 2 else "are"
    sentences = [f"{number} {found.maps} maps {verb} zero everywhere, {over}."]
    if found.pair and found.correlation is not None:
        first, second = found.pair
        sentences.append(
            f"The two most similar maps, {first} and {second}, have a correlation of {decimal(found.correlation, 2)}; "
            "1 would mean that they detect the same."
        )
    return tuple(sentences)


def _attributions(
    classifier: Classifier, report: Report, images: UInt8[ndarray, "n c h w"]
) -> tuple[list[Explained], list[Explained], list[str]]:
    """Return explained right answers, explained mistakes, and what is missing."""
    right, wrong = _examples(report), report.worst(EXAMPLES).tolist()
    both = np.array([*right, *wrong], np.int64)
    guesses = report.log_probs[both].argmax(1)
    mistakes = np.array(wrong, np.int64)
    from penstroke.inference import explanations

    try:
        for_guess = explanations.attributions(classifier, images[both], guesses)
        for_truth = explanations.attributions(classifier, images[mistakes], report.labels[mistakes]) if wrong else None
    except PenstrokeError as error:
        return [], [], [f"Attributions are left out. {error}"]
    explained = []
    for place, index in enumerate(both.tolist()):
        image, guess = images[index], for_guess[place]
        truth = for_truth[place - len(right)] if for_truth is not None and place >= len(right) else None
        scale = max(attribution_scale(values) for values in (guess, truth) if values is not None)
        explained.append(
            Explained(
                show(report, images, index),
                attribution_uri(image, guess, scale),
                attribution_uri(image, truth, scale) if truth is not None else "",
            )
        )
    return explained[: len(right)], explained[len(right) :], []


def _examples(report: Report) -> list[int]:
    """Return the first correctly classified image of each of some classes that are spread over all classes."""
    labels, correct = report.labels, report.correct
    classes = np.unique(labels[correct])
    spread = classes[np.unique(np.linspace(0, len(classes) - 1, EXAMPLES).round().astype(int))] if len(classes) else []
    return [int(np.flatnonzero(correct & (labels == label))[0]) for label in spread]
