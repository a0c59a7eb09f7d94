"""``penstroke data audit``: a folder with a wrong label, duplicates, a blank and a broken picture."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from penstroke.data import Dataset
from penstroke.experiments import cross_validation

Penstroke = Callable[..., Any]


@pytest.fixture
def folder(sample: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of zeros and ones, with four defects."""
    monkeypatch.setattr(cross_validation, "MIN_STEPS", 30)
    monkeypatch.chdir(tmp_path)
    for label in (0, 1):
        place = tmp_path / "digits" / str(label)
        place.mkdir(parents=True)
        for number, image in enumerate(sample.train.images[sample.train.labels == label][:120]):
            Image.fromarray(image[0]).save(place / f"{number:03}.png")
    digits = tmp_path / "digits"
    (digits / "0/000.png").rename(digits / "1/wrong.png")
    Image.open(digits / "0/001.png").save(digits / "0/copy.png")
    Image.fromarray(np.full((28, 28), 90, np.uint8)).save(digits / "0/blank.png")
    (digits / "1/broken.png").write_bytes(b"not a picture")
    return digits


def test_defects_are_found(penstroke: Penstroke, folder: Path) -> None:
    done = penstroke("data", "audit", folder, "--repeats", "1", "--out", "found", "--json")
    assert done.code == 0, done.err
    assert "4 of 4 networks trained" in done.err
    assert "note: 1 picture that cannot be read was left out: 1/broken.png" in done.err
    value = done.json
    assert [Path(row["file"]).name for row in value["blank"]] == ["blank.png"]
    assert [Path(path).name for path in value["broken"]] == ["broken.png"]
    (pair,) = [row for row in value["duplicates"] if row["kind"] == "exact"]
    assert {Path(pair["file"]).name, Path(pair["other_file"]).name} == {"001.png", "copy.png"}
    assert "wrong.png" in [Path(row["file"]).name for row in value["candidates"][:5]]
    with Path("found/candidates.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == [row["file"] for row in value["candidates"]]
    with Image.open("found/candidates.png") as grid:
        assert min(grid.size) > 100


def test_the_text_states_the_counts(penstroke: Penstroke, folder: Path) -> None:
    done = penstroke("data", "audit", folder, "--repeats", "1")
    assert done.code == 0, done.err
    assert f"{folder}: 242 images (194 train, 48 test)" in done.out
    assert "exact duplicates: 1 (0 with different labels)" in done.out
    assert "blank images: 1, pictures that cannot be read: 1" in done.out
    assert "file: audit-digits/candidates.csv" in done.out


def test_a_folder_without_pictures_is_an_error(penstroke: Penstroke, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = penstroke("data", "audit", tmp_path / "empty")
    assert done.code == 3
    assert "no folders of classes" in done.err
