"""Model files: their metadata alone rebuilds the network; damaged or foreign ones are refused."""

import json
import os
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from trained import dataset

from penstroke import Classifier
from penstroke.errors import ModelError, RunError
from penstroke.models.description import FORMAT, Description
from penstroke.models.files import load_model, new_model, save_model
from penstroke.recipes import ConvNetSpec


def description(**changes: object) -> Description:
    values = {
        "network": ConvNetSpec(channels=(4, 6), hidden=9, kernel_sizes=(5, 3)),
        "image_shape": (1, 28, 28),
        "classes": tuple("0123456789"),
        "mean": 0.1302,
        "std": 0.3069,
        "trained": {"epochs": 2},
        "test": {"accuracy": 0.5},
    }
    return Description(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_model(tmp_path / "model.safetensors", new_model(description()), description())
    return tmp_path / "model.safetensors"


def test_the_file_alone_rebuilds_the_classifier(tmp_path: Path) -> None:
    model = new_model(description()).eval()
    save_model(tmp_path / "m.safetensors", model, description())
    again, found = load_model(tmp_path / "m.safetensors")
    assert found == description()
    pixels = dataset().train.images[:50]
    with torch.no_grad():
        assert torch.equal(again(pixels), model(pixels))
    assert Classifier.load(tmp_path / "m.safetensors").predict(pixels).labels == [
        str(label) for label in model(pixels).argmax(1).tolist()
    ]


def test_a_missing_file_and_a_folder_that_is_no_run_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no model file .*nothing\.safetensors"):
        Classifier.load(tmp_path / "nothing.safetensors")
    with pytest.raises(RunError, match="is no run folder"):
        Classifier.load(tmp_path)


@pytest.mark.parametrize("size", [0, 7, 8, 100, 2000])
def test_a_cut_file_is_refused(saved: Path, size: int) -> None:
    saved.write_bytes(saved.read_bytes()[:size])
    with pytest.raises(ModelError, match=r"is cut"):
        load_model(saved)


def test_a_lying_header_is_refused(saved: Path) -> None:
    content = saved.read_bytes()
    saved.write_bytes(struct.pack("<Q", 1 << 60) + content[8:])
    with pytest.raises(ModelError):
        load_model(saved)


@pytest.mark.parametrize("change", [
    {"classes": ["0"]}, {"classes": None}, {"image_shape": [1, 28]}, {"image_shape": [1, 2, 2]}, {"mean": "x"},
    {"network": {"kind": "other"}}, {"network": {"kind": "convnet", "hidden": 10**12}},
    {"network": {"kind": "convnet", "hidden": 8}}, {"trained": 3},
])  # fmt: skip
def test_a_description_that_makes_no_sense_is_refused(saved: Path, change: dict[str, object]) -> None:
    model = new_model(description())
    metadata = {"format": FORMAT, "description": json.dumps(description().to_json() | change)}
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, saved, metadata)
    with pytest.raises(ModelError):
        load_model(saved)


def test_foreign_and_non_finite_weights_are_refused(saved: Path) -> None:
    save_file({"a": torch.zeros(3)}, saved)
    with pytest.raises(ModelError, match="its format is"):
        load_model(saved)
    model = new_model(description())
    model.fc2.weight.data[0, 0] = float("nan")  # type: ignore[union-attr, operator]
    save_model(saved, model, description())
    with pytest.raises(ModelError, match="not finite"):
        load_model(saved)


def test_an_unwritable_place_leaves_the_old_file(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()

    def no_room(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(Exception, match="No space left"):
        save_model(saved, new_model(description()), description())
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]
