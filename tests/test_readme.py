"""Commands and code in the README and docs run, on the bundled sample."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from benchmarks import tables

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"(<!-- not run[^\n]*\n)?```(bash|python)\n(.*?)```", re.DOTALL)


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return [code for skipped, kind, code in BLOCK.findall(text) if kind == language and not skipped]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the docs and nothing else."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "docs").symlink_to(ROOT / "docs")
    return folder


def call(command: list[str], folder: Path) -> str:
    environment = os.environ | {
        "PENSTROKE_DATA": str(folder / "none"),
        "PENSTROKE_OFFLINE": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("page", ["README.md", "docs/chapter.md"])
def test_every_command_runs(page: str, folder: Path) -> None:
    commands = [line for block in blocks(page, "bash") for line in block.splitlines() if line.strip()]
    assert commands
    for command in commands:
        assert call(["bash", "-c", command], folder).strip(), f"{command} printed nothing"
    assert list((folder / "runs").iterdir())


def test_the_python_code_runs(folder: Path) -> None:
    (code,) = blocks("README.md", "python")
    accuracy, prediction, classifier, fitted = call([sys.executable, "-W", "error", "-c", code], folder).splitlines()
    assert 0.8 < float(accuracy.split()[0]) < 1
    assert prediction.startswith("Prediction('")
    assert "network='patchnet'" in classifier
    assert "convnet" in fitted


def test_the_examples_in_python_run(folder: Path) -> None:
    for name in ("ants", "bees"):
        (folder / "pictures" / name).mkdir(parents=True)
        for number in range(5):
            Image.new("RGB", (40, 30), (50 * number, 0, 0)).save(folder / "pictures" / name / f"{number}.png")
    script = folder / "examples.py"
    script.write_text("\n".join(blocks("docs/python.md", "python")), encoding="utf-8")
    own, fitted, prediction, epochs, loaded, search = call(
        [sys.executable, "-W", "error", str(script)], folder
    ).splitlines()
    assert own == "Dataset('torch', train: 100 images of 3x32x32, test: none, 3 classes)"
    assert fitted.startswith("Fitted(patchnet, 2 epochs, finished")
    assert prediction.startswith("Prediction('")
    assert int(epochs) < 20
    assert loaded.startswith("Prediction('")
    assert search.startswith("{'options': {'epochs': 10}} 0.9")
    for name in ("mlp", "model", "digits"):
        assert (folder / f"{name}.safetensors").is_file()


def test_the_readme_is_short() -> None:
    assert (ROOT / "README.md").read_text(encoding="utf-8").count("\n") <= 150


@pytest.mark.parametrize("page", tables.PAGES)
def test_tables_match_the_saved_results(page: str) -> None:
    assert tables.filled(page) == (ROOT / page).read_text(encoding="utf-8"), "run python -m benchmarks.tables"
