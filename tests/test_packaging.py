"""The wheel and the source archive contain everything that an installation needs, and their metadata are complete."""

import subprocess
import sys
import tarfile
import zipfile
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest

import penstroke

ROOT = Path(__file__).parent.parent
MAX_WHEEL = 1_600_000
"""Size of the wheel in bytes; the files of the bundled models have 1.1 MB."""


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the wheel and the source archive."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> zipfile.ZipFile:
    (path,) = dist.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    (name,) = (name for name in wheel.namelist() if name.endswith("METADATA"))
    return message_from_string(wheel.read(name).decode())


def test_the_wheel_contains_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    package = Path(penstroke.__file__).parent
    files = {path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    expected = {str(path.relative_to(package.parent)) for path in files}
    assert {"penstroke/models/ready/ready.onnx", "penstroke/web/index.html", "penstroke/py.typed"} <= expected
    assert expected == {name for name in wheel.namelist() if ".dist-info/" not in name}


def test_the_wheel_is_small(dist: Path) -> None:
    (path,) = dist.glob("*.whl")
    assert path.stat().st_size <= MAX_WHEEL


def test_the_metadata_are_complete(metadata: Message) -> None:
    assert metadata["Name"] == "penstroke"
    assert metadata["Version"] == penstroke.__version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["License-File"] == "LICENSE"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert {"train", "export"} <= set(metadata.get_all("Provides-Extra", []))
    core = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert any(line.startswith("onnxruntime") for line in core)
    assert not any(line.startswith(("torch", "matplotlib")) for line in core)


def test_the_source_archive_builds_the_same_package(dist: Path, wheel: zipfile.ZipFile) -> None:
    (path,) = dist.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    modules = {f"src/{name}" for name in wheel.namelist() if ".dist-info/" not in name}
    assert modules | {"pyproject.toml", "README.md", "LICENSE", "tests/test_packaging.py"} <= names
    assert not any(name.startswith((".venv", "runs/", "build/")) for name in names)
