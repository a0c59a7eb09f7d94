"""The verdict at the top of the page: what the model is, how good, on which data, and how certain that is.

Each sentence states only what the evaluation, the description of the model and the dataset show.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from penstroke.data import Dataset
from penstroke.data.sources import SAMPLE
from penstroke.evaluation import Report
from penstroke.models.description import Description
from penstroke.report.html.words import count, percent, size

MIN_SUPPORT = 20
"""Smallest number of images of a class that may be named as the weakest one."""


@dataclass(frozen=True)
class Confusion:
    """Images of one class for which another class is the most probable one."""

    truth: str
    guess: str
    images: int
    share: float
    """Fraction of the images of the true class, 0..1."""


@dataclass(frozen=True)
class Verdict:
    """The verdict, as sentences."""

    accuracy: str
    headline: str
    low: str
    high: str
    what: tuple[str, ...]
    how_good: tuple[str, ...]
    data: tuple[str, ...]
    certain: tuple[str, ...]


def make_verdict(report: Report, description: Description, data: Dataset, parameters: int | None) -> Verdict:
    """Return the verdict on an evaluation of a model on the test split of ``data``.

    Args:
        report: the evaluation.
        description: the model's metadata.
        data: the dataset.
        parameters: number of the network's weights; None if it is not known.
    """
    score = report.score
    low, high = report.accuracy_ci95
    images = count(score.total, "test image")
    wrong = score.total - score.correct
    headline = f"of {images} of {data.card.title} are classified correctly: {count(score.correct)} right, "
    return Verdict(
        percent(score.accuracy),
        f"{headline}{count(wrong)} wrong.",
        percent(low),
        percent(high),
        _what(description, parameters),
        _how_good(report),
        _data(description, data),
        _certain(report, description),
    )


def confusions(report: Report, most: int) -> list[Confusion]:
    """Return the most frequent confusions of two classes, the most frequent one first."""
    table = report.confusion.copy()
    totals = table.sum(1)
    np.fill_diagonal(table, 0)
    order = np.argsort(-table, axis=None, kind="stable")[:most]
    found = []
    for place in order:
        row, column = divmod(int(place), len(report.classes))
        if images := int(table[row, column]):
            found.append(Confusion(report.classes[row], report.classes[column], images, images / int(totals[row])))
    return found


def _what(description: Description, parameters: int | None) -> tuple[str, ...]:
    kind = {"convnet": "ConvNet", "patchnet": "PatchNet"}.get(description.network.kind, description.network.kind)
    size_text = f" with {count(parameters)} weights ({size(4 * parameters)})" if parameters else ""
    trained = description.trained
    recipe: dict[str, Any] = trained.get("recipe") or {}
    sentences = [f"A {kind} network{size_text} for {count(len(description.classes), 'class', 'classes')}."]
    if recipe:
        seed = trained.get("seed", recipe.get("seed"))
        epochs = trained.get("epochs", recipe.get("epochs"))
        planned = recipe.get("epochs")
        done = f"{epochs}" if epochs == planned else f"{epochs} of {planned}"
        noun = "epoch" if planned == 1 else "epochs"
        sentences.append(f"Trained with the recipe {recipe.get('name')} for {done} {noun}, with the seed {seed}.")
    else:
        sentences.append("How it was trained is not recorded.")
    return tuple(sentences)


def _how_good(report: Report) -> tuple[str, ...]:
    total, wrong = report.score.total, report.score.total - report.score.correct
    if wrong:
        sentences = [f"One image in {count(round(total / wrong))} is wrong.", *_weaknesses(report)]
    else:
        sentences = [f"It makes no mistakes on these {count(total, 'image')}."]
    if report.abstained:
        share = percent(report.abstained / total)
        sentences.append(
            f"It abstains on {count(report.abstained, 'image')} ({share}), which count by their most probable class."
        )
    return tuple(sentences)


def _weaknesses(report: Report) -> list[str]:
    sentences = []
    rows = [row for row in report.per_class if row.recall is not None and row.total >= MIN_SUPPORT]
    if len(rows) > 1:
        weakest = min(rows, key=lambda row: row.recall or 0.0)
        sentences.append(f"The weakest class is {weakest.label}: {percent(weakest.recall)} of its images are right.")
    for found in confusions(report, 1):
        times = "once" if found.images == 1 else f"{count(found.images)} times"
        sentences.append(f"The most frequent confusion is {found.truth} taken for {found.guess}, {times}.")
    return sentences


def _data(description: Description, data: Dataset) -> tuple[str, ...]:
    known = data.card
    trained_on = (description.trained.get("data") or {}).get("name")
    sentences = [f"The test split of {known.title}: {count(len(data.test), 'image')}."]
    if trained_on == known.name:
        train = count(len(data.train), "image")
        held_out = (description.trained.get("recipe") or {}).get("validation") or 0
        part = f", of which {percent(held_out, 0)} were kept for validation" if held_out else ""
        sentences.append(f"The network was trained on the train split of the same dataset, {train}{part}.")
    elif trained_on and known.name == SAMPLE:
        sentences.append(
            f"These images come from the training set of MNIST, and the network was trained on {trained_on}: it may "
            "have seen them, so the accuracy says little about new images."
        )
    elif trained_on:
        sentences.append(f"The network was trained on another dataset, {trained_on}.")
    return (*sentences, *(f"{note[:1].upper()}{note[1:]}." for note in data.notes))


def _certain(report: Report, description: Description) -> tuple[str, ...]:
    low, high = (percent(value) for value in report.accuracy_ci95)
    sentences = [f"With 95 % confidence, the accuracy on images of this kind is from {low} to {high}."]
    if description.trained.get("recipe"):
        sentences.append("That covers the choice of the test images. It does not cover the seed: this is one training.")
    error = percent(report.calibration_error)
    sentences.append(f"Its probabilities differ from how often it is right by {error} on average.")
    return tuple(sentences)
