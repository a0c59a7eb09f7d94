"""``Classifier``: every kind of input, abstention, errors per picture, lazy weights, saving."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from penstroke import storage
from penstroke.data import Dataset
from penstroke.errors import DataError, MissingExtraError, ModelError, RunError, UsageError
from penstroke.evaluation import evaluate
from penstroke.inference import Classifier
from penstroke.inference.pages import MIN_CONFIDENCE_AMONG_DIGITS
from penstroke.models.description import Calibration, Description
from penstroke.networks import ConvNet
from penstroke.runs import Run

CLASSES = tuple("0123456789")


class Constant:
    """A backend that returns the same probabilities for every image: 0.5 for class 3, the rest for the others."""

    name = "constant"

    def __init__(self, probability: float = 0.5) -> None:
        self.row = np.full(10, (1 - probability) / 9, np.float32)
        self.row[3] = probability

    def log_probs(self, images: np.ndarray, batch_size: int = 250) -> np.ndarray:
        return np.log(np.tile(self.row, (len(images), 1)))

    def weights(self) -> dict[str, np.ndarray]:
        return {}


def describe(threshold: float | None = None, **changes: Any) -> Description:
    known = Calibration(threshold=threshold, images=10, rejected=1, wrong=0) if threshold is not None else None
    plain = Description(
        network=ConvNet(), image_shape=(1, 28, 28), classes=CLASSES, mean=(0.13,), std=(0.3,), calibration=known
    )
    return replace(plain, **changes)


@pytest.fixture(scope="module")
def trained(sample_run: Run) -> Classifier:
    return Classifier.load(sample_run.path)


@pytest.fixture
def digit(sample: Dataset, tmp_path: Path) -> Path:
    path = tmp_path / "7.png"
    Image.fromarray(sample.test.images[0, 0]).resize((90, 90)).save(path)
    return path


def test_all_kinds_of_pictures_give_the_same_prediction(trained: Classifier, digit: Path) -> None:
    with Image.open(digit) as image:
        pixels = np.asarray(image)
        kinds: list[Any] = [digit, str(digit), digit.read_bytes(), image, pixels, np.stack([pixels] * 3, 2)]
        single = [trained.predict(kind) for kind in kinds]
        listed = trained.predict(kinds)
        assert listed == trained.predict(tuple(kinds))
    assert len(set(single)) == 1
    # The size of a batch may change the last digits.
    assert all(np.allclose(found.probabilities, single[0].probabilities, atol=1e-6) for found in listed)
    assert {found.label for found in listed} == {single[0].label}
    assert single[0].label in CLASSES
    assert sum(single[0].probabilities) == pytest.approx(1, abs=1e-5)
    assert trained.predict([]) == []


def test_raw_images_need_no_preparation(trained: Classifier, sample: Dataset) -> None:
    images = sample.test.images[:300]
    found = trained.predict(images)
    probabilities = np.exp(trained.log_probs(images))
    assert np.allclose([one.probabilities for one in found], probabilities, rtol=1e-5)
    assert [one.label for one in found] == [CLASSES[i] for i in probabilities.argmax(1)]
    assert np.mean([one.label == CLASSES[i] for one, i in zip(found, sample.test.labels, strict=False)]) > 0.7
    assert trained.predict(images[:0]) == []


def test_one_raw_image_gives_one_prediction(sample: Dataset) -> None:
    image = sample.test.images[0]
    seen = []

    class Recorded(Constant):
        def log_probs(self, images: np.ndarray, batch_size: int = 250) -> np.ndarray:
            seen.append(images)
            return super().log_probs(images, batch_size)

    found = Classifier(Recorded(), describe()).predict(image)
    assert found.label == "3"
    assert np.array_equal(seen[0], image[None])
    with pytest.raises(DataError, match=r"shape \[1, 28, 27\] is not a picture"):
        Classifier(Constant(), describe()).predict(image[:, :, 1:])


def test_evaluate_takes_a_classifier_and_its_threshold(sample: Dataset) -> None:
    classifier = Classifier(Constant(), describe(0.6))
    split = sample.test.subset(np.arange(5))
    report = evaluate(classifier, split)
    assert (report.threshold, report.abstained) == (0.6, 5)
    assert report.score == evaluate(classifier.log_probs, split).score
    assert evaluate(classifier, split, 0.4).abstained == evaluate(classifier.log_probs, split).abstained == 0
    with pytest.raises(UsageError, match=r"split is Dataset\(.*\(Dataset\); it must be a Split\.") as caught:
        evaluate(classifier, sample)  # type: ignore[arg-type]
    assert caught.value.remedy == "Pass data.test."


def test_evaluate_rejects_what_is_not_a_model(sample: Dataset) -> None:
    with pytest.raises(UsageError, match=r"model is 'latest' \(str\); it must be a Classifier") as caught:
        evaluate("latest", sample.test)  # type: ignore[arg-type]
    assert "fitted.classifier()" in caught.value.remedy


@pytest.mark.parametrize(
    "images", [np.zeros((2, 1, 28, 27), np.uint8), np.zeros((2, 3, 28, 28), np.uint8), np.zeros((2, 1, 28, 28))]
)
def test_raw_images_of_another_kind_are_an_error(images: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"the model takes uint8 of shape \[n, 1, 28, 28\]"):
        Classifier(Constant(), describe()).predict(images)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_unusable_picture_is_an_error_of_its_item_alone(
    digit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr("penstroke.inference.classifier.worker_count", lambda pictures, idle: workers)
    classifier = Classifier(Constant(), describe())
    broken, blank = tmp_path / "broken.png", np.full((50, 50), 255, np.uint8)
    broken.write_bytes(b"text")
    first, second, third, fourth = classifier.predict([digit, broken, blank, tmp_path / "missing.png"])
    assert (first.label, first.error) == ("3", None)
    assert second.error is not None
    assert "broken.png" in second.error.message
    assert (third.label, third.error, third.abstained) == (None, None, True)
    assert third.reason.startswith("No symbol was found")
    assert "missing.png" in str(fourth.error)
    with pytest.raises(DataError, match=r"broken\.png"):
        classifier.predict(broken)
    assert classifier.predict(blank).abstained
    with pytest.raises(DataError, match="90"):
        classifier.predict(digit, max_pixels=8099)
    assert classifier.predict(digit, max_pixels=8100).label == "3"


@pytest.mark.parametrize("threshold", [None, 0.2, 0.4, 0.6])
def test_predictions_pages_and_evaluations_abstain_below_the_same_threshold(
    sample: Dataset, digit: Path, threshold: float | None
) -> None:
    classifier = Classifier(Constant(), describe(threshold))
    abstains = threshold == 0.6
    assert classifier.threshold == (threshold or 0.0)
    assert classifier.predict(digit).abstained is abstains
    assert [found.abstained for found in classifier.predict(sample.test.images[:2])] == [abstains] * 2
    (detection,) = classifier.read(digit).detections
    assert detection.prediction.abstained is abstains
    split = sample.test.subset(np.arange(5))
    assert evaluate(classifier.log_probs, split, classifier.threshold).abstained == 5 * abstains


def test_next_to_other_digits_a_lower_confidence_is_required(digit: Path) -> None:
    symbol = 255 - np.asarray(Image.open(digit))
    two = np.concatenate([symbol, symbol], 1)
    letters = tuple("abcdefghij")  # not read as a whole by the network for touching digits
    for probability, accepted in ((MIN_CONFIDENCE_AMONG_DIGITS + 0.01, 2), (MIN_CONFIDENCE_AMONG_DIGITS - 0.01, 0)):
        page = Classifier(Constant(probability), describe(0.6, classes=letters)).read(two)
        assert (len(page.detections), len(page.digits)) == (2, accepted)
    page = Classifier(Constant(0.25), describe(0.2, classes=letters)).read(two)
    assert page.lines == ["dd"]


def test_pages_are_read_with_errors_per_picture(trained: Classifier, sample: Dataset, tmp_path: Path) -> None:
    paper = np.full((260, 420), 235, np.uint8)
    for number in range(7):
        image = np.asarray(Image.fromarray(sample.test.images[100 * number, 0]).resize((84, 84)))
        line, column = divmod(number, 4)
        y, x = 20 + 120 * line, 20 + 95 * column
        paper[y : y + 84, x : x + 84] = np.minimum(paper[y : y + 84, x : x + 84], 235 - image * 0.8)
    path, broken, blank = tmp_path / "page.png", tmp_path / "broken.png", np.full((99, 99), 250, np.uint8)
    Image.fromarray(paper).save(path)
    broken.write_bytes(b"text")
    page, second, third = trained.read([path, broken, blank])
    assert [len(line) for line in page.lines] == [4, 3]
    assert page == trained.read(paper) == trained.read(path.read_bytes())
    assert "broken.png" in str(second.error)
    assert (third.detections, third.error) == ((), None)
    with pytest.raises(DataError, match=r"broken\.png"):
        trained.read(broken)
    with pytest.raises(DataError, match="420"):
        trained.read(path, max_pixels=1000)


@pytest.mark.parametrize("changes", [{"preprocessing": "letterbox"}, {"image_shape": (1, 32, 32)}])
def test_only_models_of_digits_read_pages(digit: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match=r"pages can only be read with \[1, 28, 28\] and 'digit'"):
        Classifier(Constant(), describe(**changes)).read([digit])


def test_weights_are_loaded_at_the_first_use(sample_run: Run, digit: Path) -> None:
    script = f"""
