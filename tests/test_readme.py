"""What the README and the docs show is run, as it stands there, on the bundled sample."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import tables

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"(<!-- not run[^\n]*\n)?```(bash|python)\n(.*?)```", re.DOTALL)


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return [code for skipped, kind, code in BLOCK.findall(text) if kind == language and not skipped]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder as a reader has it: the docs are there, nothing else."""
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
        said = call(["bash", "-c", command], folder)
        assert said.strip(), f"{command} said nothing"
    assert list((folder / "runs").iterdir())


def test_the_python_lines_run(folder: Path) -> None:
    (code,) = blocks("README.md", "python")
    said = call([sys.executable, "-W", "error", "-c", code], folder)
    assert said.splitlines()[-2] in "0123456789"
    assert said.splitlines()[-1] == "1199882"


def test_every_link_leads_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if not target.startswith("https://"):
                assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_public_name_is_shown() -> None:
    import penstroke

    text = "".join(blocks("README.md", "python"))
    for name in set(penstroke.__all__) - {"__version__"}:
        assert name in text


@pytest.mark.parametrize("page", tables.PAGES)
def test_figures_are_those_that_were_kept(page: str) -> None:
    assert tables.filled(page) == (ROOT / page).read_text(encoding="utf-8"), "run python -m benchmarks.tables"
