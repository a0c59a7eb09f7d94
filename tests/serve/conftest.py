"""Fixtures: a server of the bundled model, and pictures."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.server import Server, png, running_server

pytest.importorskip("uvicorn", reason="the extra serve is not installed")
pytest.importorskip("httptools", reason="the extra serve is not installed")
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server that stores corrections in ``corrections`` beside its log."""
    folder = tmp_path_factory.mktemp("server")
    with running_server(
        folder, "--collect", "corrections", "--max-body", "1", "--origin", "https://allowed.test"
    ) as it:
        yield it
        assert it.process.poll() is None, it.log.read_text()
        assert not [event for event in it.events() if event["event"] in ("request failed", "worker failed")]


@pytest.fixture(scope="package")
def photo() -> bytes:
    return (ROOT / "docs" / "images" / "on-paper.jpg").read_bytes()


@pytest.fixture(scope="package")
def page() -> bytes:
    return (ROOT / "docs" / "images" / "page.jpg").read_bytes()


@pytest.fixture(scope="package")
def digits() -> list[bytes]:
    """Return 50 digits of MNIST as PNG files."""
    from penstroke.serve.check import stored_digits

    return [png(image[0]) for image in stored_digits()]
