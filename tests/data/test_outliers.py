"""Folders of pictures that show none of the classes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from penstroke.data.outliers import read_outliers
from penstroke.errors import DataError


def save(path: Path, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((20, 30, 3), level, np.uint8)).save(path)


def test_pictures_in_subfolders_are_prepared_and_divided(tmp_path: Path) -> None:
    for number in range(10):
        save(tmp_path / f"{number % 2}/{number}.png", number)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "broken.png").write_bytes(b"PNG")
    found = read_outliers(tmp_path, "letterbox", (3, 8, 12))
    assert found.images.shape == (10, 3, 8, 12)
    assert found.source == str(tmp_path.resolve())
    assert found.notes == ("1 outliers that cannot be used were left out: broken.png",)
    trained, held_out = found.parts()
    assert (len(trained), len(held_out)) == (8, 2)
    levels = sorted(np.concatenate([trained, held_out])[:, 0, 4, 6].tolist())
    assert levels == list(range(10))
    assert read_outliers(tmp_path, "letterbox", (3, 8, 12)).sha256 == found.sha256
    save(tmp_path / "0/0.png", 200)
    assert read_outliers(tmp_path, "letterbox", (3, 8, 12)).sha256 != found.sha256


def test_folders_without_pictures_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_outliers(tmp_path / "missing", "letterbox", (3, 8, 8))
    with pytest.raises(DataError, match="has 0 pictures"):
        read_outliers(tmp_path, "letterbox", (3, 8, 8))
    save(tmp_path / "one.png", 0)
    with pytest.raises(DataError, match="has 1 pictures"):
        read_outliers(tmp_path, "letterbox", (3, 8, 8))
