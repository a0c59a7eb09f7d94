"""``penstroke predict``: labels, abstentions, unreadable pictures, folders and tables."""

import csv
import dataclasses
import os
import sys
from collections.abc import Callable, Iterator
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from penstroke import Classifier
from penstroke.cli.predict import predict
from penstroke.cli.read import read
from penstroke.errors import StorageError
from penstroke.models.description import Calibration
from penstroke.pictures import MAX_PIXELS

Penstroke = Callable[..., Any]


def test_white_on_black_and_ink_on_paper_are_recognised(penstroke: Penstroke, at_home: Path) -> None:
    pictures = [f"{digit}{kind}" for digit in range(10) for kind in (".png", "-paper.jpg")]
    done = penstroke("predict", "runs/book", *pictures, "--json")
    assert done.code == 0
    correct = 0
    for name, row in zip(pictures, done.json, strict=True):
        assert {"file", "label", "probability", "probabilities", "abstained"} <= row.keys()
        assert row["file"] == name
        assert row["run"] == "runs/book"
        assert len(row["probabilities"]) == 10
        assert sum(row["probabilities"]) == pytest.approx(1, abs=1e-4)
        correct += row["label"] == name[0]
    assert correct >= 15
    assert "note: model" not in done.err
    latest = penstroke("predict", pictures[0])
    assert latest.out.startswith("0.png: ")
    assert latest.err == "note: model runs/book, the latest run\n"


def test_a_committee_is_named_by_plus_signs(penstroke: Penstroke, at_home: Path) -> None:
    done = penstroke("predict", "runs/book+ready", "3.png", "--json")
    assert done.code == 0, done.err
    (row,) = done.json
    each = [penstroke("predict", model, "3.png", "--json").json[0]["probabilities"] for model in ("runs/book", "ready")]
    expected = [(first + second) / 2 for first, second in zip(*each, strict=True)]
    assert row["probabilities"] == pytest.approx(expected, abs=1e-4)
    assert row["run"] == "runs/book+ready"
    assert penstroke("read", "runs/book+ready", "3.png").out.strip()
    missing = penstroke("predict", "runs/book+runs/none", "3.png")
    assert missing.code == 4
    assert "runs/none does not exist" in missing.err
    table = penstroke("predict", "runs/book+ready", "3.png", "--output", "rows")
    assert table.code == 4
    assert "has several models, and one file is needed here" in table.err


@pytest.mark.parametrize(
    "words",
    [
        ["runs/book", "--json", "1.png"],
        ["--json", "runs/book", "1.png"],
        ["runs/book", "1.png", "--json"],
        ["runs/book", "--megapixels", "3", "--json", "1.png"],
        ["--json", "--", "runs/book", "1.png"],
    ],
)
def test_options_are_accepted_in_any_position(words: list[str], penstroke: Penstroke, at_home: Path) -> None:
    done = penstroke("predict", *words)
    assert done.code == 0, done.err
    assert [row["file"] for row in done.json] == ["1.png"]


def test_a_picture_may_have_a_name_that_begins_with_a_hyphen(penstroke: Penstroke, at_home: Path) -> None:
    (at_home / "-1.png").write_bytes((at_home / "1.png").read_bytes())
    done = penstroke("predict", "--json", "--", "-1.png")
    assert done.code == 0, done.err
    assert done.json[0]["file"] == "-1.png"


def test_unreadable_pictures_are_named_and_the_others_predicted(penstroke: Penstroke, at_home: Path) -> None:
    (at_home / "broken.png").write_bytes((at_home / "1.png").read_bytes()[:60])
    (at_home / "text.jpg").write_text("hello")
    done = penstroke("predict", "1.png", "broken.png", "text.jpg", "none.png", "--json")
    assert done.code == 3
    rows = done.json
    assert rows[0]["label"] is not None
    assert [row.get("error", {}).get("kind") for row in rows] == [None, "data", "data", "data"]
    text = penstroke("predict", "1.png", "broken.png")
    assert text.code == 3
    assert "1.png: " in text.out
    assert "broken.png" in text.err
    assert penstroke("predict", "none.png").code == 3


