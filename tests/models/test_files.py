"""Model files: the file restores the network; equal models give equal bytes; invalid files are rejected."""

import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load, save
from torch import Tensor

from penstroke.errors import ModelError, PenstrokeError, StorageError, UsageError
from penstroke.models import (
    Calibration,
    Description,
    check_network,
    load_module,
    module_from,
    read_description,
    read_model,
    save_model,
    weights_of,
    write_model,
)
from penstroke.models.committee import TEMPERATURE
from penstroke.models.files import METADATA_KEY, model_bytes
from penstroke.networks import ConvNet, NetworkSpec, PatchNet
from penstroke.networks.layers import Network

Describe = Callable[..., Description]


def new_network(description: Description) -> Network:
    return description.network.build(
        description.image_shape, len(description.classes), description.mean, description.std
    )


def test_the_network_is_restored_from_the_file_alone(tmp_path: Path, describe: Describe, images: Tensor) -> None:
    network = new_network(describe()).eval()
    save_model(tmp_path / "m.safetensors", network, describe())
    again, description = load_module(tmp_path / "m.safetensors")
    assert description == describe() == read_description(tmp_path / "m.safetensors")
    assert not again.training
    with torch.no_grad():
        assert torch.equal(again(images), network(images))


def test_weights_stored_in_half_precision_are_converted(tmp_path: Path, describe: Describe, images: Tensor) -> None:
    network = new_network(describe()).eval()
    weights = weights_of(network)
    halved = {name: array.astype(np.float16) if array.ndim > 1 else array for name, array in weights.items()}
    write_model(tmp_path / "m.safetensors", halved, describe())
    again, _ = load_module(tmp_path / "m.safetensors")
    assert {value.dtype for value in again.state_dict().values()} == {torch.float32}
    expected = {name: torch.from_numpy(array.astype(np.float32)) for name, array in halved.items()}
    network.load_state_dict(expected)
    with torch.no_grad():
        assert torch.equal(again(images), network(images))


def test_a_classifier_has_the_predictions_of_the_network(tmp_path: Path, describe: Describe, images: Tensor) -> None:
    from penstroke.inference import Classifier

    network = new_network(describe()).eval()
    save_model(tmp_path / "m.safetensors", network, describe())
    predictions = Classifier.load(tmp_path / "m.safetensors").predict(images.numpy())
    with torch.no_grad():
        assert [prediction.label for prediction in predictions] == [str(i) for i in network(images).argmax(1).tolist()]


def test_equal_models_give_equal_bytes(tmp_path: Path) -> None:
    program = """
import sys, torch
from pathlib import Path
from penstroke.models import Calibration, Description, save_model
from penstroke.networks import ConvNet
torch.manual_seed(0)
description = Description(network=ConvNet(channels=(2, 3), hidden=4), image_shape=(1, 12, 12), classes=tuple("0123"),
    mean=(0.1,), std=(0.3,), calibration=Calibration(threshold=0.25, images=9, rejected=1, wrong=2),
    trained={"recipe": {"b": 1, "a": 2}}, test={"loss": 0.1})
save_model(Path(sys.argv[1]), description.network.build((1, 12, 12), 4).with_temperature(1.5), description)
"""
    paths = [tmp_path / f"{number}.safetensors" for number in range(3)]
    for number, path in enumerate(paths):  # a new process each, with another order of its hash tables
        subprocess.run(
            [sys.executable, "-c", program, str(path)], check=True, env=os.environ | {"PYTHONHASHSEED": str(number)}
        )
    assert paths[0].read_bytes() == paths[1].read_bytes() == paths[2].read_bytes()


def test_the_metadata_has_one_key_with_the_format(saved: Path) -> None:
    with safe_open(saved, "numpy") as file:
        metadata = file.metadata()
    assert list(metadata) == [METADATA_KEY]
    values = json.loads(metadata[METADATA_KEY])
    assert values["format"] == 1
    assert values["network"]["kind"] == "convnet"
    assert (values["mean"], values["std"], values["calibration"]) == ([0.1302], [0.3069], None)


