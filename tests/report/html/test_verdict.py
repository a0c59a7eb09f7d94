"""The verdict says what the evaluation shows, and no more."""

import dataclasses

import numpy as np

from penstroke.data import Dataset
from penstroke.evaluation import Report
from penstroke.models.description import Description
from penstroke.networks import ConvNet
from penstroke.report.html.verdict import Verdict, confusions, make_verdict

CLASSES = tuple("0123456789")
RECIPE = {"name": "fast", "epochs": 3, "seed": 7, "validation": 0.1}
TRAINED = {"recipe": RECIPE, "epochs": 3, "data": {"name": "mnist5k", "source": "mnist5k"}}


def describe(**trained: object) -> Description:
    return Description(
        network=ConvNet(), image_shape=(1, 28, 28), classes=CLASSES, mean=(0.13,), std=(0.3,), trained=trained
    )


def report(labels: np.ndarray, guesses: np.ndarray, threshold: float = 0.0) -> Report:
    probabilities = np.full((len(labels), 10), 0.02)
    probabilities[np.arange(len(labels)), guesses] = 0.82
    return Report(np.log(probabilities).astype(np.float32), labels.astype(np.int64), CLASSES, threshold)


def verdict(guesses_wrong: int, small: Dataset, description: Description, threshold: float = 0.0) -> Verdict:
    """Return the verdict for images of which the first few of class 4 are taken for 9."""
    labels = small.test.labels
    guesses = labels.copy()
    guesses[np.flatnonzero(labels == 4)[:guesses_wrong]] = 9
    return make_verdict(report(labels, guesses, threshold), description, small, 300_426)


def plain(lines: tuple[str, ...]) -> str:
    return " ".join(lines).replace("\N{NO-BREAK SPACE}", " ")


def test_the_four_answers(small: Dataset) -> None:
    found = verdict(10, small, describe(**TRAINED))
    assert plain((found.accuracy, found.headline)).startswith("98.00 % of 500 test images of ")
    assert found.headline.endswith("are classified correctly: 490 right, 10 wrong.")
    assert plain(found.what) == (
        "A ConvNet network with 300,426 weights (1.2 MB) for 10 classes. "
        "Trained with the recipe fast for 3 epochs, with the seed 7."
    )
    members = int((small.test.labels == 4).sum())
    assert plain(found.how_good) == (
        f"One image in 50 is wrong. The weakest class is 4: {100 * (members - 10) / members:.2f} % of its images are "
        "right. The most frequent confusion is 4 taken for 9, 10 times."
    )
    assert "2,000 images, of which 10 % were kept for validation" in plain(found.data)
    assert "from 96.36 % to 98.91 %" in plain(found.certain)
    assert "It does not cover the seed" in plain(found.certain)
    assert "abstains" not in plain(found.how_good)


def test_one_mistake_none_and_all_wrong(small: Dataset) -> None:
    assert "taken for 9, once." in plain(verdict(1, small, describe(**TRAINED)).how_good)
    perfect = verdict(0, small, describe(**TRAINED))
    assert (plain((perfect.accuracy,)), perfect.how_good) == (
        "100.00 %",
        ("It makes no mistakes on these 500 images.",),
    )
    labels = small.test.labels
    worst = make_verdict(report(labels, (labels + 1) % 10), describe(**TRAINED), small, None)
    assert plain((worst.accuracy,)) == "0.00 %"
    assert worst.how_good[0] == "One image in 1 is wrong."


def test_abstentions_and_other_data_are_stated(small: Dataset) -> None:
    found = verdict(10, small, describe(**TRAINED), threshold=0.9)
    assert "It abstains on 500 images (100.00 %)" in plain(found.how_good)
    other = verdict(10, small, describe(**(TRAINED | {"data": {"name": "mnist", "source": "mnist"}})))
    assert "trained on mnist: it may have seen them" in plain(other.data)
    imported = verdict(10, small, describe(imported="book"))
    assert imported.what[1] == "How it was trained is not recorded."
    assert "seed" not in plain(imported.certain)


def test_unfinished_trainings_say_how_far_they_came(small: Dataset) -> None:
    found = verdict(10, small, describe(**(TRAINED | {"epochs": 1})))
    assert "for 1 of 3 epochs" in plain(found.what)


def test_small_classes_are_not_called_the_weakest(small: Dataset) -> None:
    labels = np.array([0] * 50 + [1] * 50 + [2] * 3)
    guesses = labels.copy()
    guesses[[0, 100, 101, 102]] = 3
    found = make_verdict(report(labels, guesses), describe(**TRAINED), small, None)
    assert "The weakest class is 0: 98.00 %" in plain(found.how_good)


def test_confusions_are_sorted_and_complete() -> None:
    labels = np.array([0] * 6 + [1] * 4)
    found = confusions(report(labels, np.array([0, 0, 1, 1, 1, 2, 1, 1, 0, 0])), 10)
    assert [dataclasses.astuple(each)[:3] for each in found] == [("0", "1", 3), ("1", "0", 2), ("0", "2", 1)]
    assert found[0].share == 0.5