@pytest.mark.parametrize("name", ["blank", "solid", "one", "huge"])
def test_pictures_without_a_symbol_get_no_label(penstroke: Penstroke, at_home: Path, name: str) -> None:
    size = {"one": (1, 1), "huge": (20_000, 20_000)}.get(name, (90, 90))
    Image.new("L", size, 0 if name == "solid" else 255).save(at_home / f"{name}.png")
    done = penstroke("predict", f"{name}.png", "--json")
    if name in ("one", "huge"):
        assert done.code == 3
        assert done.json["error"]["kind"] == "data"
        assert done.json["error"]["remedy"]
    else:
        assert done.code == 0
        assert done.json[0]["abstained"]
        assert done.json[0]["label"] is None
        assert "no prediction (" in penstroke("predict", f"{name}.png").out


def test_the_preparation_is_drawn_on_request(
    penstroke: Penstroke, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("seven.png").write_bytes((home / "7-paper.jpg").read_bytes())
    Image.new("L", (90, 90), 255).save("blank.png")
    model = home / "runs/book/model.safetensors"
    done = penstroke("predict", model, "seven.png", "blank.png", "--explain-picture", "--json")
    assert done.code == 0, done.err
    assert done.json[0]["label"] is not None
    assert "stages: seven-stages.png" in done.err
    assert Path("seven-stages.png").is_file()
    assert not Path("blank-stages.png").exists()
    assert "stages: seven-stages.png" in penstroke("predict", model, "seven.png", "--explain-picture").out


def test_a_prediction_below_the_threshold_is_rejected(penstroke: Penstroke, at_home: Path, tmp_path: Path) -> None:
    known = Classifier.load("runs/book")
    calibration = Calibration(threshold=1.0, images=10, rejected=0, wrong=0)
    strict = dataclasses.replace(known.description, calibration=calibration)
    Classifier(known.backend, strict).save(tmp_path / "strict.safetensors")
    (found,) = penstroke("predict", tmp_path / "strict.safetensors", "7.png", "--json").json
    assert found["probability"] < 1
    assert found["abstained"]
    assert found["label"] is None
    assert found["reason"]
    assert len(found["probabilities"]) == 10


def test_the_size_limit_is_an_option(penstroke: Penstroke, at_home: Path, tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    Image.new("L", (1500, 1000), 255).save(large)
    for command, out in (("predict", ()), ("read", ("--out", tmp_path / "drawn"))):
        assert penstroke(command, large, *out).code == 0
        done = penstroke(command, large, *out, "--megapixels", 1)
        assert done.code == 3
        assert "1500" in done.err


@pytest.fixture
def folder(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a folder with ``mixed``: ten digits, of which 3 is damaged, in folders, and a text."""
    monkeypatch.chdir(tmp_path)
    mixed = Path("mixed")
    (mixed / "more").mkdir(parents=True)
    for digit in range(10):
        content = (home / f"{digit}.png").read_bytes()
        (mixed / ("more" if digit > 7 else "") / f"{digit}.png").write_bytes(content[: 60 if digit == 3 else None])
    (mixed / "notes.txt").write_text("hello")
    return mixed


def test_a_folder_gives_a_row_per_picture(penstroke: Penstroke, home: Path, folder: Path) -> None:
    done = penstroke("predict", home / "runs/book", folder, "--json", "--csv", "tables/rows.csv", "--top", 2)
    assert done.code == 3
    files = [f"mixed/{'more/' if digit > 7 else ''}{digit}.png" for digit in range(10)]
    assert [row["file"] for row in done.json] == files
    assert "note: the folder mixed has 10 pictures; skipped 1 other file (.txt)" in done.err
    assert "note: csv: tables/rows.csv" in done.err
    with Path("tables/rows.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == files
    for row, expected in zip(rows, done.json, strict=True):
        if expected["file"] == "mixed/3.png":
            assert row["error"] == f"{expected['error']['message']} {expected['error']['remedy']}"
            assert row["label"] == row["probability"] == row["p_0"] == ""
            assert expected["top"] == []
            continue
        assert row["label"] == (expected["label"] or "")
        assert float(row["probability"]) == expected["probability"]
        assert [float(row[f"p_{digit}"]) for digit in range(10)] == expected["probabilities"]
        assert row["error"] == ""
        ranked = sorted(expected["probabilities"], reverse=True)
        assert [answer["probability"] for answer in expected["top"]] == ranked[:2]
        assert expected["probabilities"][int(expected["top"][0]["label"])] == ranked[0]


def test_a_pattern_is_expanded_and_errors_are_on_stderr(penstroke: Penstroke, home: Path, folder: Path) -> None:
    done = penstroke("predict", home / "runs/book", "mixed/[1-3].png", "--csv", "rows.csv")
    assert done.code == 3
    assert [line.split(": ")[0] for line in done.out.splitlines()] == ["mixed/1.png", "mixed/2.png", "csv"]
    assert "penstroke: mixed/3.png is " in done.err
    assert penstroke("predict", home / "runs/book", "mixed/*.gif").code == 3
    assert penstroke("predict", home / "runs/book", home / "runs/book").code == 2


def test_top_gives_the_number_of_labels(penstroke: Penstroke, home: Path, folder: Path) -> None:
    for top, labels in ((1, 1), (4, 4), (99, 10)):
        line = penstroke("predict", home / "runs/book", "mixed/1.png", "--top", top).out
        assert line.count(" %") == labels
    assert penstroke("predict", home / "runs/book", "mixed/1.png").out.count(" %") == 3
    assert "top" not in penstroke("predict", home / "runs/book", "mixed/1.png", "--json").json[0]
    assert penstroke("predict", home / "runs/book", "mixed/1.png", "--top", 0).code == 2


def test_a_table_that_cannot_be_written_is_refused_before_the_work(
    penstroke: Penstroke, home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Classifier, "load", None)
    assert penstroke("predict", home / "runs/book", folder, "--csv", folder).code == 2
    done = penstroke("predict", home / "runs/book", folder, "--csv", folder / "notes.txt/rows.csv")
    assert done.code == 4
    assert "Cannot write" in done.err
    assert not done.out


def test_a_failure_in_between_leaves_complete_json(
    penstroke: Penstroke, home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_two(path: Path, rows: Iterator[object], columns: object) -> None:
        next(rows), next(rows)
        raise StorageError(f"Cannot write {path}: no space left.", "Free some space.")

    monkeypatch.setattr("penstroke.storage.write_csv", write_two)
    done = penstroke("predict", home / "runs/book", folder, "--json", "--csv", "rows.csv")
    assert done.code == 4
    assert len(done.json) == 2
    assert "Cannot write rows.csv" in done.err


def test_the_progress_with_many_pictures_is_printed(
    penstroke: Penstroke, home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstroke.cli.predict.MANY", 5)
    done = penstroke("predict", home / "runs/book", folder, "--json")
    assert len(done.json) == 10
    assert "10 of 10 pictures classified" in done.err


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not allow such names")
def test_a_name_that_is_not_unicode_is_printed(penstroke: Penstroke, home: Path, folder: Path) -> None:
    (folder / "7.png").rename(folder / os.fsdecode(b"\xff.png"))
    done = penstroke("predict", home / "runs/book", "mixed/?.png", "--json", "--csv", "rows.csv")
    assert os.fsencode(done.json[-1]["file"]) == b"mixed/\xff.png"
    assert b"mixed/\xff.png," in Path("rows.csv").read_bytes()
    assert "\\xdcff.png: " in penstroke("predict", home / "runs/book", "mixed/?.png").out


def test_stages_of_pictures_with_the_same_name_are_all_drawn(penstroke: Penstroke, home: Path, folder: Path) -> None:
    (folder / "more/1.png").write_bytes((folder / "1.png").read_bytes())
    done = penstroke("predict", "ready", "mixed/**/1.png", "--explain-picture")
    assert done.code == 0
    assert "stages: 1-stages.png" in done.out
    assert "stages: 1-stages-2.png" in done.out
    assert Path("1-stages-2.png").is_file()


@pytest.mark.parametrize("command", [predict, read])
def test_the_default_limit_is_that_of_the_library(command: Callable[..., object]) -> None:
    assert signature(command).parameters["megapixels"].default * 1_000_000 == MAX_PIXELS
