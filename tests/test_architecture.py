"""The structure of the code: what an import loads, the size of files and functions, where files are opened unsafely."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import penstroke

PACKAGE = Path(penstroke.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))


def modules_after(code: str) -> set[str]:
    """Return the names of the modules that are loaded after ``code`` ran in a new process."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


HEAVY = {"torch", "numpy", "scipy", "sklearn", "matplotlib", "PIL", "requests", "skimage"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["train", "--help"],
        ["test", "--help"],
        ["show", "--help"],
        ["predict", "--help"],
        ["read", "--help"],
        ["export", "--help"],
        ["export", "--to", "npz", "--precision", "int8"],
        ["sweep", "--help"],
        ["sweep", "--vary", "lr=-1"],
        ["tune", "--help"],
        ["tune", "--range", "lr=a"],
        ["data", "--help"],
        ["data", "info", "--help"],
        ["import", "--help"],
        ["train", "--lr", "-1"],
        ["train", "--momentum", "0.9"],
        ["train", "nonsense"],
        ["predict"],
        ["predict", "1.png", "--part-size", "5"],
        ["tran"],
    ],
)
def test_help_and_invalid_arguments_import_no_heavy_packages(arguments: list[str]) -> None:
    code = f"""
import contextlib, io
from penstroke.cli import main
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    with contextlib.suppress(SystemExit):
        main({arguments!r})
"""
    assert not HEAVY & modules_after(code)


def test_inference_loads_no_plots_and_no_metrics() -> None:
    loaded = modules_after("import penstroke.inference, penstroke.pictures")
    assert not {"torch", "matplotlib", "sklearn", "scipy.stats", "pandas", "requests", "skimage"} & loaded


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 350, f"{path} has {text.count(chr(10))} lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            size = (node.end_lineno or 0) - node.lineno + 1
            assert size <= 60, f"{path}: {node.name} has {size} lines"


@pytest.mark.parametrize(
    "module",
    [
        "",
        ".data",
        ".experiments",
        ".export",
        ".inference",
        ".models",
        ".networks",
        ".pictures",
        ".recipes",
        ".runs",
        ".scale",
        ".storage",
        ".training",
    ],
)
def test_public_names_are_importable(module: str) -> None:
    package = import_module(f"penstroke{module}")
    for name in package.__all__:
        assert getattr(package, name) is not None


def test_only_one_file_opens_pickles() -> None:
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        assert "weights_only=False" not in text
        if "torch.load" in text or "import pickle" in text:
            assert path.name == "unpickle.py", f"{path}: only the import of third-party weights opens such files"
