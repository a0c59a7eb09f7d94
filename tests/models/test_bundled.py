"""The bundled model: its two files agree with each other, with their model card and with the stored figures."""

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from benchmarks.conditions import load_result
from penstroke import Classifier, evaluate
from penstroke.data import Dataset
from penstroke.models import bundled, read_description
from penstroke.models.onnx_files import read_onnx

CARD = Path(__file__).parents[2] / "docs" / "ready.md"


def test_the_files_are_small_and_describe_the_same_model() -> None:
    assert bundled.WEIGHTS.stat().st_size + bundled.ONNX.stat().st_size <= 2_000_000
    description = read_description(bundled.WEIGHTS)
    assert description == read_onnx(bundled.ONNX)[0]
    assert description.trained["command"].startswith("penstroke train robust --data mnist --seed 0")
    assert description.trained["seed"] == description.trained["recipe"]["seed"] == 0
    assert description.calibration is not None


@pytest.mark.parametrize("path", [bundled.WEIGHTS, bundled.ONNX], ids=["safetensors", "onnx"])
def test_the_hash_is_the_one_in_the_figures_and_in_the_model_card(path: Path) -> None:
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    assert found == load_result("ready")["files"][path.name]["sha256"]
    assert found in CARD.read_text(encoding="utf-8")


def test_both_files_give_the_same_probabilities(sample: Dataset) -> None:
    images = sample.test.images
    edges = np.stack([np.zeros((1, 28, 28), np.uint8), np.full((1, 28, 28), 255, np.uint8)])
    onnx, torch = Classifier.load("ready"), Classifier.load("ready", backend="torch")
    assert (onnx.backend.name, torch.backend.name) == ("onnx", "torch")
    for batch in (images, images[:1], images[:33], edges):
        np.testing.assert_allclose(np.exp(onnx.log_probs(batch)), np.exp(torch.log_probs(batch)), atol=1e-5)
    assert (onnx.log_probs(images).argmax(1) == torch.log_probs(images).argmax(1)).all()


def test_weights_are_rounded_to_8_significant_bits() -> None:
    arrays = map(numpy_helper.to_array, onnx.load(bundled.ONNX).graph.initializer)
    halved = [array for array in arrays if array.dtype == np.float16]
    assert sum(array.size for array in halved) > 110_000
    for array in halved:
        assert not (array.astype(np.float32).view(np.uint32) & 0xFFFF).any()


def test_the_test_figures_in_the_metadata_are_right(mnist: Dataset) -> None:
    classifier = Classifier.load("ready")
    score = evaluate(classifier, mnist.test).score
    assert classifier.description.test is not None
    assert score.correct == classifier.description.test["correct"] >= 9940
    assert score.loss == pytest.approx(classifier.description.test["loss"], abs=1e-6)
