"""An installation without the extra `train` imports the package and runs the commands that need no PyTorch."""

import os
import re
import subprocess
import venv
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import penstroke


def core_distributions() -> set[str]:
    """Return the names of the distributions that `pip install penstroke` brings, without any extra."""
    found: set[str] = set()
    waiting = ["penstroke"]
    while waiting:
        for requirement in requires(waiting.pop()) or []:
            name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
            if "extra ==" in requirement or name in found:
                continue
            try:
                distribution(name)
            except PackageNotFoundError:  # for another platform or version of Python
                continue
            found.add(name)
            waiting.append(name)
    return found


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of a new virtual environment that holds Penstroke's core dependencies and nothing else."""
    folder = tmp_path_factory.mktemp("core")
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    for name in core_distributions():
        files = distribution(name).files or []
        for top in {file.parts[0] for file in files if file.parts[0] not in ("..", "__pycache__")}:
            target = Path(str(distribution(name).locate_file(top)))
            if not (packages / top).exists():
                (packages / top).symlink_to(target)
    (packages / "penstroke.pth").write_text(str(Path(penstroke.__file__).parent.parent))
    return folder / "bin" / "python"


def call(python: Path, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([python, *arguments], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_environment_has_no_torch(python: Path) -> None:
    done = subprocess.run([python, "-c", "import torch"], capture_output=True, text=True)
    assert "No module named 'torch'" in done.stderr


@pytest.mark.parametrize(
    "module",
    ["", ".inference", ".pictures", ".data", ".evaluation", ".recipes", ".runs", ".models", ".networks", ".storage"],
)
def test_modules_are_imported(python: Path, module: str) -> None:
    assert call(python, "-W", "error", "-c", f"import penstroke{module} as m; print(m.__name__)").strip()


def test_commands_run(python: Path, tmp_path: Path) -> None:
    for name in ("cats", "dogs"):
        (tmp_path / name).mkdir()
        for number in range(5):
            image = np.full((8, 8), 40 * number, np.uint8)
            Image.fromarray(image).save(tmp_path / name / f"{number}.png")
    assert "train" in call(python, "-m", "penstroke", "--help")
    assert "fashion-mnist" in call(python, "-m", "penstroke", "data", "list")
    assert "cats" in call(python, "-m", "penstroke", "data", "info", str(tmp_path))


def test_a_command_that_needs_torch_names_the_extra(python: Path) -> None:
    done = subprocess.run([python, "-m", "penstroke", "train"], capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert 'pip install "penstroke[train]"' in done.stderr
    assert "Traceback" not in done.stderr


def test_public_names_of_callbacks_are_imported(python: Path) -> None:
    assert call(python, "-c", "import penstroke; print(penstroke.Callback, penstroke.StopTraining)").count("class") == 2
