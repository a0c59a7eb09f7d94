"""Untrusted files: only plain files in their folder are read, without waiting, and JSON has limits."""

import json
import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstroke.storage import untrusted
from penstroke.storage.untrusted import is_plain, open_contained, open_plain, parse_json, read_json, reason


def test_a_plain_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    (tmp_path / "link").symlink_to("a")
    for name in ("a", "link"):
        with open_plain(tmp_path / name) as file, open_contained(tmp_path / name) as contained:
            assert file.read() == contained.read() == b"content"
        assert is_plain(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_what_is_not_a_plain_file_is_rejected_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        for name, what in (("pipe", "a pipe"), ("folder", "a folder"), ("socket", "a socket")):
            with pytest.raises(OSError, match=rf"it is .*{what.removeprefix('a ')}.*; it must be a plain file"):
                open_plain(tmp_path / name)
            assert not is_plain(tmp_path / name)
    with pytest.raises(OSError, match="a device"):
        open_plain(Path(os.devnull))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_a_pipe_that_replaces_the_file_is_rejected_without_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plain").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe")
    before = (tmp_path / "plain").stat()
    monkeypatch.setattr(Path, "stat", lambda self: before)
    with pytest.raises(OSError, match="it must be a plain file"):
        open_plain(tmp_path / "pipe")


def test_a_link_out_of_the_folder_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"secret")
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "link").symlink_to("../outside")
    (tmp_path / "inside" / "cycle").symlink_to("cycle")
    with pytest.raises(OSError, match="a link to a file outside its folder"):
        open_contained(tmp_path / "inside" / "link")
    with pytest.raises(OSError, match="link"):
        open_contained(tmp_path / "inside" / "cycle")
    assert not is_plain(tmp_path / "inside" / "cycle")


def test_a_missing_file_and_an_impossible_path_are_errors(tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - its reason is compared
        open_contained(tmp_path / "missing")
    assert reason(caught.value) == "No such file or directory"
    assert reason(OSError("in words")) == "in words"
    assert not is_plain(tmp_path / "missing")
    assert not is_plain(tmp_path / ("x" * 5000))
    assert not is_plain(Path("\0"))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**290), 10**290)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(json_values)
def test_valid_json_is_returned(value: object) -> None:
    assert parse_json(json.dumps(value)) == value
    assert parse_json(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "truncated or not JSON, at line 1, column 1"),
        ('{"a": 1,\n "b"', "truncated or not JSON, at line 2"),
        (b"\xff\xfe{", "not"),
        (b'"\xff"', "not UTF-8 text, at byte 1"),
        ("[" * 33 + "]" * 33, "more than 32 levels"),
        ("[" * 100_000, "more than 32 levels"),
        ('{"a":' * 33 + "1" + "}" * 33, "more than 32 levels"),
        ("NaN", "NaN, which is not finite"),
        ("[-Infinity]", "-Infinity, which is not finite"),
        ("1e999", "1e999, which is not finite"),
        ("9" * 301, "9999, which is not finite or too large"),
        ('["\\ud800"]', "half of a surrogate pair"),
        (b'{"\\uDFFF": 1}', "half of a surrogate pair"),
    ],
)
def test_invalid_json_is_rejected_with_the_rule(text: str | bytes, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        parse_json(text)


def test_values_at_the_limits_are_accepted() -> None:
    assert parse_json("9" * 300) == int("9" * 300)
    assert parse_json("[" * 32 + "]" * 32)
    assert parse_json('"\\ud83d\\ude00"') == "😀"


def test_a_file_that_is_too_large_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(untrusted, "MAX_JSON_BYTES", 10)
    (tmp_path / "a.json").write_text('"12345678"')
    assert read_json(tmp_path / "a.json") == "12345678"
    (tmp_path / "a.json").write_text('"123456789"')
    with pytest.raises(ValueError, match="more than 10 bytes"):
        read_json(tmp_path / "a.json")
