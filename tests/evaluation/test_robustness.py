"""Errors on corrupted images, and their comparison with the stored errors of ``book``."""

import json

import numpy as np
import pytest

from penstroke import Classifier
from penstroke.data import Dataset, Split
from penstroke.errors import UsageError
from penstroke.evaluation import CORRUPTIONS, CorruptionErrors, FamilyErrors, corrupt, corruption_errors, robustness
from penstroke.runs import Run


@pytest.fixture(scope="module")
def split(small: Dataset) -> Split:
    return small.test.subset(np.arange(60))


@pytest.fixture(scope="module")
def classifier(sample_run: Run) -> Classifier:
    return Classifier.load(sample_run.path)


def test_errors_are_those_of_the_corrupted_images(classifier: Classifier, split: Split) -> None:
    seen: list[tuple[str, int, int]] = []
    found = corruption_errors(classifier, split, ["rotate", "fog"], notify=lambda *each: seen.append(each))
    assert seen == [("rotate", 0, 2), ("fog", 1, 2)]
    assert found.clean == pytest.approx((classifier.log_probs(split.images).argmax(1) != split.labels).mean())
    for family in found.families:
        for severity, error in enumerate(family.errors, start=1):
            images = corrupt(split.images, family.name, severity, seed=0)
            expected = (classifier.log_probs(images).argmax(1) != split.labels).mean()
            assert error == pytest.approx(expected, abs=1e-12)
        assert family.wrong_answers == pytest.approx(family.errors)
        assert family.book is None
        assert family.relative is None
    assert found.mean_corruption_error is None
    assert found.mean == pytest.approx(np.mean([family.errors for family in found.families]))


def test_errors_are_relative_to_those_of_book(
    classifier: Classifier, split: Split, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from penstroke.data import fingerprint

    plain = corruption_errors(classifier, split, ["rotate", "scale"])
    halves = {each.name: [error / 2 for error in each.errors] for each in plain.families}
    path = tmp_path_factory.mktemp("baseline") / "book.json"
    path.write_text(json.dumps({"fingerprint": fingerprint(split), "errors": halves}))
    monkeypatch.setattr(robustness, "BASELINE", path)
    found = corruption_errors(classifier, split, ["rotate", "scale"], clean=0.25)
    assert found.clean == 0.25
    assert [each.relative for each in found.families] == pytest.approx([2, 2])
    assert found.mean_corruption_error == pytest.approx(2)
    assert CorruptionErrors.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_wrong_answers_exclude_abstentions(classifier: Classifier, split: Split) -> None:
    class Strict:
        description, threshold = classifier.description, 0.9

        def log_probs(self, images: np.ndarray, /) -> np.ndarray:
            return classifier.log_probs(images)

    (strict,) = corruption_errors(Strict(), split, ["rotate"]).families
    (plain,) = corruption_errors(classifier, split, ["rotate"]).families
    assert strict.errors == plain.errors
    assert strict.mean_wrong_answers < strict.mean == plain.mean_wrong_answers


def test_a_family_in_which_book_makes_no_mistake_has_no_relative_error() -> None:
    family = FamilyErrors("rotate", (0.1,) * 5, (0.1,) * 5, (0.0,) * 5)
    assert family.relative is None
    assert CorruptionErrors(0.0, (family,)).mean_corruption_error is None


@pytest.mark.parametrize(
    "damage", [{"errors": [0.1] * 4}, {"errors": [2.0] * 5}, {"book": ["x"] * 5}, {"wrong_answers": None}]
)
def test_damaged_values_are_rejected(damage: dict[str, object]) -> None:
    family = FamilyErrors("rotate", (0.1,) * 5, (0.1,) * 5)
    values = CorruptionErrors(0.0, (family,)).to_json()
    values["families"][0] |= damage
    with pytest.raises((KeyError, TypeError, ValueError)):
        CorruptionErrors.from_json(values)
    with pytest.raises(ValueError, match="must not be empty"):
        CorruptionErrors.from_json(values | {"families": []})


@pytest.mark.parametrize("names", [[], ["rottate"]])
def test_unknown_families_are_rejected(classifier: Classifier, split: Split, names: list[str]) -> None:
    with pytest.raises(UsageError, match=r"does not exist|No corruption"):
        corruption_errors(classifier, split, names)


def test_the_stored_baseline_is_complete(mnist: Dataset) -> None:
    stored = json.loads(robustness.BASELINE.read_text(encoding="utf-8"))
    assert stored["errors"].keys() == CORRUPTIONS.keys()
    assert stored["images"] == 10_000
    assert stored["recipe"]["name"] == "book"
    assert {"cpu", "when"} & stored["conditions"].keys()
    constant = np.log(np.full((1, 10), 0.1, np.float32))
    (found,) = corruption_errors(lambda images: constant.repeat(len(images), 0), mnist.test, ["brightness"]).families
    assert found.book == tuple(stored["errors"]["brightness"])