import sys
from penstroke.inference import Classifier
classifier = Classifier.load({str(sample_run.path)!r})
assert len(classifier.description.classes) == 10
assert "torch" not in sys.modules
print([found.label for found in classifier.predict([{str(digit)!r}])])
assert "torch" in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    label = Classifier.load(sample_run.path).predict(digit).label
    assert (done.stdout, done.stderr) == (f"['{label}']\n", "")


def test_the_repr_of_a_classifier_names_its_properties(sample_run: Run) -> None:
    assert repr(Classifier(Constant(), describe(0.25), "runs/book")) == (
        "Classifier(source='runs/book', network='convnet', image_shape=(1, 28, 28), classes=10, "
        "preprocessing='digit', threshold=0.25)"
    )
    assert str(sample_run.path) in repr(Classifier.load(sample_run.path))


def test_a_saved_classifier_is_the_same(trained: Classifier, sample_run: Run, sample: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    trained.save(path)
    assert path.read_bytes() == sample_run.model_path.read_bytes()
    images = sample.test.images[:20]
    again = Classifier.load(str(path))
    assert np.array_equal(again.log_probs(images), trained.log_probs(images))
    assert again.description == trained.description


def test_what_cannot_be_loaded_is_an_error(sample_run: Run, digit: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError):
        Classifier.load(tmp_path / "nowhere")
    with pytest.raises(ModelError):
        Classifier.load(digit)
    cut = tmp_path / "cut.safetensors"
    storage.write_bytes(cut, sample_run.model_path.read_bytes()[:-8])
    with pytest.raises(ModelError, match=r"cut\.safetensors"):
        Classifier.load(cut).predict([digit])
    with pytest.raises(UsageError, match="tensorflow"):
        Classifier.load(sample_run.path, backend="tensorflow").predict(digit)
    with pytest.raises(UsageError, match="quantum"):
        Classifier.load(sample_run.path, device="quantum").predict(digit)


def test_without_pytorch_the_remedy_is_the_extra(sample_run: Run, digit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # importing it fails
    classifier = Classifier.load(sample_run.path)
    with pytest.raises(MissingExtraError, match=r"penstroke\[train\]"):
        classifier.predict(digit)
