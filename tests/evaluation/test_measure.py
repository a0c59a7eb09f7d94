"""``evaluate``: models and splits that do not fit each other, and models that return no probabilities."""

from typing import Any

import numpy as np
import pytest

from penstroke.data import Split
from penstroke.errors import DataError, ModelError
from penstroke.evaluation import evaluate

IMAGES = np.zeros((6, 1, 4, 4), np.uint8)


class Constant:
    """A model of three classes that always returns the same log-probabilities."""

    class description:  # noqa: N801 - the name of an attribute
        classes = ("a", "b", "c")

    def __init__(self, *probabilities: float) -> None:
        self.row = np.log(np.array(probabilities, np.float32))

    def log_probs(self, images: Any, /) -> Any:
        return np.tile(self.row, (len(images), 1))


def split(labels: list[int], classes: tuple[str, ...]) -> Split:
    return Split(IMAGES[: len(labels)], np.array(labels), classes, "test")


def test_classes_are_matched_by_name() -> None:
    report = evaluate(Constant(0.2, 0.7, 0.1), split([0, 0, 1], ("c", "b")))
    assert report.classes == ("a", "b", "c")
    assert report.labels.tolist() == [2, 2, 1]
    assert report.confusion.tolist() == [[0, 0, 0], [0, 1, 0], [0, 2, 0]]
    rows = report.per_class
    assert [(row.recall, row.precision, row.f1) for row in rows] == [
        (None, None, None),
        (1.0, pytest.approx(1 / 3), 0.5),
        (0.0, None, 0.0),
    ]


def test_one_class_is_enough() -> None:
    report = evaluate(Constant(0.2, 0.7, 0.1), split([0, 0], ("b",)))
    assert report.score.correct == 2
    assert [row.auc for row in report.per_class] == [None] * 3
    assert report.to_json()["confusion_shares"] == [[None] * 3, [0.0, 1.0, 0.0], [None] * 3]


def test_an_unknown_class_is_rejected() -> None:
    with pytest.raises(DataError, match="class 'd', which is not one of the model's 3") as caught:
        evaluate(Constant(0.2, 0.7, 0.1), split([0, 1], ("a", "d")))
    assert "Known: a, b, c." in caught.value.remedy


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_a_probability_is_rejected(bad: float) -> None:
    def model(images: Any) -> Any:
        log_probs = np.full((len(images), 2), -0.7, np.float32)
        log_probs[1, 0] = bad
        return log_probs

    with pytest.raises(ModelError, match="NaN or infinity for 1 of 3 images"):
        evaluate(model, split([0, 1, 0], ("a", "b")))


def test_an_array_of_another_shape_is_rejected() -> None:
    with pytest.raises(ModelError, match=r"shape \[3, 5\]; it must be \[3, 2\]"):
        evaluate(lambda images: np.zeros((3, 5), np.float32), split([0, 1, 0], ("a", "b")))


def test_an_infinite_loss_is_null_in_json() -> None:
    with np.errstate(divide="ignore"):
        report = evaluate(Constant(1.0, 0.0, 0.0), split([0, 1], ("a", "b", "c")))
    assert report.score.loss == np.inf
    assert report.to_json()["loss"] is None
    assert report.brier == 1
