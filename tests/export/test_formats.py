"""Export in each format: the files work without Penstroke, and nothing is written unless they agree with the model."""

import dataclasses
import json
import re
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy import ndarray

from penstroke import Classifier
from penstroke.data import Dataset
from penstroke.errors import CheckFailed, DataError, ModelError, StorageError, UsageError
from penstroke.export import Target, export_model, formats
from penstroke.export.gate import BOUND
from penstroke.export.runtimes import Runtime, open_web
from penstroke.export.torch_program import torch_bytes
from penstroke.models.description import Description
from penstroke.models.onnx_files import read_onnx
from penstroke.networks.layers import wrap_module

PAGE = Path(__file__).parents[2] / "docs/export.md"
EXACT = [Target("onnx"), Target("torch"), Target("npz")]
LOSSY = [Target("onnx", "float16"), Target("onnx", "int8"), Target("web"), Target("web", single_file=True)]


@pytest.fixture(autouse=True)
def _graphs_are_made_once(make_graph: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "onnx_graph", make_graph)


def folder_of(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


@pytest.mark.parametrize("target", EXACT, ids=lambda target: target.file_name)
@pytest.mark.parametrize("name", ["book", "colour", "residual"])
def test_formats_that_keep_the_weights(
    name: str, target: Target, request: pytest.FixtureRequest, small: Dataset, colour_data: Dataset, tmp_path: Path
) -> None:
    classifier: Classifier = request.getfixturevalue(name)
    data = small if name == "book" else colour_data
    path = tmp_path / target.file_name
    exported = export_model(classifier, target, path, data)
    assert (exported.target, exported.path) == (target, path)
    assert exported.bytes == path.stat().st_size
    assert exported.parity.images == len(data.test)
    assert exported.parity.largest_difference <= BOUND
    assert exported.parity.different_labels == 0
    assert exported.parity.correct == exported.parity.correct_of_model
    assert folder_of(tmp_path) == [path.name]


@pytest.mark.parametrize("target", LOSSY, ids=lambda target: target.file_name)
def test_formats_with_lower_precision(target: Target, colour: Classifier, colour_data: Dataset, tmp_path: Path) -> None:
    exported = export_model(colour, target, tmp_path / target.file_name, colour_data)
    assert 0 < exported.parity.largest_difference < 0.1
    assert exported.parity.p_value > 0.05
    assert (exported.gain is not None) == (target.precision == "int8")
    if gain := exported.gain:
        assert exported.bytes < gain.float32_bytes
        assert gain.milliseconds.keys() == {"1", "500"}
        assert all(time > 0 for times in gain.milliseconds.values() for time in times.values())


def test_the_result_as_json(colour: Classifier, colour_data: Dataset, tmp_path: Path) -> None:
    exported = export_model(colour, Target("onnx", "int8"), tmp_path / "model.onnx", colour_data)
    value = json.loads(json.dumps(exported.to_json()))
    assert value.keys() == {
        *("format", "precision", "with_preparation", "single_file", "path", "bytes", "parity", "drawings", "int8")
    }
    assert value["parity"].keys() == {
        *("images", "largest_difference", "different_labels", "correct", "correct_of_model", "p_value")
    }
    assert value["int8"].keys() == {"float32_bytes", "milliseconds", "times_faster", "recommended"}
    assert value["drawings"] is None


def without_penstroke(folder: Path, code: str) -> Any:
    """Return the JSON that ``code`` prints last, in a process in ``folder`` that cannot import penstroke."""
    blocked = f"import sys\nsys.modules['penstroke'] = None\n{code}"
    done = subprocess.run([sys.executable, "-c", blocked], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def example_with(text: str) -> str:
    """Return the Python code in the page on exports that contains ``text``."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (example,) = (block for block in blocks if text in block)
    return str(example)


def test_a_torch_file_works_without_penstroke(book: Classifier, small: Dataset, tmp_path: Path) -> None:
    export_model(book, Target("torch"), tmp_path / "model.pt2", small)
    np.save(tmp_path / "images.npy", small.test.images[:5])
    code = f"""
{example_with("torch.export.load")}
import json, numpy
files = {{"penstroke.json": ""}}
network = torch.export.load("model.pt2", extra_files=files).module()
images = torch.from_numpy(numpy.load("images.npy"))
many, one = network(images).tolist(), network(images[:1]).tolist()
print(json.dumps([log_probs.shape, many, one, json.loads(files["penstroke.json"])]))
"""
    shape, many, one, description = without_penstroke(tmp_path, code)
    expected = book.log_probs(small.test.images[:5])
    assert shape == [1, 10]
    np.testing.assert_allclose(many, expected, atol=1e-5)
    np.testing.assert_allclose(one, expected[:1], atol=1e-5)
    assert Description.from_json(description) == book.description


def test_an_onnx_file_works_without_penstroke(colour: Classifier, colour_data: Dataset, tmp_path: Path) -> None:
    export_model(colour, Target("onnx"), tmp_path / "model.onnx", colour_data)
    np.save(tmp_path / "images.npy", colour_data.test.images[:5])
    code = f"""
{example_with("onnxruntime.InferenceSession")}
(many,) = session.run(None, {{"images": np.load("images.npy")}})
print(json.dumps([log_probs.shape, many.tolist(), description]))
"""
    shape, many, description = without_penstroke(tmp_path, code)
    assert shape == [1, 4]
    np.testing.assert_allclose(many, colour.log_probs(colour_data.test.images[:5]), atol=1e-5)
    assert Description.from_json(description) == colour.description


def test_an_onnx_file_is_complete_and_sealed(residual: Classifier, colour_data: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    export_model(residual, Target("onnx"), path, colour_data)
    description, content = read_onnx(path)
    assert description == residual.description
    model = onnx.load_from_string(content)
    assert [entry.key for entry in model.metadata_props] == ["penstroke", "penstroke.sha256"]
    assert not any(array.external_data for array in model.graph.initializer)
    images = colour_data.test.images
    found = Classifier.load(path).log_probs(images)
    np.testing.assert_allclose(np.exp(found), np.exp(residual.log_probs(images)), atol=BOUND)
    path.write_bytes(content.replace(b"Relu", b"Tanh", 1))
    with pytest.raises(ModelError, match="was modified"):
        Classifier.load(path)


def test_an_existing_export_is_replaced(colour: Classifier, colour_data: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "new/model.npz"
    for _ in range(2):
        export_model(colour, Target("npz"), path, colour_data)
        assert folder_of(path.parent) == ["model.npz"]
        path.write_bytes(path.read_bytes() + b"old")
    page = tmp_path / "web"
    for _ in range(2):
        export_model(colour, Target("web"), page, colour_data)
        assert "index.html" in folder_of(page)
        (page / "index.html").write_bytes(b"old")


@pytest.fixture
def change_exports(make_graph: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that adds numbers to the logits of every exported network."""

    def change(*numbers: float) -> None:
        def graph(module: torch.nn.Module, description: Any) -> onnx.ModelProto:
            model: onnx.ModelProto = make_graph(module, description)
            for array in model.graph.initializer:
                if array.name == "fc2.bias":
                    value = onnx.numpy_helper.to_array(array) + np.array(numbers, np.float32)
                    array.CopyFrom(onnx.numpy_helper.from_array(value, array.name))
            return model

        def program(module: torch.nn.Module, description: Any) -> bytes:
            module = deepcopy(module)
            with torch.no_grad():
                module.get_parameter("fc2.bias").add_(torch.tensor(numbers))
            return torch_bytes(module, description)

        monkeypatch.setattr(formats, "onnx_graph", graph)
        monkeypatch.setattr(formats, "torch_bytes", program)

    return change


@pytest.mark.parametrize("target", EXACT, ids=lambda target: target.file_name)
def test_a_small_difference_of_a_format_that_keeps_the_weights_is_an_error(
    target: Target, colour: Classifier, colour_data: Dataset, change_exports: Any, tmp_path: Path
) -> None:
    path = tmp_path / target.file_name
    earlier = b"earlier " + formats._MARKS[target.format]
    path.write_bytes(earlier)
    change_exports(0.003, 0, 0, 0)
    with pytest.raises(CheckFailed, match="and in 0 labels"):
        export_model(colour, target, path, colour_data)
    assert path.read_bytes() == earlier
    assert folder_of(tmp_path) == [path.name]


@pytest.mark.parametrize("target", LOSSY, ids=lambda target: target.file_name)
def test_lower_accuracy_is_an_error_and_nothing_is_written(
    target: Target, colour: Classifier, colour_data: Dataset, change_exports: Any, tmp_path: Path
) -> None:
    # The labels that the model gives are the true ones, so that an export can only lose accuracy.
    right = dataclasses.replace(colour_data.test, labels=colour.log_probs(colour_data.test.images).argmax(1))
    data = Dataset(colour_data.card, colour_data.train, lambda: right, requested="")
    change_exports(3, 2, 1, 0)
    with pytest.raises(CheckFailed, match="significantly fewer than the model"):
        export_model(colour, target, tmp_path / "exports" / target.file_name, data)
    assert not folder_of(tmp_path)


def test_a_page_that_differs_from_the_rounded_weights_is_not_written(
    colour: Classifier, colour_data: Dataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def opened(files: dict[str, bytes]) -> Runtime:
        run = open_web(files)

        def changed(images: ndarray) -> ndarray:
            logits = run(images) + np.array([0.02, 0, 0, 0], np.float32)
            return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)

        return changed

    monkeypatch.setattr(formats, "open_web", opened)
    with pytest.raises(CheckFailed, match=r"at most 0\.001 and no label are accepted"):
        export_model(colour, Target("web"), tmp_path / "web", colour_data)
    assert not folder_of(tmp_path)


def test_the_model_is_unchanged(residual: Classifier, colour_data: Dataset, tmp_path: Path) -> None:
    before = residual.backend.weights()
    export_model(residual, Target("torch"), tmp_path / "model.pt2", colour_data)
    after = residual.backend.weights()
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert residual.backend.module.training  # type: ignore[attr-defined]


def test_an_onnx_file_cannot_be_exported(colour: Classifier, colour_data: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    export_model(colour, Target("onnx"), path, colour_data)
    with pytest.raises(ModelError, match=r"model\.onnx is an ONNX file; only runs and model files") as caught:
        export_model(Classifier.load(path), Target("npz"), tmp_path / "model.npz", colour_data)
    assert "run" in caught.value.remedy


def test_unsupported_operators_are_named(colour_data: Dataset, residual: Classifier, tmp_path: Path) -> None:
    class Squashed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.out = torch.nn.Linear(3 * 20 * 24, 4)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.tanh(self.out(images.flatten(1)))

    network = wrap_module(Squashed(), residual.description.mean, residual.description.std)
    classifier = Classifier.from_module(network, residual.description)
    assert export_model(classifier, Target("onnx"), tmp_path / "model.onnx", colour_data).parity.different_labels == 0
    for target in (Target("npz"), Target("web")):
        with pytest.raises(ModelError, match=r"do not support these operators of the network: Tanh\."):
            export_model(classifier, target, tmp_path / "other", colour_data)
    assert folder_of(tmp_path) == ["model.onnx"]


@pytest.mark.parametrize(
    ("target", "place", "error", "message"),
    [
        (Target("npz"), ".", UsageError, "is a folder"),
        (Target("npz"), "file", UsageError, "file exists and is not a file that was exported as npz"),
        (Target("web", single_file=True), "file", UsageError, "is not a file that was exported as web"),
        (Target("npz"), "file/model.npz", StorageError, "Cannot write"),
        (Target("web"), "file", UsageError, "is a file"),
        (Target("web"), ".", UsageError, "has other files than a web page: file"),
    ],
)
def test_places_that_would_destroy_something_are_rejected(
    target: Target,
    place: str,
    error: type[Exception],
    message: str,
    colour: Classifier,
    colour_data: Dataset,
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_bytes(b"content")
    with pytest.raises(error, match=message):
        export_model(colour, target, tmp_path / place, colour_data)
    assert folder_of(tmp_path) == ["file"]


def test_data_of_another_shape_are_rejected(colour: Classifier, small: Dataset, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the model takes uint8 of shape \[n, 3, 20, 24\]"):
        export_model(colour, Target("torch"), tmp_path / "model.pt2", small)
    assert not folder_of(tmp_path)
