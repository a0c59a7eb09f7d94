"""Fixtures for tests of the command line: a function that runs it, and a folder with a run and pictures."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from penstroke import cli
from penstroke.data import Dataset


class Outcome(NamedTuple):
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON value on stdout."""
        return json.loads(self.out)


@pytest.fixture
def penstroke(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Return a function that runs the command line in this process."""

    def call(*words: object) -> Outcome:
        before = signal.getsignal(signal.SIGTERM)
        try:
            cli.main([str(word) for word in words])
        except SystemExit as stop:
            printed = capsys.readouterr()
            return Outcome(int(stop.code or 0), printed.out, printed.err)
        finally:
            signal.signal(signal.SIGTERM, before)
        raise AssertionError("main must exit")

    return call


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory, sample: Dataset) -> Path:
    """Return a folder with one finished run on the bundled sample, and two pictures of each digit."""
    folder = tmp_path_factory.mktemp("home")
    options = ["--data", "mnist5k", "--batch-size", "25", "--epochs", "1", "--threads", "1"]
    command = [sys.executable, "-m", "penstroke", "train", *options, "--out", str(folder / "runs/book")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (folder / "train.out").write_text(done.stdout)
    (folder / "train.err").write_text(done.stderr)
    for digit in range(10):
        image = sample.test.images[np.flatnonzero(sample.test.labels == digit)[0], 0]
        Image.fromarray(image).save(folder / f"{digit}.png")
        Image.fromarray(255 - image).resize((300, 300), Image.Resampling.BICUBIC).save(folder / f"{digit}-paper.jpg")
    return folder


@pytest.fixture
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to ``home``."""
    monkeypatch.chdir(home)
    return home
