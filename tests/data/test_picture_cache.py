"""Decoded pictures are cached, and a cache is used only if it is valid."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from penstroke.data import file_states, load, picture_cache, pixels, reading
from penstroke.data.idx import Array
from penstroke.errors import DataError, StorageError
from penstroke.storage import PARTIAL

COUNT = 6
"""Pictures of each class."""


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of two classes; even few pictures are cached."""
    monkeypatch.setenv("PENSTROKE_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(picture_cache, "MIN_PICTURES", 1)
    monkeypatch.setattr(file_states, "SETTLED", -10.0)
    for name in "ab":
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(COUNT):
            save(tmp_path / "pictures" / name / f"{number}.bmp", number + 100 * (name == "b"))
    return tmp_path / "pictures"


def save(path: Path, value: int, side: int = 6) -> None:
    pixels = np.full((side, side), value, np.uint8)
    pixels[0, 0] = 255 - value
    Image.fromarray(pixels).save(path)


def entries() -> list[Path]:
    return sorted(Path(os.environ["PENSTROKE_DATA"], picture_cache.FOLDER).glob("*.npy"))


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets the number of pictures of each decoding."""
    numbers: list[int] = []

    def counted(paths: Any, *arguments: Any) -> Any:
        numbers.append(len(paths))
        return pixels.decode(paths, *arguments)

    monkeypatch.setattr(reading, "decode", counted)
    return numbers


def images_of(folder: Path, **options: Any) -> Array:
    data = load(folder, **options)
    return np.concatenate([data.train.images, data.test.images])


def test_pictures_are_decoded_once(pictures: Path, decoded: list[int]) -> None:
    first = load(pictures)
    second = load(pictures)
    assert decoded == [2 * COUNT]
    assert (first.train.images == second.train.images).all()
    assert first.train.files == second.train.files
    assert (first.notes, first.sizes) == (second.notes, second.sizes)
    assert second.sizes == {(6, 6): 2 * COUNT}
    second.train.images[:] = 0  # the caller may change its images
    assert (load(pictures).train.images == first.train.images).all()


def test_a_moved_dataset_is_found_and_options_have_their_own_images(pictures: Path, decoded: list[int]) -> None:
    images_of(pictures)
    images_of(pictures.rename(pictures.with_name("moved")))
    assert len(decoded) == 1
    moved = pictures.with_name("moved")
    assert images_of(moved, size=(8, 8)).shape[2:] == (8, 8)
    assert images_of(moved, skip_broken=True).shape[2:] == (6, 6)
    assert len(decoded) == len(entries()) == 2


@pytest.mark.parametrize("change", ["content", "same times", "removed", "added"])
def test_changed_pictures_are_decoded_again(pictures: Path, decoded: list[int], change: str) -> None:
    images_of(pictures)
    picture = pictures / "a" / "2.bmp"
    before = picture.stat()
    if change == "removed":
        picture.unlink()
    elif change == "added":
        save(pictures / "a" / "9.bmp", 9)
    else:
        save(picture, 60)
    if change == "same times":  # as a copy of another file with the same size may have
        assert picture.stat().st_size == before.st_size
        os.utime(picture, ns=(before.st_atime_ns, before.st_mtime_ns))
    found = images_of(pictures)
    assert len(decoded) == 2
    assert (60 in found) == (change not in ("removed", "added"))
    assert len(entries()) == 1  # the outdated images are removed


def damage_images(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def set_value(name: str, value: Any) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        about = path.with_suffix(".json")
        about.write_text(json.dumps(json.loads(about.read_text()) | {name: value}))

    return change


DAMAGES: dict[str, Callable[[Path], object]] = {
    "images": damage_images,
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "no images": lambda path: path.unlink(),
    "no description": lambda path: path.with_suffix(".json").unlink(),
    "no JSON": lambda path: path.with_suffix(".json").write_text("{"),
    "a list": lambda path: path.with_suffix(".json").write_text("[]"),
    "another format": set_value("format", picture_cache.FORMAT + 1),
    "another key": set_value("key", "0" * 64),
    "another shape": set_value("shape", [1 << 40, 1, 6, 6]),
    "no number": set_value("shape", ["x"]),
    "sizes": set_value("sizes", [[1]]),
    "pickle": lambda path: np.save(path, np.array([{}], dtype=object), allow_pickle=True),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_an_invalid_entry_is_ignored_and_replaced(
    pictures: Path, decoded: list[int], damage: Callable[[Path], object]
) -> None:
    images = images_of(pictures)
    damage(entries()[0])
    assert (images_of(pictures) == images).all()
    assert (images_of(pictures) == images).all()
    assert len(decoded) == 2


@pytest.mark.parametrize("place", ["PIL.__version__", "DECODING", "FORMAT"])
def test_images_of_another_version_are_not_used(
    pictures: Path, decoded: list[int], monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    images_of(pictures)
    monkeypatch.setattr(f"penstroke.data.reading.{place}", "other")
    images_of(pictures)
    assert len(decoded) == 2


def test_the_cache_can_be_switched_off(pictures: Path, decoded: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTROKE_NO_CACHE", "1")
    images_of(pictures)
    images_of(pictures)
    assert len(decoded) == 2
    assert entries() == []


def test_few_pictures_are_not_cached(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_cache, "MIN_PICTURES", 2 * COUNT + 1)
    assert not load(pictures).train.mapped
    assert entries() == []


def test_pictures_that_have_just_changed_are_not_cached(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_states, "SETTLED", 3600.0)
    images_of(pictures)
    assert entries() == []


def test_a_folder_that_is_not_writable_is_a_note(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = pictures.parent / "file"
    blocked.write_text("")
    monkeypatch.setenv("PENSTROKE_DATA", str(blocked))
    notes = load(pictures).notes
    assert any("the decoded pictures are not cached" in note and str(blocked) in note for note in notes)


def test_the_oldest_entries_are_removed(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images_of(pictures)
    images_of(pictures, size=(5, 5))
    first, second = sorted(entries(), key=lambda path: path.stat().st_mtime_ns)
    os.utime(first, (1, 1))
    left = first.with_name(f".{first.name}.1{PARTIAL}")
    left.write_text("")
    os.utime(left, (1, 1))
    monkeypatch.setattr(picture_cache, "MAX_BYTES", 2 * second.stat().st_size + 100)
    images_of(pictures, size=(4, 4))
    assert second in entries()
    assert first not in entries()
    assert len(list(first.parent.iterdir())) == 4


# ---- sets larger than memory


def test_large_sets_are_mapped(pictures: Path, decoded: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_cache, "MAPPED_FROM", 1)
    monkeypatch.setattr(reading, "MAPPED_FROM", 1)
    save(pictures / "a" / "0.bmp", 7)
    (pictures / "b" / "0.bmp").write_bytes(b"")
    for _ in range(2):
        data = load(pictures, skip_broken=True)
        assert data.train.mapped
        assert data.test.mapped
        assert len(data.train) + len(data.test) == 2 * COUNT - 1
        assert 7 in data.train.images or 7 in data.test.images
        assert list(data.broken) == [pictures / "b" / "0.bmp"]
    assert decoded == [2 * COUNT]
    with pytest.raises(DataError, match="1 of 12 pictures cannot be read"):
        load(pictures)
    assert decoded == [2 * COUNT]  # the cache has the broken pictures, too


def test_large_sets_without_a_cache_need_memory(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAPPED_FROM", 1)
    monkeypatch.setenv("PENSTROKE_DATA", os.devnull)
    data = load(pictures)
    assert not data.train.mapped
    assert "not cached" in data.notes[0]
    monkeypatch.setattr(reading, "available_memory", lambda: 100)
    with pytest.raises(StorageError, match="cannot hold") as caught:
        load(pictures)
    assert "--size" in str(caught.value.remedy)


# ---- changes while the pictures are read


@pytest.mark.parametrize("change", ["changed", "removed", "new"])
@pytest.mark.parametrize("mapped_from", [1 << 30, 1])
def test_a_folder_that_changes_is_named(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, change: str, mapped_from: int
) -> None:
    monkeypatch.setattr(reading, "MAPPED_FROM", mapped_from)
    picture = pictures / "a" / ("9.bmp" if change == "new" else "3.bmp")

    def progress(*_: object) -> None:
        if change == "removed":
            picture.unlink(missing_ok=True)
        else:
            save(picture, 77)

    with pytest.raises(DataError, match=rf"changed while it was read: a/{picture.name} \({change}\)") as caught:
        load(pictures, progress=progress)
    assert "Wait" in str(caught.value.remedy)
    assert entries() == []


def test_a_picture_that_is_removed_before_it_is_read_is_a_change(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def removing(paths: Any) -> Any:
        found = pixels.picture_sizes(paths)
        (pictures / "b" / "1.bmp").unlink()
        return found

    monkeypatch.setattr(reading, "picture_sizes", removing)
    with pytest.raises(DataError, match=r"b/1.bmp \(removed\)"):
        load(pictures)
