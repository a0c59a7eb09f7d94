"""CSV files, and the check that a folder can be written."""

import csv
import os
from pathlib import Path

import pytest

from penstroke import storage
from penstroke.errors import StorageError


def test_rows_are_read_back_by_the_csv_module(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"label": 'a "b", c\nd', "value": 1.5}, {"label": "ä", "other": None}]
    path = storage.write_csv(tmp_path / "rows.csv", rows)
    with path.open(newline="", encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    assert read == [
        {"label": 'a "b", c\nd', "value": "1.5", "other": ""},
        {"label": "ä", "value": "", "other": ""},
    ]
    storage.write_csv(path, [])
    assert path.read_text() == "\n"


def test_rows_are_written_one_by_one_if_the_columns_are_given(tmp_path: Path) -> None:
    path = storage.write_csv(tmp_path / "new/rows.csv", ({"a": index} for index in range(3)), ["a", "b"])
    assert path.read_text() == "a,b\n0,\n1,\n2,\n"


def test_an_error_in_the_rows_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError):
        storage.write_csv(path, ({"a": 1 / index} for index in (1, 0)), ["a"])
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["rows.csv"]


def test_a_writable_folder_may_be_missing(tmp_path: Path) -> None:
    storage.check_writable(tmp_path / "a/b")
    assert not (tmp_path / "a").exists()


def test_a_file_in_the_place_of_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="Not a directory"):
        storage.check_writable(tmp_path / "file/b")


def test_a_folder_without_permission_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    with pytest.raises(StorageError, match="Permission denied"):
        storage.check_writable(tmp_path / "a/b")
