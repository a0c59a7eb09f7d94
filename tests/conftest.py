"""Fixtures: datasets, a trained run, a web server; and the state before every test.

Unit tests use the bundled sample of MNIST, so they give the same result with and without MNIST. Tests that need MNIST
request the fixture ``mnist``. No test connects to another machine.
"""

import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.small import shortened
from support.web import Web, running_web

from penstroke import recipes
from penstroke.data import Dataset, load
from penstroke.recipes import Recipe
from penstroke.runs import Run

if TYPE_CHECKING:
    from playwright.sync_api import Browser

MNIST_FOLDER = os.environ.get("PENSTROKE_DATA", "")
PHOTOS_FOLDER = os.environ.get("PENSTROKE_PHOTOS", "")
# Commands that tests start inherit these.
os.environ["PENSTROKE_OFFLINE"] = "1"
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
os.environ["PENSTROKE_DATA"] = os.devnull

_connect, _getaddrinfo = socket.socket.connect, socket.getaddrinfo


def _local_connect(self: socket.socket, address: Any) -> None:
    if self.family in (socket.AF_INET, socket.AF_INET6) and not address[0].startswith(("127.", "::1", "localhost")):
        raise OSError(f"tests do not connect to {address}")
    _connect(self, address)


def _local_getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
    if host not in (None, "localhost", "::1") and not str(host).startswith("127."):
        raise socket.gaierror(socket.EAI_NONAME, f"tests do not look up {host}")
    return _getaddrinfo(host, *arguments, **options)


socket.socket.connect = _local_connect  # type: ignore[method-assign, assignment]
socket.getaddrinfo = _local_getaddrinfo


@pytest.fixture(autouse=True)
def _denormal_numbers() -> None:
    """Undo ``tune=True``: hypothesis needs denormal numbers, which a tuned process flushes to zero."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)


@pytest.fixture
def web() -> Iterator[Web]:
    """Return a running web server without pages."""
    with running_web() as site:
        yield site


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """Return the system's Chromium."""
    pytest.importorskip("playwright", reason="Playwright is not installed")
    from playwright.sync_api import sync_playwright

    from benchmarks.browser_digits import browser_path

    if browser_path() is None:
        assert "CI" not in os.environ, "the system's Chromium is missing"
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def sample() -> Dataset:
    """Return the bundled sample of MNIST: 4,000 training and 1,000 test images."""
    return load("mnist5k")


@pytest.fixture(scope="session")
def small(sample: Dataset) -> Dataset:
    """Return 2,000 training and 500 test images of the sample."""
    return shortened(sample, 2000, 500)


@pytest.fixture(scope="session")
def mnist() -> Dataset:
    """Return MNIST; the test is skipped where its files are not available."""
    if not (Path(MNIST_FOLDER) / "train-images-idx3-ubyte.gz").is_file():
        pytest.skip("PENSTROKE_DATA does not name a folder with MNIST")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PENSTROKE_DATA", MNIST_FOLDER)
        dataset = load("mnist")
        assert len(dataset.test) == 10_000
        return dataset


@pytest.fixture(scope="session")
def photos() -> Path:
    """Return a folder with photographs of digits; the test is skipped where there is none."""
    if not PHOTOS_FOLDER:
        pytest.skip("PENSTROKE_PHOTOS does not name a folder with photographs")
    return Path(PHOTOS_FOLDER)


@pytest.fixture(scope="session")
def short_recipe() -> Callable[..., Recipe]:
    """Return the function that makes recipe ``book`` with one epoch."""
    return lambda **changes: recipes.book(**{"epochs": 1, **changes})


@pytest.fixture(scope="session")
def sample_run(small: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run trained by ``book`` for one epoch on ``small``. Copy its folder before changing anything in it."""
    from penstroke.training.recorder import train_run

    out = tmp_path_factory.mktemp("runs") / "book"
    return train_run(recipes.book(epochs=1), small, device="cpu", out=out)[0]
