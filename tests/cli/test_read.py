"""``penstroke read``: lines, boxes and drawings."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from penstroke.data import Dataset

Penstroke = Callable[..., Any]


@pytest.fixture
def model(home: Path) -> Path:
    return home / "runs/book/model.safetensors"


@pytest.fixture
def page(tmp_path: Path, sample: Dataset) -> tuple[Path, list[list[int]]]:
    """Return a picture of two lines of digits on paper, and the position of each: line, x, y."""
    paper = np.full((260, 420), 235, np.uint8)
    positions = []
    for number in range(7):
        image = np.asarray(Image.fromarray(sample.test.images[number, 0]).resize((84, 84)))
        line, column = divmod(number, 4)
        y, x = 20 + 120 * line, 20 + 95 * column
        paper[y : y + 84, x : x + 84] = np.minimum(paper[y : y + 84, x : x + 84], 235 - image * 0.8)
        positions.append([line, x, y])
    path = tmp_path / "page.png"
    Image.fromarray(paper).save(path)
    return path, positions


def test_lines_boxes_and_a_drawing(
    penstroke: Penstroke, model: Path, page: tuple[Path, list[list[int]]], tmp_path: Path
) -> None:
    path, positions = page
    done = penstroke("read", model, "--json", path, "--out", tmp_path / "drawn")
    assert done.code == 0
    (found,) = done.json
    assert found.keys() == {"file", "run", "lines", "digits", "rejected", "rotation", "picture"}
    assert found["run"] == str(model)
    assert [len(line) for line in found["lines"]] == [4, 3]
    assert "".join(digit["label"] for digit in found["digits"]) == "".join(found["lines"])
    for digit, (line, x, y) in zip(found["digits"], positions, strict=True):
        assert digit.keys() == {"line", "box", "label", "probability"}
        assert digit["line"] == line
        assert 0 < digit["probability"] <= 1
        left, top, width, height = digit["box"]
        assert x <= left + 3
        assert left + width <= x + 87
        assert y <= top + 3
        assert top + height <= y + 87
    with Image.open(found["picture"]) as drawn:
        assert drawn.size == (420, 260)
        assert drawn.convert("RGB").getcolors(1 << 16)
    assert "digits, the least certain is" in penstroke("read", model, path, "--out", tmp_path / "drawn").out


def test_unreadable_pictures_are_named_and_the_others_read(
    penstroke: Penstroke, model: Path, page: tuple[Path, list[list[int]]], tmp_path: Path
) -> None:
    broken, blank = tmp_path / "broken.png", tmp_path / "blank.png"
    broken.write_bytes(b"not a picture")
    Image.new("L", (200, 100), 250).save(blank)
    done = penstroke("read", model, broken, page[0], blank, "--out", tmp_path / "drawn", "--json")
    assert done.code == 3
    assert [bool(row["lines"]) for row in done.json] == [False, True, False]
    assert done.json[0]["error"]["kind"] == "data"
    assert done.json[2] | {"picture": ""} == {
        "file": str(blank), "run": str(model), "lines": [], "digits": [], "rejected": [], "rotation": 0, "picture": "",
    }  # fmt: skip
    plain = penstroke("read", model, broken, blank, "--out", tmp_path / "drawn")
    assert plain.code == 3
    assert "broken.png" in plain.err
    assert "no digits found" in plain.out
    assert penstroke("read", model).code == 2
    assert penstroke("read", model, broken).code == 3


def test_the_latest_run_is_named(penstroke: Penstroke, at_home: Path, tmp_path: Path) -> None:
    done = penstroke("read", "7.png", "--out", tmp_path / "drawn")
    assert done.code == 0
    assert "note: model runs/book, the latest run\n" in done.err