def rewritten(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the metadata of a model file."""
    with safe_open(path, "numpy") as file:
        values = json.loads(file.metadata()[METADATA_KEY])
    change(values)
    path.write_bytes(save(load(path.read_bytes()), {METADATA_KEY: json.dumps(values)}))


def test_a_newer_format_is_rejected_with_the_remedy(saved: Path) -> None:
    rewritten(saved, lambda values: values.update(format=2))
    with pytest.raises(ModelError, match="has format 2, and this version of Penstroke reads formats up to 1") as caught:
        load_module(saved)
    assert "pip install --upgrade penstroke" in caught.value.remedy


def test_missing_keys_get_their_defaults_and_unknown_ones_are_ignored(saved: Path, describe: Describe) -> None:
    def change(values: dict[str, Any]) -> None:
        for key in ("preprocessing", "calibration", "trained", "test"):
            del values[key]
        values["colour"] = "red"

    rewritten(saved, change)
    assert load_module(saved)[1] == describe(trained={}, test=None)


@pytest.mark.parametrize("key", ["format", "network", "image_shape", "classes", "mean", "std"])
def test_a_key_without_a_default_is_required(saved: Path, key: str) -> None:
    rewritten(saved, lambda values: values.pop(key))
    with pytest.raises(ModelError, match=f"{key} is missing|not a JSON object with a format of 1"):
        load_module(saved)


def test_a_network_with_batch_normalisation_keeps_its_dtypes(tmp_path: Path, toy: type[NetworkSpec]) -> None:
    description = Description(
        network=toy(), image_shape=(3, 5, 4), classes=("a", "b", "c"), mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6)
    )
    network = new_network(description).train()
    for _ in range(3):
        network(torch.randint(0, 256, (8, 3, 5, 4), dtype=torch.uint8))
    save_model(tmp_path / "m.safetensors", network, description)
    again, found = load_module(tmp_path / "m.safetensors")
    assert found == description
    assert again.get_buffer("norm.num_batches_tracked").dtype == torch.int64
    assert again.get_buffer("norm.num_batches_tracked").item() == 3
    images = torch.randint(0, 256, (8, 3, 5, 4), dtype=torch.uint8)
    assert torch.equal(again(images), network.eval()(images))


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("norm.num_batches_tracked", np.array(3, np.float32)),
        ("norm.num_batches_tracked", np.array(3, np.int32)),
        ("norm.running_mean", np.zeros(3, np.float64)),
        ("norm.running_mean", np.zeros((3, 1), np.float32)),
        ("out.bias", None),
        ("more", np.zeros(1, np.float32)),
    ],
)
def test_another_name_shape_or_dtype_is_rejected(
    tmp_path: Path, toy: type[NetworkSpec], name: str, array: np.ndarray | None
) -> None:
    description = Description(
        network=toy(), image_shape=(3, 5, 4), classes=("a", "b"), mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6)
    )
    weights = weights_of(new_network(description))
    if array is None:
        del weights[name]
    else:
        weights[name] = array
    with pytest.raises(ModelError, match=rf"do not match the description: the tensor '{name}' is"):
        module_from(description, weights)
    (tmp_path / "m.safetensors").write_bytes(model_bytes(weights, description))
    with pytest.raises(ModelError, match=rf"m\.safetensors cannot be used.*the tensor '{name}' is"):
        load_module(tmp_path / "m.safetensors")


def test_a_calibrated_network_is_saved_with_its_temperature(tmp_path: Path, describe: Describe, images: Tensor) -> None:
    calibration = Calibration(threshold=0.4, images=100, rejected=3, wrong=2)
    network = new_network(describe()).with_temperature(1.7).eval()
    save_model(tmp_path / "m.safetensors", network, describe(calibration=calibration))
    again, description = load_module(tmp_path / "m.safetensors")
    assert description.calibration == calibration
    assert [name for name, _ in again.named_children()][-1] == "calibration"
    with torch.no_grad():
        assert torch.equal(again(images), network(images))


@pytest.mark.parametrize("temperature", [0.0, -1.0, 1e-4, 1e4])
def test_a_temperature_out_of_range_is_rejected(describe: Describe, temperature: float) -> None:
    weights = weights_of(new_network(describe())) | {TEMPERATURE: np.array(temperature, np.float32)}
    with pytest.raises(ModelError, match=r"The temperature is .* but must be from 0\.001 to 1000"):
        module_from(describe(), weights)


def test_loading_leaves_the_random_state_unchanged(saved: Path) -> None:
    before = torch.get_rng_state()
    load_module(saved)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [(".", StorageError, "it is a folder"), ("folder", StorageError, "it is a folder"), ("m.onnx", UsageError, "ONNX")],
)
def test_a_name_that_no_model_file_can_have_is_rejected(
    name: str,
    kind: type[PenstrokeError],
    reason: str,
    tmp_path: Path,
    describe: Describe,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(kind, match=reason) as caught:
        write_model(Path(name), {}, describe())
    assert "safetensors" in caught.value.remedy
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_reading_needs_no_torch(saved: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from penstroke.models import read_model;"
        "description, weights = read_model(Path(sys.argv[1]));"
        "print('torch' in sys.modules, weights['fc2.weight'].dtype, description.network.kind)"
    )
    result = subprocess.run([sys.executable, "-c", program, str(saved)], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["False", "float32", "convnet"]


def test_reading_gives_the_weights_that_were_written(saved: Path, describe: Describe) -> None:
    description, weights = read_model(saved)
    assert description == describe()
    again = weights_of(module_from(description, weights))
    assert again.keys() == weights.keys()
    assert all(np.array_equal(again[name], weights[name]) for name in weights)
    assert model_bytes(weights, description) == saved.read_bytes()


def test_arrays_of_any_memory_order_are_written(describe: Describe) -> None:
    weights = weights_of(new_network(describe()))
    other = {name: np.asfortranarray(array) for name, array in weights.items()}
    assert model_bytes(other, describe()) == model_bytes(weights, describe())


def test_the_weights_are_copies(describe: Describe) -> None:
    network = new_network(describe())
    weights = weights_of(network)
    before = weights["cn1.bias"].copy()
    with torch.no_grad():
        network.get_parameter("cn1.bias").add_(1)
    assert np.array_equal(weights["cn1.bias"], before)


def test_a_dtype_that_a_file_cannot_store_is_named(describe: Describe) -> None:
    network = new_network(describe())
    network.get_submodule("fc2").bfloat16()
    with pytest.raises(ModelError, match=r"fc2\.weight has the dtype torch\.bfloat16"):
        weights_of(network)


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nothing\.safetensors does not exist"):
        load_module(tmp_path / "nothing.safetensors")
    with pytest.raises(ModelError, match="it is a folder"):
        load_module(tmp_path)


@pytest.mark.parametrize("size", [0, 7, 8, 100, 2000])
def test_a_truncated_file_is_rejected(saved: Path, size: int) -> None:
    saved.write_bytes(saved.read_bytes()[:size])
    for load_it in (load_module, read_model, read_description):
        with pytest.raises(ModelError, match="is truncated"):
            load_it(saved)


def test_a_wrong_header_length_is_rejected(saved: Path) -> None:
    content = saved.read_bytes()
    saved.write_bytes(struct.pack("<Q", 1 << 60) + content[8:])
    with pytest.raises(ModelError, match="its header has"):
        load_module(saved)


@pytest.mark.parametrize("change", [
    {"classes": ["0"]}, {"classes": None}, {"classes": ["0"] * 10}, {"classes": ["\x1b[2J", *"123456789"]},
    {"image_shape": [1, 28]}, {"image_shape": [1, 2, 2]}, {"image_shape": [1, 28, 5000]},
    {"image_shape": [True, 28, 28]}, {"image_shape": [2, 28, 28]}, {"image_shape": [1, 28, 0]},
    {"mean": "x"}, {"mean": 0.1302}, {"mean": [0.1302, 0.2]}, {"std": [0.0]}, {"mean": [2.0]}, {"mean": [0.25]},
    {"network": {"kind": "other"}}, {"network": {"kind": "convnet", "hidden": 10**12}}, {"network": None},
    {"network": {"kind": "convnet", "hidden": 8}}, {"network": {"kind": "patchnet"}}, {"trained": 3},
    {"trained": {"data": []}}, {"trained": {"data": {"source": 3}}}, {"test": 3}, {"preprocessing": "../x"},
    {"calibration": {}}, {"calibration": {"threshold": 2.0, "images": 1, "rejected": 0, "wrong": 0}},
    {"calibration": {"threshold": 0.5, "images": 1, "rejected": 1, "wrong": 1}}, {"format": "1"}, {"format": True},
])  # fmt: skip
def test_an_invalid_description_is_rejected(saved: Path, change: dict[str, object]) -> None:
    rewritten(saved, lambda values: values.update(change))
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        load_module(saved)


def test_all_problems_of_a_description_are_listed_at_once(saved: Path) -> None:
    rewritten(saved, lambda values: values.update(std=[0.0], classes=["0"], preprocessing="x"))
    with pytest.raises(ModelError) as caught:
        read_description(saved)
    for part in (
        "std is [0.0] but",
        "classes is ['0'] but",
        "preprocessing is 'x' but must be one of digit, letterbox",
    ):
        assert part in caught.value.message


def test_the_preprocessings_are_those_of_pictures(describe: Describe) -> None:
    from penstroke.pictures.preprocessing import PREPROCESSINGS

    assert [describe(preprocessing=name).preprocessing for name in PREPROCESSINGS] == list(PREPROCESSINGS)
    with pytest.raises(UsageError, match=f"must be one of {', '.join(PREPROCESSINGS)}"):
        describe(preprocessing="x")


def test_other_files_and_non_finite_weights_are_rejected(saved: Path, describe: Describe) -> None:
    saved.write_bytes(save({"a": np.zeros(3, np.float32)}))
    with pytest.raises(ModelError, match="no description under the key 'penstroke'"):
        load_module(saved)
    for value in (float("nan"), float("inf")):
        network = new_network(describe())
        network.get_parameter("fc2.weight").data[0, 0] = value
        save_model(saved, network, describe())
        for load_it in (load_module, read_model):
            with pytest.raises(ModelError, match="not finite"):
                load_it(saved)


def test_a_network_that_is_too_large_is_rejected_without_allocating_it() -> None:
    for spec in (ConvNet(hidden=65_536), ConvNet(channels=(65_536, 65_536), kernel_sizes=(28, 1), hidden=65_536)):
        with pytest.raises(UsageError):
            check_network(spec, (3, 4096, 4096), 10)
    with pytest.raises(UsageError, match="larger than a model file can be"):
        check_network(ConvNet(hidden=65_536), (1, 128, 128), 10)
    with pytest.raises(UsageError, match="fewer than its 40x40 kernel"):
        check_network(ConvNet(kernel_sizes=(40, 40)), (1, 28, 28), 10)
    check_network(PatchNet(), (1, 28, 28), 10)


def test_a_failed_write_leaves_the_old_file(saved: Path, describe: Describe, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()

    def no_space(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(PenstrokeError, match="No space left"):
        save_model(saved, new_network(describe()), describe())
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_a_description_with_too_many_means_is_rejected() -> None:
    with pytest.raises(UsageError, match=r"mean has 2 values and the images have 1 channel\."):
        Description(network=ConvNet(), image_shape=(1, 28, 28), classes=("a", "b"), mean=(0.1, 0.2), std=(0.3,))
