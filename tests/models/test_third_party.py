"""Third-party weights: the two known architectures load; everything else is rejected, and no code is run."""

import os
from pathlib import Path
from typing import BinaryIO

import pytest
import torch
from safetensors.torch import save
from support.textbook import Official, Transcription
from torch import Tensor, nn

from penstroke.errors import ModelError
from penstroke.models import third_party, unpickle
from penstroke.models.third_party import MAX_BYTES, load_third_party
from penstroke.networks import ConvNet


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open state dicts in this process; a separate process takes a second to import PyTorch."""

    def converted(path: Path, file: BinaryIO) -> bytes:
        try:
            return save(unpickle.read_state(file))
        except unpickle.Rejected as error:
            raise third_party._rejected(path, str(error)) from error

    monkeypatch.setattr(third_party, "_converted", converted)


KINDS = [(lambda: Transcription(dropout=True), 0.1302, 0.3069), (Official, 0.1307, 0.3081)]


@pytest.mark.parametrize(("make", "mean", "std"), KINDS, ids=["chapter", "official"])
@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("prefix", ["", "module."])
def test_both_architectures_load_and_are_the_same_function(
    make: type[nn.Module], mean: float, std: float, prefix: str, tmp_path: Path, images: Tensor
) -> None:
    theirs = make().eval()
    torch.save({prefix + name: value for name, value in theirs.state_dict().items()}, tmp_path / "weights.pt")
    ours, description = load_third_party(tmp_path / "weights.pt")
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs((images.float() / 255 - mean) / std), rtol=1e-5, atol=1e-5)
    assert not ours.training
    assert (description.mean, description.std) == ((mean,), (std,))
    assert description.trained["imported"]["file"] == "weights.pt"
    assert "kind" in description.trained["imported"]


def test_the_old_file_format_loads_too(tmp_path: Path) -> None:
    torch.save(Transcription(True).state_dict(), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert load_third_party(tmp_path / "old.pt")[1].network == ConvNet()


class Evil:
    """Runs a command when unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.mark}",)


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    torch.save({"cn1.weight": Evil(tmp_path / "mark")}, tmp_path / "evil.pt")
    with pytest.raises(ModelError, match="never run"):
        load_third_party(tmp_path / "evil.pt")
    assert not (tmp_path / "mark").exists()


def state(**changes: object) -> dict[str, object]:
    return {name.replace("__", "."): value for name, value in (Transcription(True).state_dict() | changes).items()}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (Transcription(True), "more than tensors"),
        ({"state_dict": Transcription(True).state_dict()}, "not a plain state dict"),
        ([torch.zeros(3)], "not a plain state dict"),
        ({"layer.weight": torch.zeros(3)}, "names match neither"),
        ({}, "names match neither"),
        (state(fc1__weight=torch.zeros(64, 100)), "takes 100 inputs, and the convolutions give 4608"),
        (state(fc2__bias=torch.zeros(3)), "size mismatch"),
        (state(cn1__weight=torch.zeros(16, 1, 3, 5)), "invalid for this layer"),
        (state(cn1__weight=torch.zeros(16)), "invalid for this layer"),
        (state(cn2__weight=torch.zeros(32, 16, 99, 99)), "Convolution 2"),
        (state(fc2__weight=torch.full((10, 64), float("nan"))), "not all finite"),
        (state(fc2__weight=torch.zeros(10, 64, dtype=torch.int64)), "floating-point"),
    ],
)
@pytest.mark.usefixtures("in_this_process")
def test_anything_else_is_rejected_with_the_reason(content: object, reason: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(ModelError, match=reason):
        load_third_party(tmp_path / "other.pt")


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04", b"\x80\x02}q\x00.", b"<html>"])
def test_files_that_are_not_from_pytorch_are_rejected(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(content)
    with pytest.raises(ModelError, match="cannot be imported"):
        load_third_party(tmp_path / "x.pt")


def test_missing_and_oversized_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="the file does not exist"):
        load_third_party(tmp_path / "none.pt")
    with pytest.raises(ModelError, match="it is a folder"):
        load_third_party(tmp_path)
    with open(tmp_path / "big.pt", "wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ModelError, match="more than"):
        load_third_party(tmp_path / "big.pt")


@pytest.mark.usefixtures("in_this_process")
def test_the_reason_is_correct(tmp_path: Path) -> None:
    for content, reason in ((bytes(range(7, 251)), "not a PyTorch file"), (b"", "it is empty")):
        (tmp_path / "x.pt").write_bytes(content)
        with pytest.raises(ModelError, match=reason) as caught:
            load_third_party(tmp_path / "x.pt")
        assert "more than tensors" not in caught.value.message
        assert "Error" not in caught.value.message


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("scalar", [False, True], ids=["per channel", "one number"])
def test_a_state_dict_of_our_own_network_is_imported_with_its_normalisation(
    scalar: bool, tmp_path: Path, images: Tensor
) -> None:
    torch.manual_seed(0)
    ours = ConvNet().build(mean=(0.2,), std=(0.4,)).eval()
    state = ours.state_dict()
    if scalar:
        state |= {name: state[name].squeeze() for name in ("normalise.mean", "normalise.std")}
    torch.save(state, tmp_path / "ours.pth")
    network, description = load_third_party(tmp_path / "ours.pth")
    assert [*description.mean, *description.std] == pytest.approx([0.2, 0.4])
    with torch.no_grad():
        assert torch.equal(network(images), ours(images))


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("value", [torch.tensor([0.0]), torch.tensor([2.0]), torch.zeros(0), torch.full((2,), 0.5)])
def test_an_invalid_normalisation_is_rejected(value: Tensor, tmp_path: Path) -> None:
    state = ConvNet().build().state_dict() | {"normalise.std": value}
    torch.save(state, tmp_path / "ours.pth")
    with pytest.raises(ModelError, match=r"cannot be imported: .*std"):
        load_third_party(tmp_path / "ours.pth")


def test_importing_leaves_the_random_state_unchanged(tmp_path: Path) -> None:
    torch.save(Transcription(True).state_dict(), tmp_path / "weights.pt")
    before = torch.get_rng_state()
    load_third_party(tmp_path / "weights.pt")
    assert torch.equal(torch.get_rng_state(), before)
