"""Files are whole or not at all, nothing is overwritten in place, and faults are said with a remedy."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from campaigns.plans import Count, Fail
from trained import files_below

from penstroke import disk, storage
from penstroke.errors import StorageError


def test_what_was_written_is_read_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    storage.write_json(tmp_path / "a.json", {"ü": [1, 2.5, None]})
    storage.write_json(tmp_path / "a.json", {"ü": 2})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"ü": 2}
    assert files_below(tmp_path).keys() == {"a.json"}


@pytest.mark.parametrize("step", ["open", "fsync", "replace"])
@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT, errno.EMFILE])
def test_a_fault_at_any_step_keeps_the_old_file(
    step: str, fault: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.write_bytes(tmp_path / "a", b"old")

    def fail(*arguments: object, **more: object) -> None:
        raise OSError(fault, os.strerror(fault))

    with monkeypatch.context() as patch:
        patch.setattr("penstroke.disk._File" if step == "open" else f"os.{step}", fail)
        with pytest.raises(StorageError, match=os.strerror(fault)) as caught:
            storage.write_bytes(tmp_path / "a", b"new")
    assert caught.value.remedy
    assert files_below(tmp_path) == {"a": b"old"}


def test_the_bytes_are_on_the_disk_before_the_name_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def noting(name: str) -> Callable[..., None]:
        real = getattr(os, name)

        def noted(*given: object) -> None:
            calls.append(name)
            real(*given)

        return noted

    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, noting(name))
    storage.write_bytes(tmp_path / "a", b"new")
    assert calls == ["fsync", "replace", "fsync"], "the file, the rename, the folder"


def test_an_error_inside_the_block_leaves_the_old_file(tmp_path: Path) -> None:
    storage.write_bytes(tmp_path / "a", b"old")
    with pytest.raises(ZeroDivisionError), storage.replacing(tmp_path / "a") as file:
        file.write(bytes(1 // 0))
    assert files_below(tmp_path) == {"a": b"old"}


def test_a_new_folder_never_is_an_old_one(tmp_path: Path) -> None:
    names = [storage.new_folder(tmp_path / "deep" / "run").name for _ in range(3)]
    assert names == ["run", "run-2", "run-3"]


def test_a_file_in_the_way_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    assert storage.new_folder(tmp_path / "run").name == "run-2"
    with pytest.raises(StorageError, match="File exists"):
        storage.new_folder(tmp_path / "run" / "inside")
    assert (tmp_path / "run").read_text() == "mine"


def test_lines_are_only_added(tmp_path: Path) -> None:
    lines = storage.JsonLines(tmp_path / "m.jsonl")
    lines.append({"a": 1})
    lines.append({"a": 2}, {"a": 3})
    assert [json.loads(line)["a"] for line in (tmp_path / "m.jsonl").read_text().splitlines()] == [1, 2, 3]


def test_lines_and_the_name_of_a_new_file_are_on_the_disk(tmp_path: Path) -> None:
    count = Count()
    with disk.watched(count):
        lines = storage.JsonLines(tmp_path / "m.jsonl")
        lines.append({"a": 1})
        lines.append({"a": 2})
    assert count.kinds == ["append", "write", "sync", "sync_folder", "append", "write", "sync"]


def test_lines_are_cut_by_replacing_the_file(tmp_path: Path) -> None:
    lines = storage.JsonLines(tmp_path / "m.jsonl")
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


def test_a_folder_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    count = Count()
    with disk.watched(count):
        storage.write_folder(tmp_path / "a", {"x": b"1", "y": b"2"})
    assert files_below(tmp_path) == {"a/x": b"1", "a/y": b"2"}
    for at in range(1, len(count.kinds)):  # the last one, flushing the folder above, comes after all is there
        with disk.watched(Fail(at, errno.EIO)), pytest.raises(StorageError, match=os.strerror(errno.EIO)):
            storage.write_folder(tmp_path / "b", {"x": b"1", "y": b"2"})
        assert [path.name for path in tmp_path.iterdir()] == ["a"]
    with pytest.raises(StorageError):
        storage.write_folder(tmp_path / "a", {"x": b"3"})
    storage.remove_folder(tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_is_cleared(tmp_path: Path) -> None:
    with disk.watched(Fail(4, errno.EIO, lasting=True)), pytest.raises(StorageError):
        storage.write_folder(tmp_path / "a", {"x": b"1"})
    with disk.watched(Fail(3, errno.EIO, lasting=True)):
        (tmp_path / "b").mkdir()
        (tmp_path / "b" / "x").write_bytes(b"1")
        storage.remove_folder(tmp_path / "b")
    (tmp_path / "mine.partial").write_bytes(b"kept")
    assert len(list(tmp_path.iterdir())) == 3
    storage.clear_leftovers(tmp_path)
    assert files_below(tmp_path) == {"mine.partial": b"kept"}


def test_a_file_set_aside_is_kept(tmp_path: Path) -> None:
    for content in (b"one", b"two"):
        (tmp_path / "a").write_bytes(content)
        storage.set_aside(tmp_path / "a")
    assert files_below(tmp_path) == {"a.rejected": b"one", "a.rejected-2": b"two"}


def test_not_a_number_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        storage.write_json(tmp_path / "a.json", {"loss": float("nan")})
    assert not files_below(tmp_path)
