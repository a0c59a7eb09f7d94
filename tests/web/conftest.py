"""Fixtures: the bundled model as the web page computes it."""

import pytest
from support.node import WebModel

from benchmarks.web_page import ready_page


@pytest.fixture(scope="session")
def ready() -> WebModel:
    """Return the bundled model, with the rounded weights of the web page."""
    return WebModel.of_page(ready_page(single_file=True)["index.html"])
