"""Errors when memory is exhausted, and the release of the pages of a mapped file."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from penstroke.errors import ModelError
from penstroke.runtime import enough_memory, release_pages

RAN_OUT = [
    "[enforce fail at alloc_cpu.cpp:128] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate "
    "4398046511104 bytes. Error code 12 (Cannot allocate memory)",
    "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 15.90 GiB",
]


@pytest.mark.parametrize(("message", "size"), [(RAN_OUT[0], "4398046511104 bytes"), (RAN_OUT[1], "20.00 GiB")])
def test_an_error_of_pytorch_becomes_one_with_a_remedy(message: str, size: str) -> None:
    rule = rf"enough memory: {size} more were requested\. Use less\."
    with pytest.raises(ModelError, match=rule) as caught, enough_memory("Use less."):
        raise RuntimeError(message)
    assert caught.value.exit_code == 4


def test_the_allocator_of_pytorch_is_recognised() -> None:
    with pytest.raises(ModelError, match=r"\d+ bytes more were requested"), enough_memory("Use less."):
        torch.empty(1 << 50)


def test_an_error_of_numpy_or_python_becomes_one_with_a_remedy() -> None:
    with pytest.raises(ModelError, match=r"enough memory(: 1\.00 PiB)?") as caught, enough_memory("Use less."):
        np.empty(1 << 50, np.uint8)
    assert caught.value.remedy == "Use less."
    with pytest.raises(ModelError, match=r"enough memory\. Use less\."), enough_memory("Use less."):
        raise MemoryError


@pytest.mark.parametrize("error", [RuntimeError("shapes do not match"), ValueError("allocate 3 bytes"), KeyError("x")])
def test_other_errors_pass_unchanged(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, enough_memory("Use less."):
        raise error
    assert caught.value is error


def resident(address: int) -> int:
    """Return the kilobytes in memory of the mapping that contains ``address``."""
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        span = line.split()[0]
        if "-" in span and not span.endswith(":"):
            low, high = (int(end, 16) for end in span.split("-"))
            inside = low <= address < high
        elif inside and span == "Rss:":
            return int(line.split()[1])
    raise AssertionError("no such mapping")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="pages are released on Linux only")
@pytest.mark.parametrize("first", [0, 100])
def test_released_pages_leave_memory_and_are_read_again(first: int, tmp_path: Path) -> None:
    content = np.arange(1 << 20, dtype=np.uint8).reshape(-1, 64)
    content.tofile(tmp_path / "mapped")
    # Copy-on-write, as images of large files are mapped, and not aligned to a page if ``first`` is above 0.
    mapped = np.memmap(tmp_path / "mapped", np.uint8, "c", shape=content.shape)[first:]
    assert mapped.sum() == content[first:].sum()
    before = resident(mapped.ctypes.data)
    assert before >= 900
    release_pages(mapped)
    assert resident(mapped.ctypes.data) < 100
    assert np.array_equal(mapped, content[first:])


def test_releasing_does_nothing_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    array = np.arange(1 << 16)
    release_pages(array)
    assert array[-1] == (1 << 16) - 1
