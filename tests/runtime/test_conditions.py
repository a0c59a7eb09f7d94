"""The conditions of a result are complete, work without torch, and are compared where results depend on them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from penstroke.runtime import conditions, differences, environment

KEYS = [
    "python",
    "packages",
    "system",
    "processor",
    "cores",
    "device",
    "device_name",
    "threads",
    "commit",
    "prepared",
    "allocator",
    "flush_denormal",
]


def test_conditions_are_json_and_complete() -> None:
    found = environment("cpu")
    assert json.loads(json.dumps(found)) == found
    assert list(found) == KEYS
    assert found["packages"]["torch"] == torch.__version__
    assert found["packages"].keys() == {"penstroke", "torch", "numpy", "safetensors"}
    assert found["threads"] == torch.get_num_threads()
    assert found["device"] == "cpu"
    assert found["device_name"] == found["processor"]


def test_without_torch_the_keys_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # importing it raises ModuleNotFoundError
    found = environment("cpu")
    assert list(found) == KEYS
    assert found["packages"]["torch"] == "not installed"
    assert found["threads"] is None


def test_a_package_that_is_not_installed_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditions, "_PACKAGES", ("numpy", "there-is-no-such-package", "torch"))
    assert environment("cpu")["packages"]["there-is-no-such-package"] == "not installed"


def test_the_name_of_a_gpu_comes_from_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"card of {device}")
    assert environment("cuda:1")["device_name"] == "card of cuda:1"


def test_a_processor_without_a_name_is_its_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    conditions._processor.cache_clear()
    try:
        monkeypatch.setattr(Path, "read_text", lambda self: "processor : 0\n")
        assert conditions._processor()
        assert "processor" not in conditions._processor()
    finally:
        conditions._processor.cache_clear()


def git(folder: Path, *words: str) -> str:
    names = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", str(folder), *names, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the module's file in a new checkout, in which it is not tracked yet."""
    file = tmp_path / "conditions.py"
    file.write_text("1\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "of another project")
    monkeypatch.setattr(conditions, "__file__", str(file))
    return file


def test_the_commit_is_that_of_the_code_and_marks_changes(checkout: Path) -> None:
    commit_now = conditions._commit.__wrapped__
    assert commit_now() is None, "the code is not part of this checkout"
    git(checkout.parent, "add", "conditions.py")
    git(checkout.parent, "commit", "-q", "-m", "one")
    commit = git(checkout.parent, "rev-parse", "HEAD")
    assert commit_now() == commit
    checkout.write_text("2\n")
    assert commit_now() == f"{commit}+"


def test_without_git_there_is_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert conditions._commit.__wrapped__() is None


def test_equal_conditions_do_not_differ() -> None:
    assert differences(environment("cpu"), environment("cpu")) == []


def test_what_changes_results_is_named() -> None:
    before = environment("cpu")
    now = before | {"device": "cuda", "threads": 7, "flush_denormal": "x", "commit": "abc"}
    now["packages"] = before["packages"] | {"torch": "9.9"}
    assert differences(before, now) == [
        "device: cpu then, cuda now",
        f"threads: {before['threads']} then, 7 now",
        f"commit: {before['commit']} then, abc now",
        f"flush_denormal: {before['flush_denormal']} then, x now",
        f"torch: {before['packages']['torch']} then, 9.9 now",
    ]


@pytest.mark.parametrize("name", ["cores", "prepared", "allocator"])
def test_what_changes_only_the_speed_is_not_named(name: str) -> None:
    before = environment("cpu")
    assert differences(before, before | {name: "other"}) == []


def test_a_missing_condition_differs() -> None:
    now = environment("cpu")
    before = {name: value for name, value in now.items() if name not in ("processor", "packages")}
    found = differences(before, now)
    assert f"processor: None then, {now['processor']} now" in found
    assert f"torch: None then, {torch.__version__} now" in found
