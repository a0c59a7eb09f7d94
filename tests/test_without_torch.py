"""An installation without extras imports the package, reads pictures, and runs the commands that need no PyTorch."""

import json
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

ROOT = Path(__file__).parent.parent


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


@pytest.mark.parametrize("package", ["torch", "matplotlib", "onnx"])
def test_the_environment_has_no_extras(python: Path, package: str) -> None:
    done = subprocess.run([python, "-c", f"import {package}"], capture_output=True, text=True)
    assert f"No module named '{package}'" in done.stderr


def test_pictures_are_read_by_the_bundled_model(python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (page,) = json.loads(call(python, "-m", "penstroke", "read", str(ROOT / "docs/images/page.jpg"), "--json"))
    assert (page["run"], page["lines"]) == ("ready", ["6118493", "80857", "493893396"])
    assert Path(page["picture"]).is_file()
    (digit,) = json.loads(call(python, "-m", "penstroke", "predict", str(ROOT / "docs/images/on-paper.jpg"), "--json"))
    assert (digit["run"], digit["label"]) == ("ready", "8")


def test_many_pictures_are_predicted(python: Path, tmp_path: Path) -> None:
    code = """
from pathlib import Path
from penstroke import Classifier
picture = Path(__import__("sys").argv[1]).read_bytes()
print({prediction.label for prediction in Classifier.load("ready").predict([picture] * 20)})
"""
    assert call(python, "-W", "error", "-c", code, str(ROOT / "docs/images/on-paper.jpg")).strip() == "{'8'}"


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (["train"], "train"),
        (["show", str(ROOT / "docs/images/on-paper.jpg")], "train"),
        (["predict", str(ROOT / "docs/images/on-paper.jpg"), "--explain-picture"], "train"),
        (["export", "--to", "onnx"], "export"),
    ],
)
def test_a_command_that_needs_an_extra_names_it(python: Path, tmp_path: Path, words: list[str], extra: str) -> None:
    done = subprocess.run([python, "-m", "penstroke", *words], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert f'pip install "penstroke[{extra}]"' in done.stderr
    assert "Traceback" not in done.stderr


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


@pytest.mark.parametrize(("name", "package"), [("fit", "torch"), ("PenstrokeClassifier", "scikit-learn")])
def test_the_extra_is_named_in_python_too(python: Path, name: str, package: str) -> None:
    script = (
        "from penstroke.errors import MissingExtraError as E\n"
        f"try:\n from penstroke import {name}\nexcept E as e: print(e)"
    )
    assert call(python, "-c", script).strip() == (
        f"This needs the package {package}, which is not installed. "
        'Install the extra with `pip install "penstroke[train]"`.'
    )


def test_public_names_of_callbacks_are_imported(python: Path) -> None:
    assert call(python, "-c", "import penstroke; print(penstroke.Callback, penstroke.StopTraining)").count("class") == 2
