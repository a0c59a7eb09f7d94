"""Build the wheel and the source archive, install them in new environments, and use them there: ``make package``.

Each environment is used from an empty folder without a network connection and without training. With ``--save``,
sizes and times are written to ``benchmarks/results/installation.json``.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Annotated, Any

import cyclopts
from cyclopts import Parameter

ROOT = Path(__file__).parent.parent
PAGE, LINES = ROOT / "docs/images/page.jpg", ["6118493", "80857", "493893396"]
READS = 5
"""How often the command is timed."""


class Environment:
    """A new virtual environment, and an empty folder in which its commands run."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder / "venv", with_pip=True)
        self.bin = folder / "venv/bin"
        self.work = folder / "empty"
        self.work.mkdir()

    def install(self, *requirements: str) -> float:
        """Install packages with the versions of ``constraints.txt``, and return the seconds."""
        start = time.perf_counter()
        pip = [str(self.bin / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--constraint", str(ROOT / "constraints.txt"), *requirements], check=True)
        return time.perf_counter() - start

    def penstroke(self, *words: str | Path) -> Any:
        """Run a command with ``--json``, and return its result."""
        environment = {"PATH": os.environ["PATH"], "PENSTROKE_OFFLINE": "1"}
        command = [self.bin / "penstroke", *words, "--json"]
        done = subprocess.run(command, cwd=self.work, env=environment, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{command} failed: {done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    def read_page(self) -> float:
        """Read a page with the bundled model, check the digits, and return the seconds."""
        start = time.perf_counter()
        (page,) = self.penstroke("read", PAGE)
        seconds = time.perf_counter() - start
        if (page["run"], page["lines"]) != ("ready", LINES):
            sys.exit(f"{PAGE} was read as {page['lines']} instead of {LINES}.")
        return seconds

    def megabytes(self) -> float:
        """Return the size of the installed packages in MB, without pip and setuptools."""
        (packages,) = (self.bin.parent / "lib").glob("python*/site-packages")
        tops = [top for top in packages.iterdir() if not top.name.startswith(("pip", "setuptools"))]
        files = [file for top in tops for file in ([top] if top.is_file() else top.rglob("*"))]
        return sum(file.stat().st_size for file in files if file.is_file()) / 1e6


def build(folder: Path) -> tuple[Path, Path]:
    """Return the wheel and the source archive, built from this checkout."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", folder], cwd=ROOT, check=True, capture_output=True
    )
    (wheel,), (archive,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, archive


def main(*, save: bool = False, plain_only: Annotated[bool, Parameter(name="--plain")] = False) -> None:
    """Build and install Penstroke, without and with the extra `train`, and run commands of each installation.

    Parameters
    ----------
    save
        Save the figures.
    plain_only
        Omit the installation with the extra `train`.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel, archive = build(folder / "dist")
        plain = Environment(folder / "plain")
        installed = plain.install(str(wheel))
        reads = [plain.read_page() for _ in range(READS)]
        size, read = plain.megabytes(), sorted(reads)[READS // 2]
        print(f"plain: installed in {installed:.1f} s, {size:.0f} MB; a page is read in {read:.2f} s")
        plain.install("--force-reinstall", "--no-deps", str(archive))
        plain.read_page()
        print("source archive: a page is read")
        if not plain_only:
            train = Environment(folder / "train")
            train.install(f"{wheel}[train]")
            train.read_page()
            result = train.penstroke("train", "fast", "--data", "mnist5k")
            print(f"with the extra train: a page is read, and {result['run']} is trained")
        sizes = {"wheel": wheel.stat().st_size, "source archive": archive.stat().st_size}
    if save:
        from benchmarks.conditions import save_result, summary

        figures = {"bytes": sizes, "install_seconds": installed, "installed_megabytes": size, "read": summary(reads)}
        print(f"Saved {save_result('installation', figures)}")


if __name__ == "__main__":
    cyclopts.run(main)
