"""The backend ``onnx``: results, choice of the backend, and files that it rejects."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from penstroke import Classifier
from penstroke.data import Dataset
from penstroke.errors import ModelError, UsageError
from penstroke.inference.backends import choose_backend
from penstroke.inference.backends.onnx import OnnxBackend
from penstroke.inference.source import default_source, describe, is_bundled, model_path
from penstroke.models import bundled
from penstroke.models.onnx_files import read_onnx, seal
from penstroke.runs import Run


@pytest.fixture
def empty_folder(tmp_path: Path) -> Iterator[Path]:
    before = Path.cwd()
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)


def test_the_size_of_batches_and_the_number_of_threads_do_not_change_the_labels(sample: Dataset) -> None:
    images = sample.test.images[:101]
    whole = OnnxBackend.open(bundled.ONNX).log_probs(images, 101)
    assert whole.dtype == np.float32
    assert whole.shape == (101, 10)
    for backend, size in ((OnnxBackend.open(bundled.ONNX, threads=1), 7), (OnnxBackend.open(bundled.ONNX, 2), 1)):
        np.testing.assert_allclose(backend.log_probs(images, size), whole, atol=1e-4)


def test_strided_and_read_only_images_are_accepted(sample: Dataset) -> None:
    backend = OnnxBackend.open(bundled.ONNX)
    images = np.array(sample.test.images[:6])
    images.flags.writeable = False
    flipped = images[::2, :, ::-1]
    np.testing.assert_array_equal(backend.log_probs(flipped), backend.log_probs(np.ascontiguousarray(flipped)))


def test_the_classifier_of_an_onnx_file_predicts_and_cannot_be_saved(sample: Dataset, tmp_path: Path) -> None:
    classifier = Classifier.load(bundled.ONNX)
    assert classifier.backend_name == "onnx"
    prediction = classifier.predict(sample.test.images[0])
    assert prediction.label == sample.test.classes[sample.test.labels[0]]
    with pytest.raises(ModelError, match="cannot be saved"):
        classifier.save(tmp_path / "copy.safetensors")


def test_the_backend_is_chosen_by_file_and_device(sample_run: Run) -> None:
    run = sample_run.model_path
    assert choose_backend(run).name == "torch"
    assert choose_backend(bundled.WEIGHTS).path == bundled.ONNX
    assert choose_backend(bundled.WEIGHTS, device="auto").name == "onnx"
    assert choose_backend(bundled.WEIGHTS, device="cuda").name == "torch"
    assert choose_backend(bundled.WEIGHTS, "torch").path == bundled.WEIGHTS
    assert choose_backend(bundled.ONNX).name == "onnx"
    with pytest.raises(UsageError, match="penstroke export --to onnx"):
        choose_backend(run, "onnx")
    with pytest.raises(UsageError, match="cannot compute"):
        choose_backend(bundled.ONNX, "torch")
    with pytest.raises(UsageError, match="on the CPU"):
        choose_backend(bundled.ONNX, device="cuda")
    with pytest.raises(UsageError, match="on the CPU"):
        choose_backend(bundled.WEIGHTS, "onnx", device="cuda")
    with pytest.raises(UsageError, match="Did you mean 'onnx'"):
        choose_backend(run, "onx")


def test_a_model_that_does_not_match_its_description_is_rejected() -> None:
    description, content = read_onnx(bundled.ONNX)
    with pytest.raises(ModelError, match="its description requires"):
        OnnxBackend(content, replace(description, classes=("a", "b")))
    with pytest.raises(ModelError, match="its description requires"):
        OnnxBackend(content, replace(description, image_shape=(1, 32, 32)))


def test_a_sealed_file_without_a_valid_graph_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "invalid.onnx"
    path.write_bytes(seal(b"\x3a\x04abcd", describe(bundled.ONNX)))
    with pytest.raises(ModelError, match="onnxruntime cannot compute"):
        _ = Classifier.load(path).backend


def test_the_default_is_the_latest_run_and_then_the_bundled_model(empty_folder: Path, sample_run: Run) -> None:
    assert default_source() == Path("ready")
    assert Classifier.load().source == "ready"
    Path("runs").mkdir()
    Path("runs/mine").symlink_to(sample_run.path)
    assert default_source() == Path("runs/mine")
    assert Classifier.load().source == "runs/mine"


def test_a_run_folder_called_ready_takes_precedence(empty_folder: Path, sample_run: Run) -> None:
    assert is_bundled("ready")
    assert model_path("ready") == bundled.WEIGHTS
    Path("ready").symlink_to(sample_run.path)
    assert not is_bundled("ready")
    assert model_path("ready") == Path("ready/model.safetensors")


def test_onnxruntime_sends_no_usage_data(tmp_path: Path) -> None:
    program = (
        "import penstroke, sys; c = penstroke.Classifier.load('ready'); import numpy as np;"
        "c.predict(np.zeros((1, 1, 28, 28), np.uint8)); assert 'onnxruntime' in sys.modules"
    )
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    stored = [path.name for path in tmp_path.rglob("*") if "onnxruntime" in path.name.lower()]
    assert not stored, "it would keep a device ID and events there"
