"""The device is the one that was named, or the first available one; there is no silent fallback."""

import pytest
import torch

from penstroke.errors import UsageError
from penstroke.runtime import DEVICES, choose_device, training_dtype


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> "Machine":
    """Return a machine without accelerators, which tests can add."""
    return Machine(monkeypatch)


class Machine:
    """Decides what PyTorch reports as available."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self.has()

    def has(self, *kinds: str, count: int = 1) -> None:
        for kind, module in (("cuda", torch.cuda), ("xpu", torch.xpu), ("mps", torch.backends.mps)):
            self._patch.setattr(module, "is_available", lambda there=kind in kinds: there)
        self._patch.setattr(torch.accelerator, "device_count", lambda: count if kinds else 0)


@pytest.mark.parametrize(
    ("available", "chosen"),
    [((), "cpu"), (("mps",), "mps"), (("xpu", "mps"), "xpu"), (("cuda", "xpu", "mps"), "cuda")],
)
def test_auto_selects_the_first_available_device(available: tuple[str, ...], chosen: str, machine: Machine) -> None:
    machine.has(*available)
    assert choose_device("auto") == choose_device() == torch.device(chosen)


def test_a_named_device_is_returned(machine: Machine) -> None:
    machine.has("cuda", count=2)
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("cuda") == torch.device("cuda")
    assert choose_device("cuda:1") == torch.device("cuda:1")


@pytest.mark.parametrize("name", ["cuda", "xpu", "mps", "cuda:0"])
def test_a_device_that_is_not_available_is_an_error(name: str, machine: Machine) -> None:
    with pytest.raises(UsageError, match=rf"device is '{name}', which this machine does not have\. Available: cpu\."):
        choose_device(name)
    machine.has("xpu")
    if name != "xpu":
        with pytest.raises(UsageError, match=r"Available: xpu, cpu\."):
            choose_device(name)


def test_a_number_that_is_too_large_is_an_error(machine: Machine) -> None:
    machine.has("cuda", count=2)
    with pytest.raises(UsageError, match="does not have"):
        choose_device("cuda:2")
    with pytest.raises(UsageError, match="does not have"):
        choose_device("cpu:1")


@pytest.mark.parametrize("name", ["cuda:x", "cpu:-1", "cuda:1:2"])
def test_a_malformed_number_is_an_error(name: str, machine: Machine) -> None:
    machine.has("cuda")
    with pytest.raises(UsageError, match="must be like cpu, cuda or cuda:1"):
        choose_device(name)


@pytest.mark.parametrize(("name", "hint"), [("gpu", "cuda"), ("gpu:0", "cuda"), ("cudaa", "cuda"), ("CPU", "cpu")])
def test_an_unknown_device_gets_a_hint(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"device is '{name}', which is unknown") as caught:
        choose_device(name)
    assert caught.value.remedy.startswith(f"Did you mean '{hint}'?")
    assert all(device in caught.value.remedy for device in DEVICES)


@pytest.mark.parametrize("name", ["", "quantum", "meta"])
def test_an_unknown_device_without_a_hint_lists_the_known_ones(name: str) -> None:
    with pytest.raises(UsageError, match="Known: auto, cpu, cuda, mps, xpu"):
        choose_device(name)


def test_auto_precision_is_what_the_processor_has_instructions_for(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    for capability, expected in (
        ("avx512_bf16", torch.bfloat16),
        ("amx_bf16", torch.bfloat16),
        ("avx2", torch.float32),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda name=capability: {name: True}, raising=False)
        assert training_dtype("auto", cpu) == expected
        assert training_dtype("bfloat16", cpu) == torch.bfloat16
        assert training_dtype("float32", cpu) == torch.float32
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert training_dtype("auto", cpu) == torch.float32
    assert training_dtype("auto", torch.device("mps")) == torch.float32
    for fast, expected in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *, including_emulation, fast=fast: fast)
        assert training_dtype("auto", torch.device("cuda")) == expected
