"""Predictions and pages: labels, abstention, JSON."""

import numpy as np
import pytest

from penstroke.errors import DataError
from penstroke.inference import Detection, Page, Prediction
from penstroke.inference.predictions import abstentions, make_predictions

CLASSES = ("0", "1", "2")


def test_a_prediction_has_a_label_and_a_ranking() -> None:
    (found,) = make_predictions(np.log(np.array([[0.2, 0.7, 0.1]], np.float32)), CLASSES)
    assert (found.label, found.abstained, found.reason) == ("1", False, "")
    assert [label for label, _ in found.ranking] == ["1", "0", "2"]
    assert found.probability == pytest.approx(0.7)
    assert found.to_json() == {
        "label": "1",
        "probability": found.probability,
        "probabilities": list(found.probabilities),
        "abstained": False,
        "reason": "",
    }
    assert repr(found) == "Prediction('1', probability=0.7000)"


def test_the_model_abstains_below_the_threshold_and_not_at_it() -> None:
    log_probs = np.log(np.array([[0.5, 0.25, 0.25], [0.25, 0.375, 0.375]], np.float32))
    assert abstentions(log_probs, 0.5).tolist() == [False, True]
    sure, unsure = make_predictions(log_probs, CLASSES, 0.5)
    assert sure.label == "0"
    assert (unsure.label, unsure.most_probable, unsure.abstained) == (None, "1", True)
    assert unsure.reason == (
        "it looks like none of the classes: the highest probability is 0.3750, below the threshold of 0.5000"
    )
    assert unsure.to_json()["label"] is None
    assert len(unsure.to_json()["probabilities"]) == 3
    assert "abstained" in repr(unsure)


def test_an_unusable_picture_has_an_error_and_no_label() -> None:
    found = Prediction((), CLASSES, error=DataError("It is empty.", "Save it again."))
    assert found.abstained
    assert (found.label, found.probability, found.ranking) == (None, None, [])
    values = found.to_json()
    assert values["error"] == {"kind": "data", "message": "It is empty.", "remedy": "Save it again."}
    assert (values["label"], values["probability"], values["probabilities"]) == (None, None, [])
    assert "It is empty." in repr(found)


def test_a_page_separates_digits_from_rejected_symbols() -> None:
    sure, unsure = make_predictions(np.log(np.array([[0.9, 0.05, 0.05], [0.4, 0.3, 0.3]], np.float32)), CLASSES, 0.5)
    box = (1, 2, 9, 8)
    page = Page(
        (Detection(0, box, sure), Detection(0, box, unsure), Detection(1, box, unsure), Detection(2, box, sure))
    )
    assert page.lines == ["0", "0"]
    assert len(page.digits) == len(page.rejected) == 2
    values = page.to_json()
    assert values.keys() == {"lines", "digits", "rejected", "rotation"}
    assert values["digits"][0] == {"line": 0, "box": [1, 2, 9, 8], "label": "0", "probability": sure.probability}
    assert values["rejected"][0]["label"] is None
    assert repr(page) == "Page(lines=['0', '0'], rejected=2)"
    assert Page((), DataError("It is empty.")).to_json() == {
        "lines": [], "digits": [], "rejected": [], "rotation": 0,
        "error": {"kind": "data", "message": "It is empty.", "remedy": ""},
    }  # fmt: skip
