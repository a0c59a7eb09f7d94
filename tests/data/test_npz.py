"""NumPy archives."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstroke.data import load
from penstroke.errors import DataError

IMAGES = np.arange(10 * 6 * 5 * 3, dtype=np.uint8).reshape(10, 6, 5, 3)
LABELS = np.arange(10) % 2


def test_an_archive_becomes_a_dataset(tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", x=IMAGES, y=LABELS[:, None], classes=np.array(["no", "yes"]))
    data = load(tmp_path / "mine.npz")
    assert data.card.name == "mine"
    assert data.card.image_shape == (3, 6, 5)
    assert data.train.classes == ("no", "yes")
    assert (len(data.train), len(data.test), data.validation) == (8, 2, None)
    assert load(tmp_path / "mine.npz", size=(10, 12)).card.image_shape == (3, 12, 10)


def test_the_splits_of_an_archive_are_used(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {
        f"{kind}_{part}": value for part in ("train", "val", "test") for kind, value in (("x", IMAGES), ("y", LABELS))
    }
    np.savez(tmp_path / "mine.npz", **arrays)
    data = load(tmp_path / "mine.npz")
    assert data.validation
    assert (len(data.train), len(data.validation), len(data.test)) == (10, 10, 10)
    assert data.notes == ()


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"images": IMAGES}, "it must have x and y"),
        ({"x": IMAGES}, "it must have y"),
        ({"x": IMAGES / 1, "y": LABELS}, "floats must be from 0 to 1"),
        ({"x": IMAGES, "y": LABELS[:3]}, "3 for 10 images"),
        ({"x": IMAGES, "y": LABELS * 0}, "at least two"),
        ({"x": np.array([object()]), "y": LABELS}, "cannot be read as a NumPy archive"),
    ],
)
def test_invalid_archives_are_rejected(tmp_path: Path, arrays: Any, reason: str) -> None:
    np.savez(tmp_path / "mine.npz", **arrays)
    with pytest.raises(DataError, match=reason):
        load(tmp_path / "mine.npz")


def test_a_truncated_archive_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    np.savez_compressed(path, x=IMAGES, y=LABELS)
    content = path.read_bytes()
    for size in range(0, len(content), 37):
        path.write_bytes(content[:size])
        with pytest.raises(DataError):
            load(path)
