"""Drawings of a run and its model are written where they belong, and show what the model predicts."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from penstroke.data import Dataset
from penstroke.errors import DataError, RunError
from penstroke.inference import Classifier
from penstroke.report.views import draw_curves, draw_preparation, draw_samples
from penstroke.runs import Run


@pytest.fixture
def run(sample_run: Run, tmp_path: Path) -> Run:
    return Run(shutil.copytree(sample_run.path, tmp_path / "book"))


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return image.size


def test_curves_are_drawn_into_the_pictures_of_a_run(run: Run, tmp_path: Path) -> None:
    shutil.rmtree(run.pictures, ignore_errors=True)
    path = draw_curves(run)
    assert path == run.pictures / "curves.png"
    assert size(path)[0] > 900
    other = tmp_path / "other.png"
    assert draw_curves(run, other) == other
    assert other.read_bytes() == path.read_bytes()


def test_curves_of_a_run_without_metrics_are_an_error(run: Run) -> None:
    run.metrics.path.unlink()
    with pytest.raises(RunError, match=r"book has no metrics.*imported") as caught:
        draw_curves(run)
    assert "penstroke train" in caught.value.remedy
    assert not (run.path / "pictures").exists()


STEP = {"kind": "step", "epoch": 1, "step": 1, "loss": 0.5}
EPOCH = {"kind": "epoch", "epoch": 1, "test": {"loss": 0.5, "accuracy": 0.9}, "validation": None}


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"kind": "step"}, r"step row 1 \(from 0\): epoch: field required"),
        (STEP | {"step": 0}, "step: input should be greater"),
        (STEP | {"epoch": True}, "epoch: input should be a valid integer"),
        (STEP | {"epoch": 10**30}, "epoch: "),
        (STEP | {"loss": "0.5"}, "loss: "),
        (STEP | {"loss": None}, "loss: "),
        (STEP | {"loss": 1e300}, "loss: .*range of float32"),
        (EPOCH | {"epoch": []}, r"epoch row 1 \(from 0\): epoch: "),
        (EPOCH | {"test": 3}, "test: "),
        (EPOCH | {"test": {"loss": 0.5}}, "test.accuracy: field required"),
        (EPOCH | {"validation": {"loss": 0.5, "accuracy": 90}}, "validation.accuracy: "),
    ],
)
def test_curves_of_damaged_metrics_are_an_error(run: Run, row: dict[str, object], problem: str) -> None:
    run.metrics.path.unlink()
    run.metrics.append(STEP, EPOCH)
    draw_curves(run)
    run.metrics.append(row)
    with pytest.raises(RunError, match=rf"metrics\.jsonl is invalid: .*{problem}"):
        draw_curves(run)


def test_curves_of_a_diverged_training_are_drawn(run: Run) -> None:
    run.metrics.path.unlink()
    losses = (2.0, 3e38, float("inf"), float("nan"), 0.0)
    run.metrics.append(*(STEP | {"step": step, "loss": loss} for step, loss in enumerate(losses, 1)))
    assert size(draw_curves(run))[0] > 500


def test_samples_have_the_predictions_of_the_classifier(run: Run, small: Dataset, tmp_path: Path) -> None:
    classifier = Classifier.load(run.path)
    path, (sample,) = draw_samples(classifier, small.test, [3], tmp_path)
    assert path == tmp_path / "sample.png"
    assert size(path)[0] > 800
    (expected,) = classifier.predict(small.test.images[3:4])
    assert sample.prediction == expected
    assert (sample.index, sample.truth) == (3, small.test.classes[small.test.labels[3]])
    assert np.array_equal(sample.image, small.test.images[3])
    path, samples = draw_samples(classifier, small.test, [7, 2, 9], tmp_path, "wrong")
    assert path == tmp_path / "wrong.png"
    assert [sample.index for sample in samples] == [7, 2, 9]
    size(path)


def test_a_preparation_is_drawn_as_the_model_needs_it(small: Dataset, tmp_path: Path) -> None:
    picture = tmp_path / "7.png"
    Image.fromarray(small.test.images[0, 0]).resize((90, 90)).save(picture)
    plain = draw_preparation(picture, tmp_path / "stages.png")
    colour = draw_preparation(picture, tmp_path / "colour.png", "letterbox", (3, 20, 40))
    assert size(plain)[0] > size(colour)[0] > 600
    with pytest.raises(DataError, match="90"):
        draw_preparation(picture, tmp_path / "none.png", max_pixels=100)
    assert not (tmp_path / "none.png").exists()
