"""Files are written completely or not at all, nothing is overwritten in place, and errors have a remedy."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from campaigns.plans import Count, Fail
from support.small import files_below

from penstroke import storage
from penstroke.errors import RunError, StorageError
from penstroke.storage import disk


def test_a_written_file_is_read_back_and_nothing_else_is_left(tmp_path: Path) -> None:
    storage.write_json(tmp_path / "a.json", {"ü": [1, 2.5, None]})
    storage.write_json(tmp_path / "a.json", {"ü": 2})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"ü": 2}
    assert files_below(tmp_path).keys() == {"a.json"}


@pytest.mark.parametrize("step", ["open", "fsync", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT, errno.EMFILE])
def test_an_error_at_any_step_keeps_the_old_file(
    step: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.write_bytes(tmp_path / "a", b"old")

    def fail(*arguments: object, **more: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr("penstroke.storage.disk._File" if step == "open" else f"os.{step}", fail)
        with pytest.raises(StorageError, match=os.strerror(number)) as caught:
            storage.write_bytes(tmp_path / "a", b"new")
    assert caught.value.remedy
    assert files_below(tmp_path) == {"a": b"old"}


def test_the_bytes_are_flushed_before_the_name_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def recording(name: str) -> Callable[..., None]:
        real = getattr(os, name)

        def recorded(*given: object) -> None:
            calls.append(name)
            real(*given)

        return recorded

    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, recording(name))
    storage.write_bytes(tmp_path / "a", b"new")
    assert calls == ["fsync", "replace", "fsync"], "the file, the rename, the folder"


def test_an_error_inside_the_block_keeps_the_old_file(tmp_path: Path) -> None:
    storage.write_bytes(tmp_path / "a", b"old")
    with pytest.raises(ZeroDivisionError), storage.replacing(tmp_path / "a") as file:
        file.write(bytes(1 // 0))
    assert files_below(tmp_path) == {"a": b"old"}


def test_a_new_folder_is_never_an_existing_one(tmp_path: Path) -> None:
    names = [storage.new_folder(tmp_path / "deep" / "run").name for _ in range(3)]
    assert names == ["run", "run-2", "run-3"]


def test_an_existing_file_is_not_changed(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    assert storage.new_folder(tmp_path / "run").name == "run-2"
    with pytest.raises(StorageError, match="File exists"):
        storage.new_folder(tmp_path / "run" / "inside")
    assert (tmp_path / "run").read_text() == "mine"


def test_missing_parents_are_created_and_flushed(tmp_path: Path) -> None:
    count = Count()
    with disk.watched(count):
        assert storage.make_folder(tmp_path / "a" / "b") == tmp_path / "a" / "b"
        storage.make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    assert count.kinds == ["make_folder", "sync_folder"] * 2


def test_a_folder_is_written_completely_or_not_at_all(tmp_path: Path) -> None:
    count = Count()
    with disk.watched(count):
        storage.write_folder(tmp_path / "a", {"x": b"1", "y": b"2"})
    assert files_below(tmp_path) == {"a/x": b"1", "a/y": b"2"}
    for at in range(1, len(count.kinds)):  # the last one flushes the parent folder, when everything is there
        with disk.watched(Fail(at, errno.EIO)), pytest.raises(StorageError, match=os.strerror(errno.EIO)):
            storage.write_folder(tmp_path / "b", {"x": b"1", "y": b"2"})
        assert [path.name for path in tmp_path.iterdir()] == ["a"]
    with pytest.raises(StorageError):
        storage.write_folder(tmp_path / "a", {"x": b"3"})
    assert files_below(tmp_path) == {"a/x": b"1", "a/y": b"2"}
    storage.remove_folder(tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_a_replaced_folder_is_removed_only_when_the_new_one_is_complete(tmp_path: Path) -> None:
    storage.write_folder(tmp_path / "a", {"x": b"old", "z": b"old"}, replace=True)
    count = Count()
    with disk.watched(count):
        storage.write_folder(tmp_path / "a", {"x": b"new"}, replace=True)
    assert files_below(tmp_path) == {"a/x": b"new"}
    first_rename = count.kinds.index("rename")
    assert count.kinds[:first_rename] == ["make_folder", "create", "write", "sync", "sync_folder"]
    for at in range(1, first_rename + 1):
        with disk.watched(Fail(at, errno.EIO)), pytest.raises(StorageError):
            storage.write_folder(tmp_path / "a", {"x": b"newer"}, replace=True)
        assert files_below(tmp_path) == {"a/x": b"new"}


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
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


def test_a_file_is_removed_where_that_is_possible(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "x").write_bytes(b"2")
    count = Count()
    with disk.watched(count):
        storage.remove_file(tmp_path / "a")
    assert count.kinds == ["unlink"]
    storage.remove_file(tmp_path / "a")  # it is missing now
    storage.remove_file(tmp_path / "folder")
    assert files_below(tmp_path) == {"folder/x": b"2"}
    with disk.watched(Fail(1, errno.EACCES)):
        storage.remove_file(tmp_path / "folder" / "x")
    assert files_below(tmp_path) == {"folder/x": b"2"}


def test_a_file_that_is_set_aside_is_kept(tmp_path: Path) -> None:
    for content in (b"one", b"two"):
        (tmp_path / "a").write_bytes(content)
        storage.set_aside(tmp_path / "a")
    assert files_below(tmp_path) == {"a.rejected": b"one", "a.rejected-2": b"two"}


def test_nan_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        storage.write_json(tmp_path / "a.json", {"loss": float("nan")})
    assert not files_below(tmp_path)


def test_an_error_is_explained_in_the_class_that_was_requested() -> None:
    rule = r"Cannot write x: Permission denied\. Choose a folder that you may write to\."
    with pytest.raises(RunError, match=rule), storage.explained(Path("x"), RunError):
        raise PermissionError(errno.EACCES, "Permission denied")
    with pytest.raises(StorageError, match=r"Cannot write x: no number\. Check the disk"), storage.explained(Path("x")):
        raise OSError("no number")


def test_a_missing_folder_has_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        storage.write_bytes(tmp_path / "missing" / "file", b"")
    assert caught.value.remedy == "Check the path, and create the folder if it does not exist."
