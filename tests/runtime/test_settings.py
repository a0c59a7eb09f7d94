"""Settings of the process change only when ``configure`` is called, and only those that were requested."""

import json
import subprocess
import sys
from typing import Any

import pytest
import torch

from penstroke.errors import UsageError
from penstroke.runtime import configure
from penstroke.runtime.settings import settings

AS_FOUND = {"prepared": False, "allocator": "as found", "flush_denormal": False}


def process(code: str) -> Any:
    """Return what a new process finds after ``code``: its settings, threads, and half of the smallest normal number."""
    found = """
tiny = torch.tensor([torch.finfo(torch.float32).tiny])
found = {"settings": settings(), "threads": torch.get_num_threads(), "half": float(tiny / 2)}
print(json.dumps(found))
"""
    imports = "import json, torch\nfrom penstroke.runtime.settings import configure, settings"
    script = f"{imports}\n{code}\n{found}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_importing_changes_nothing() -> None:
    found = process("")
    assert found["settings"] == AS_FOUND
    assert found["half"] > 0


def test_tuning_flushes_denormal_numbers_and_is_reported() -> None:
    found = process("configure(threads=1)")
    assert found["settings"]["prepared"] is True
    assert found["settings"]["allocator"] in ("large blocks kept", "as found")
    assert found["settings"]["flush_denormal"] is (found["half"] == 0.0)
    assert found["threads"] == 1


def test_without_tuning_only_the_threads_change() -> None:
    found = process("configure(threads=3, tune=False)")
    assert found["settings"] == AS_FOUND | {"prepared": True}
    assert found["threads"] == 3
    assert found["half"] > 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
@pytest.mark.parametrize(("accepted", "reported"), [(1, "large blocks kept"), (0, "as found")])
def test_the_allocator_is_reported_as_the_c_library_answers(
    accepted: int, reported: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[int, int]] = []

    class Library:
        def __init__(self, name: None) -> None:
            pass

        def mallopt(self, option: int, value: int) -> int:
            calls.append((option, value))
            return accepted

    before = settings()
    monkeypatch.setattr("ctypes.CDLL", Library)
    monkeypatch.setattr(torch, "set_flush_denormal", lambda on: on)
    monkeypatch.setattr("penstroke.runtime.settings._settings", dict(before))
    configure()
    assert settings()["allocator"] == reported
    assert calls[0] == (-3, 1 << 25), "the threshold for mapping blocks comes first"
    assert all(value < 1 << 31 for _, value in calls), "mallopt takes an int"


def test_a_c_library_without_mallopt_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    monkeypatch.setattr(torch, "set_flush_denormal", lambda on: on)
    monkeypatch.setattr("penstroke.runtime.settings._settings", settings())
    configure()
    assert settings() == {"prepared": True, "allocator": "as found", "flush_denormal": True}


@pytest.mark.parametrize("threads", [0, -1, 1025, 10**9])
def test_an_invalid_number_of_threads_changes_nothing(threads: int) -> None:
    before = settings(), torch.get_num_threads()
    with pytest.raises(UsageError, match=f"threads is {threads}; it must be from 1 to 1024"):
        configure(threads)
    assert (settings(), torch.get_num_threads()) == before


def test_the_returned_settings_are_a_copy() -> None:
    settings()["allocator"] = "changed"
    assert settings()["allocator"] != "changed"
