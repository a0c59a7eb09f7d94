"""The limits that SECURITY.md states are those of the code."""

import re
from pathlib import Path

from penstroke import runs, untrusted
from penstroke.data import catalog, folders, idx, transfer
from penstroke.models import description, foreign, unpickle
from penstroke.pictures import files

TEXT = (Path(__file__).parent.parent / "SECURITY.md").read_text(encoding="utf-8")
LIMITS = [
    files.MAX_PIXELS / 1e6,
    files.MAX_PIXEL_BYTES,
    untrusted.MAX_IMAGE_SIDE,
    folders.MAX_CLASSES,
    idx.MAX_BYTES,
    catalog.MAX_FILE_SIZE,
    transfer.CONNECT_TIMEOUT,
    transfer.READ_TIMEOUT,
    transfer.ANSWER_LIMIT,
    transfer.STALL_LIMIT,
    transfer.MAX_REDIRECTS,
    description.MAX_BYTES,
    description.MAX_HEADER,
    untrusted.MAX_JSON_BYTES,
    runs.MAX_LINE,
    untrusted.MAX_JSON_DEPTH,
    untrusted.MAX_DIGITS,
    foreign.MAX_BYTES,
    unpickle.MAX_WEIGHTS,
    unpickle.MEMORY,
    unpickle.SECONDS,
]


def test_the_limits_that_are_stated_are_those_of_the_code() -> None:
    stated = re.findall(r"^\|[^|]*\| ([0-9]+) \|$", TEXT, re.MULTILINE)
    assert [float(value) for value in stated] == LIMITS
    assert f"at least {transfer.STALL_BYTES} bytes" in TEXT
    assert f"beside {files.MIN_ALLOWED_BYTES} " in TEXT
    assert f"given up after\n{foreign.PATIENCE:g} seconds" in TEXT
