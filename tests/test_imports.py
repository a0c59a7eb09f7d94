"""Imports point one way, and what must answer at once imports nothing heavy."""

import ast
import subprocess
import sys
from pathlib import Path

import penstroke

PACKAGE = Path(penstroke.__file__).parent
LAYERS = [
    {"errors", "recipes", "disk"},
    {"storage", "untrusted", "runtime", "runs"},
    {"data", "models", "pictures"},
    {"evaluation"},
    {"training"},
    {"inference"},
    {"insight", "export", "experiments", "serve"},
    {"cli"},
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}


def imported(tree: ast.AST) -> set[str]:
    """Return the parts of the package that a module imports, anywhere in it but under TYPE_CHECKING."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "penstroke":
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
    return found & RANK.keys()


def test_imports_point_one_way() -> None:
    wrong = []
    for path in PACKAGE.rglob("*.py"):
        own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if own in ("__init__", "__main__"):
            continue
        assert own in RANK, f"{own} has no place among the layers"
        for other in imported(ast.parse(path.read_text(encoding="utf-8"))):
            if RANK[other] > RANK[own]:
                wrong.append(f"{path.relative_to(PACKAGE)} imports {other}")
    assert not wrong


def test_storage_alone_changes_the_disk() -> None:
    for path in PACKAGE.rglob("*.py"):
        if path.name not in ("storage.py", "disk.py"):
            assert "disk" not in imported(ast.parse(path.read_text(encoding="utf-8"))), f"{path} goes around storage"


def modules_after(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


HEAVY = {"torch", "numpy", "scipy", "sklearn", "matplotlib", "PIL", "requests", "skimage"}


def test_recipes_errors_and_help_import_nothing_heavy() -> None:
    code = """
import contextlib, io
import penstroke, penstroke.recipes, penstroke.errors, penstroke.cli
from penstroke.cli import run, VERBS
with contextlib.redirect_stdout(io.StringIO()):
    run(["--help"])
    for verb in VERBS:
        with contextlib.suppress(SystemExit):
            run([verb, "--help"])
    try:
        run(["train", "--lr", "-1"])
    except penstroke.errors.PenstrokeError:
        pass
"""
    assert not HEAVY & modules_after(code)


def test_predict_imports_no_plots_and_no_metrics() -> None:
    loaded = modules_after("import penstroke.inference, penstroke.pictures")
    assert not {"matplotlib", "sklearn", "scipy.stats", "pandas", "requests", "skimage"} & loaded


def test_every_file_and_function_fits_a_reading() -> None:
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") <= 350, f"{path} has {text.count(chr(10))} lines"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                size = (node.end_lineno or 0) - node.lineno + 1
                assert size <= 60, f"{path}: {node.name} has {size} lines"


def test_no_pickle_and_no_unsafe_load() -> None:
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "weights_only=False" not in text
        if "torch.load" in text or "import pickle" in text:
            assert path.name == "unpickle.py", f"{path}: only the import of foreign weights opens such files"
