"""The limits in SECURITY.md are those of the code."""

import re
from pathlib import Path

from penstroke.data import arrays, idx, transfer
from penstroke.models import files as model_files
from penstroke.models import third_party, unpickle
from penstroke.pictures import files
from penstroke.runs import evaluations
from penstroke.storage import json_lines, untrusted

TEXT = (Path(__file__).parent.parent / "SECURITY.md").read_text(encoding="utf-8")
LIMITS = [
    files.MAX_PIXELS / 1e6,
    files.MAX_PIXEL_BYTES,
    untrusted.MAX_IMAGE_SIDE,
    arrays.MAX_CLASSES,
    idx.MAX_BYTES,
    transfer.CONNECT_TIMEOUT,
    transfer.READ_TIMEOUT,
    transfer.ANSWER_LIMIT,
    transfer.STALL_LIMIT,
    transfer.MAX_REDIRECTS,
    model_files.MAX_BYTES,
    model_files.MAX_HEADER,
    model_files.MAX_TENSORS,
    untrusted.MAX_JSON_BYTES,
    json_lines.MAX_LINE,
    evaluations.MAX_BYTES,
    untrusted.MAX_JSON_DEPTH,
    untrusted.MAX_DIGITS,
    third_party.MAX_BYTES,
    unpickle.MAX_WEIGHTS,
    unpickle.MEMORY,
    unpickle.SECONDS,
]


def test_the_limits_in_the_table_are_those_of_the_code() -> None:
    stated = re.findall(r"^\|[^|]*\| ([0-9]+) \|$", TEXT, re.MULTILINE)
    assert [float(value) for value in stated] == LIMITS


def test_the_limits_in_the_text_are_those_of_the_code() -> None:
    assert f"at least {transfer.STALL_BYTES} bytes" in TEXT
    assert f" {files.MIN_ALLOWED_BYTES} " in TEXT
    assert re.search(rf"\b{third_party.TIMEOUT:g}\s+seconds", TEXT)
