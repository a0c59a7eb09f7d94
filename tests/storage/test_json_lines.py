"""A file of JSON lines only grows, is flushed, and is read up to a line cut by a crash."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from campaigns.plans import Count

from penstroke import storage
from penstroke.storage import disk, json_lines


@pytest.fixture
def lines(tmp_path: Path) -> storage.JsonLines:
    return storage.JsonLines(tmp_path / "m.jsonl")


def test_lines_are_only_added(lines: storage.JsonLines) -> None:
    lines.append({"a": 1})
    lines.append({"a": 2}, {"a": 3})
    assert [json.loads(line)["a"] for line in lines.path.read_text().splitlines()] == [1, 2, 3]


def test_lines_and_the_name_of_a_new_file_are_flushed(lines: storage.JsonLines) -> None:
    count = Count()
    with disk.watched(count):
        lines.append({"a": 1})
        lines.append({"a": 2})
    assert count.kinds == ["append", "write", "sync", "sync_folder", "append", "write", "sync"]


def test_lines_are_cut_by_replacing_the_file(lines: storage.JsonLines) -> None:
    lines.cut(5)
    assert lines.size == 0
    lines.append({"a": 1})
    kept = lines.size
    lines.append({"a": 2})
    with open(lines.path, "rb") as before:
        lines.cut(kept)
        assert lines.size == kept
        lines.cut(kept + 1)
        assert lines.path.read_text() == '{"a": 1}\n'
        assert len(before.read()) == 2 * kept, "not in place"


def test_rows_are_those_that_were_added(lines: storage.JsonLines) -> None:
    assert list(lines.rows()) == []
    rows: list[dict[str, Any]] = [{"a": 1, "ü": "é"}, {"b": [1.5, None]}]
    lines.append(*rows)
    assert list(lines.rows()) == rows


@pytest.mark.parametrize("end", ['{"a": 3', "\x00\x00\x00\n", "[" * 100_000 + "\n", "nonsense\n"])
def test_rows_end_before_a_line_that_is_not_json(end: str, lines: storage.JsonLines) -> None:
    lines.append({"a": 1}, {"a": 2})
    with lines.path.open("a") as file:
        file.write(end + '\n{"a": 4}\n')
    assert [row["a"] for row in lines.rows()] == [1, 2]


def test_lines_that_are_not_objects_are_skipped(lines: storage.JsonLines) -> None:
    lines.path.write_text('[1]\n2\nnull\n"step"\n{"a": 1}\n')
    assert list(lines.rows()) == [{"a": 1}]


def test_a_line_that_is_too_long_ends_the_rows(lines: storage.JsonLines) -> None:
    lines.append({"a": 1}, {"a": "x" * json_lines.MAX_LINE}, {"a": 2})
    assert list(lines.rows()) == [{"a": 1}]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_a_pipe_or_a_link_to_another_folder_has_no_rows(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "outside.jsonl").write_text('{"a": 1}\n')
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "link.jsonl").symlink_to(tmp_path / "outside.jsonl")
    assert list(storage.JsonLines(tmp_path / "pipe.jsonl").rows()) == []
    assert list(storage.JsonLines(tmp_path / "inside" / "link.jsonl").rows()) == []
    assert list(storage.JsonLines(tmp_path / "outside.jsonl").rows()) == [{"a": 1}]
