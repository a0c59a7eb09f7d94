"""``penstroke predict``: labels, abstentions and unreadable pictures."""

import dataclasses
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from penstroke import Classifier
from penstroke.cli.predict import predict
from penstroke.cli.read import read
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


@pytest.mark.parametrize("command", [predict, read])
def test_the_default_limit_is_that_of_the_library(command: Callable[..., object]) -> None:
    assert signature(command).parameters["megapixels"].default * 1_000_000 == MAX_PIXELS
