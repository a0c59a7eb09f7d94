"""Tables of pictures: CSV and JSON lines."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from penstroke.data import load
from penstroke.data.tables import list_table
from penstroke.errors import DataError, PenstrokeError


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for number in range(12):
        Image.fromarray(np.full((6, 5, 3), number, np.uint8)).save(tmp_path / "images" / f"{number}.png")
    return tmp_path


def table(folder: Path, text: str, name: str = "labels.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_file_becomes_a_dataset(pictures: Path, delimiter: str) -> None:
    splits = ["train"] * 6 + ["Val"] * 3 + ["test"] * 3
    rows = [["Filename", "note", "Class", "split"]]
    rows += [[f"images/{number}.png", "x", "ab"[number % 2], split] for number, split in enumerate(splits)]
    data = load(table(pictures, "\ufeff" + "\n".join(delimiter.join(row) for row in rows)))
    assert data.card.name == "labels"
    assert data.card.image_shape == (1, 6, 5)
    assert data.validation
    assert (len(data.train), len(data.validation), len(data.test)) == (6, 3, 3)
    assert data.train.images[:, 0, 0, 0].tolist() == list(range(6))
    assert data.train.labels.tolist() == [0, 1] * 3


def test_json_lines_become_a_dataset(pictures: Path) -> None:
    rows = [{"path": str(pictures / "images" / f"{number}.png"), "label": number % 2 * 9 + 1} for number in range(10)]
    data = load(table(pictures, "\n".join(map(json.dumps, rows)) + "\n\n", "labels.jsonl"))
    assert data.train.classes == ("1", "10")
    assert (len(data.train), len(data.test)) == (8, 2)
    assert "no test split" in data.notes[-1]


def test_rows_without_a_file_are_named_or_left_out(pictures: Path) -> None:
    path = table(pictures, "path,label\nimages/0.png,a\nimages/1.png,b\nimages/none.png,a\n")
    with pytest.raises(DataError, match=r"1 of 3 rows of .* do not exist: none\.png \(line 4\)"):
        list_table(path)
    listing = list_table(path, skip_broken=True)
    assert len(listing.parts["train"]) == 2
    assert "they were left out" in listing.notes[0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has no rows"),
        ("path,label\n", "has no rows"),
        ("images/0.png,a\nimages/1.png,b\n", "Line 2 of .* has no path; its columns are 'images/0.png', 'a'"),
        ("path,x\nimages/0.png,a\n", "has no label"),
        ("path,label\nimages/0.png,\n", "label in line 2 .* is empty"),
        ("path,label\nimages/0.png,a\nimages/1.png\n", "label in line 3 .* is empty"),
        ("path,label\nimages/0.png,a\nimages/0.png,b\n", "Lines 2 and 3 .* same file"),
        ("path,label,split\nimages/0.png,a,later\n", "split 'later', which is unknown"),
        ("path,label\nimages/0.png,a\nimages/1.png,a\n", "one class, 'a'"),
        ("path,label\nimages/0.png,Cat\nimages/1.png,cat\n", "differ only in spelling"),
        ("path,label,split\nimages/0.png,a,train\nimages/1.png,b,test\n", "Classes without pictures .* b"),
        ("path,label,split\nimages/0.png,a,test\nimages/1.png,b,test\n", "no training pictures"),
    ],
)
def test_invalid_tables_are_rejected(pictures: Path, text: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason) as caught:
        list_table(table(pictures, text))
    assert caught.value.remedy


@pytest.mark.parametrize("line", ["[1]", "{", '{"path": "a", "label": null}', '{"label": 1}'])
def test_invalid_json_lines_are_rejected(pictures: Path, line: str) -> None:
    with pytest.raises(DataError, match=r"line 2|Line 2"):
        list_table(table(pictures, '{"path": "images/0.png", "label": 0}\n' + line, "labels.jsonl"))


@settings(max_examples=200)
@given(content=st.one_of(st.binary(max_size=80), st.text(max_size=80).map(lambda text: f"path,label\n{text}".encode())))
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_any_content_is_read_or_rejected(suffix: str, content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    path.write_bytes(content)
    with pytest.raises(PenstrokeError):
        list_table(path)


def test_too_many_classes_are_rejected_before_the_files_are_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstroke.data.listing.MAX_CLASSES", 10)
    rows = "".join(f"{number}.png,class {number}\n" for number in range(12))
    (tmp_path / "many.csv").write_text("path,label\n" + rows)
    with pytest.raises(DataError, match="12 classes; there must be fewer than 10"):
        list_table(tmp_path / "many.csv")


def test_a_table_whose_files_are_all_missing_cannot_be_skipped(tmp_path: Path) -> None:
    (tmp_path / "gone.csv").write_text("path,label\n1.png,a\n2.png,b\n")
    with pytest.raises(DataError, match=r"2 of 2 rows of .* name files that do not exist") as caught:
        list_table(tmp_path / "gone.csv", skip_broken=True)
    assert f"Relative paths start at {tmp_path}" in str(caught.value.remedy)
