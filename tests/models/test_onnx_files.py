"""Sealed ONNX files: the description and the hash are read back, and every change of the file is found."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from penstroke.errors import ModelError
from penstroke.models import Description
from penstroke.models.onnx_files import read_onnx, seal
from penstroke.networks import ConvNet


def describe(name: str = "0") -> Description:
    return Description(
        network=ConvNet(), image_shape=(1, 28, 28), classes=(name, "other"), mean=(0.13,), std=(0.3,), trained={"a": 1}
    )


def small_model() -> onnx.ModelProto:
    node = helper.make_node("Cast", ["images"], ["log_probs"], to=TensorProto.FLOAT)
    graph = helper.make_graph(
        [node],
        "small",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", 2])],
        [helper.make_tensor_value_info("log_probs", TensorProto.FLOAT, ["n", 2])],
    )
    return helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20)])


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    path = tmp_path / "small.onnx"
    path.write_bytes(seal(small_model().SerializeToString(), describe()))
    return path


def test_the_description_is_read_back(sealed: Path) -> None:
    assert read_onnx(sealed) == (describe(), sealed.read_bytes())


def test_other_readers_of_onnx_find_the_model_and_its_metadata(sealed: Path) -> None:
    model = onnx.load(sealed)
    onnx.checker.check_model(model)
    assert [entry.key for entry in model.metadata_props] == ["penstroke", "penstroke.sha256"]
    session = onnxruntime.InferenceSession(sealed.read_bytes(), providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map.keys() == {"penstroke", "penstroke.sha256"}
    (output,) = session.run(None, {"images": np.array([[3, 4]], np.uint8)})
    assert output.tolist() == [[3.0, 4.0]]


@settings(deadline=None)
@given(name=st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=300))
def test_every_class_name_is_read_back(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    path = tmp_path_factory.getbasetemp() / "named.onnx"
    path.write_bytes(seal(b"model", describe(name + "!")))
    assert read_onnx(path) == (describe(name + "!"), path.read_bytes())


@settings(deadline=None)
@given(position=st.integers(0, 10_000), change=st.integers(1, 255))
def test_every_changed_byte_is_found(tmp_path_factory: pytest.TempPathFactory, position: int, change: int) -> None:
    content = bytearray(seal(small_model().SerializeToString(), describe()))
    content[position % len(content)] ^= change
    path = tmp_path_factory.getbasetemp() / "changed.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"modified|no hash"):
        read_onnx(path)


@settings(deadline=None)
@given(size=st.integers(0, 2000), more=st.binary(max_size=300))
def test_truncated_and_foreign_files_are_rejected(
    tmp_path_factory: pytest.TempPathFactory, size: int, more: bytes
) -> None:
    content = seal(small_model().SerializeToString(), describe())
    path = tmp_path_factory.getbasetemp() / "cut.onnx"
    path.write_bytes(content[: size % len(content)] + more)
    if path.read_bytes() != content:
        with pytest.raises(ModelError):
            read_onnx(path)


def test_a_file_without_a_seal_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "foreign.onnx"
    path.write_bytes(small_model().SerializeToString())
    with pytest.raises(ModelError, match="not exported by Penstroke"):
        read_onnx(path)


def test_a_missing_file_a_folder_and_a_link_outside_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        read_onnx(tmp_path / "missing.onnx")
    with pytest.raises(ModelError, match="it is a folder"):
        read_onnx(tmp_path)
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "outside.onnx").write_bytes(b"")
    (folder / "link.onnx").symlink_to(tmp_path / "outside.onnx")
    with pytest.raises(ModelError, match="outside its folder"):
        read_onnx(folder / "link.onnx")


def test_a_newer_format_needs_a_newer_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "newer.onnx"
    monkeypatch.setattr("penstroke.models.description.FORMAT", 2)
    path.write_bytes(seal(b"model", describe()))
    monkeypatch.undo()
    with pytest.raises(ModelError, match="Upgrade Penstroke"):
        read_onnx(path)
