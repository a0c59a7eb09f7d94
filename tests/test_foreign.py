"""Weights from elsewhere: the two known kinds load and score; everything else is refused, and nothing runs."""

import os
from pathlib import Path
from typing import BinaryIO

import pytest
import torch
from safetensors.torch import save
from test_convnet import Transcription
from torch import nn
from torch.nn import functional as F
from trained import dataset

from penstroke import ConvNet
from penstroke.errors import ModelError
from penstroke.models import foreign, unpickle
from penstroke.models.foreign import MAX_BYTES, load_foreign


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open state dicts without a process of their own, each of which takes a second to import PyTorch."""

    def converted(path: Path, file: BinaryIO) -> bytes:
        try:
            return save(unpickle.read_state(file))
        except unpickle.Refused as fault:
            raise foreign._refused(path, str(fault)) from fault

    monkeypatch.setattr(foreign, "_converted", converted)


class Official(nn.Module):
    """PyTorch's MNIST example, written from its description: 32 and 64 channels, 128 hidden units."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, 1)
        self.conv2 = nn.Conv2d(32, 64, 3, 1)
        self.fc1 = nn.Linear(9216, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.relu(self.conv2(F.relu(self.conv1(x)))), 2)
        return F.log_softmax(self.fc2(F.relu(self.fc1(torch.flatten(x, 1)))), dim=1)


KINDS = [(lambda: Transcription(dropout=True), 0.1302, 0.3069), (Official, 0.1307, 0.3081)]


@pytest.mark.parametrize(("make", "mean", "std"), KINDS, ids=["chapter", "official"])
@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("prefix", ["", "module."])
def test_both_kinds_load_and_are_the_same_function(
    make: type[nn.Module], mean: float, std: float, prefix: str, tmp_path: Path
) -> None:
    theirs = make().eval()
    torch.save({prefix + name: value for name, value in theirs.state_dict().items()}, tmp_path / "weights.pt")
    ours, description = load_foreign(tmp_path / "weights.pt")
    pixels = dataset().train.images[:40]
    with torch.no_grad():
        torch.testing.assert_close(ours(pixels), theirs((pixels.float() / 255 - mean) / std), rtol=1e-5, atol=1e-5)
    assert (description.mean, description.std) == (mean, std)
    assert "kind" in description.trained["imported"]


def test_the_old_file_format_loads_too(tmp_path: Path) -> None:
    torch.save(Transcription(True).state_dict(), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert load_foreign(tmp_path / "old.pt")[1].network.hidden == 64


class Evil:
    """Runs a command when unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.mark}",)


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    torch.save({"cn1.weight": Evil(tmp_path / "mark")}, tmp_path / "evil.pt")
    with pytest.raises(ModelError, match="never run"):
        load_foreign(tmp_path / "evil.pt")
    assert not (tmp_path / "mark").exists()


def state(**changes: object) -> dict[str, object]:
    return {name.replace("__", "."): value for name, value in (Transcription(True).state_dict() | changes).items()}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (Transcription(True), "more than tensors"),
        ({"state_dict": Transcription(True).state_dict()}, "no plain state dict"),
        ([torch.zeros(3)], "no plain state dict"),
        ({"layer.weight": torch.zeros(3)}, "names are those of neither"),
        ({}, "names are those of neither"),
        (state(fc1__weight=torch.zeros(64, 100)), "takes 100 numbers, and the convolutions give 4608"),
        (state(fc2__bias=torch.zeros(3)), "size mismatch"),
        (state(cn1__weight=torch.zeros(16, 1, 3, 5)), "cannot have"),
        (state(cn1__weight=torch.zeros(16)), "cannot have"),
        (state(cn2__weight=torch.zeros(32, 16, 99, 99)), "Convolution 2"),
        (state(fc2__weight=torch.full((10, 64), float("nan"))), "not all finite"),
        (state(fc2__weight=torch.zeros(10, 64, dtype=torch.int64)), "floating-point"),
    ],
)
@pytest.mark.usefixtures("in_this_process")
def test_anything_else_is_refused_with_the_reason(content: object, reason: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(ModelError, match=reason):
        load_foreign(tmp_path / "other.pt")


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04", b"\x80\x02}q\x00.", b"<html>"])
def test_files_that_are_none_of_pytorchs_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(content)
    with pytest.raises(ModelError, match="cannot be imported"):
        load_foreign(tmp_path / "x.pt")


def test_missing_and_oversized_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="no such file"):
        load_foreign(tmp_path / "none.pt")
    with pytest.raises(ModelError, match="it is a folder"):
        load_foreign(tmp_path)
    with open(tmp_path / "big.pt", "wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ModelError, match="more than"):
        load_foreign(tmp_path / "big.pt")


@pytest.mark.usefixtures("in_this_process")
def test_the_reason_is_the_true_one(tmp_path: Path) -> None:
    for content, said in ((bytes(range(7, 251)), "no file of PyTorch's"), (b"", "it is empty")):
        (tmp_path / "x.pt").write_bytes(content)
        with pytest.raises(ModelError, match=said) as caught:
            load_foreign(tmp_path / "x.pt")
        assert "more than tensors" not in caught.value.message
        assert "Error" not in caught.value.message


def test_a_state_dict_of_our_own_class_is_imported_with_its_normalisation(tmp_path: Path) -> None:
    torch.manual_seed(0)
    ours = ConvNet(mean=0.2, std=0.4)
    torch.save(ours.state_dict(), tmp_path / "ours.pth")
    model, description = load_foreign(tmp_path / "ours.pth")
    assert [description.mean, description.std] == pytest.approx([0.2, 0.4])
    images = dataset().test.images[:8]
    with torch.no_grad():
        torch.testing.assert_close(model.eval()(images), ours.eval()(images))
