"""Arrays of images: which files are arrays, which are mapped, and the errors of the others."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from penstroke.data import Dataset
from penstroke.data.idx import write_idx
from penstroke.data.shards import write_shards
from penstroke.errors import DataError
from penstroke.scale import ImageArray, open_array
from penstroke.scale.inputs import is_array_file, map_images, shards_in

GREY, COLOUR = (1, 5, 4), (3, 5, 4)


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, 5, 4), np.uint8)


def test_idx_and_npy_files_are_mapped(images: np.ndarray, tmp_path: Path) -> None:
    write_idx(tmp_path / "images-idx3-ubyte", images)
    np.save(tmp_path / "images.npy", images)
    for name in ("images-idx3-ubyte", "images.npy"):
        assert is_array_file(tmp_path / name)
        assert open_array(tmp_path / name, GREY) == ImageArray(tmp_path / name, 6, 20)
        found = map_images(tmp_path / name, GREY)
        assert isinstance(found, np.memmap)
        assert np.array_equal(found, images[:, None])


def test_channels_may_be_first_or_last(tmp_path: Path) -> None:
    colour = np.random.default_rng(0).integers(0, 256, (6, 3, 5, 4), np.uint8)
    np.save(tmp_path / "first.npy", colour)
    np.save(tmp_path / "last.npy", colour.transpose(0, 2, 3, 1))
    for name in ("first.npy", "last.npy"):
        assert np.array_equal(map_images(tmp_path / name, COLOUR), colour)


def test_other_files_are_pictures(tmp_path: Path) -> None:
    for name, content in (("a.png", b"\0\0\x08\x03"), ("b.jpg", b"\x1f\x8b"), ("notes", b"hello"), ("empty", b"")):
        (tmp_path / name).write_bytes(content)
        assert not is_array_file(tmp_path / name)
    assert not is_array_file(tmp_path)
    assert not is_array_file(tmp_path / "missing")


def test_a_gzipped_file_is_rejected_with_the_command_that_decompresses_it(images: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "images-idx3-ubyte.gz"
    write_idx(path, images)
    assert is_array_file(path)
    with pytest.raises(DataError, match=r"is gzipped.*gunzip --keep"):
        open_array(path, GREY)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((6, 5, 5), np.uint8), r"uint8 of shape \[6, 5, 5\]; the model takes uint8 of shape \[n, 5, 4, 1\]"),
        (np.zeros((6, 5, 4), np.float32), "float32 of shape"),
        (np.zeros((0, 5, 4), np.uint8), "has no images|cannot be mapped"),
        (np.array([{}, []], object), "cannot be mapped"),
    ],
)
def test_an_array_that_the_model_does_not_take_is_described(array: np.ndarray, message: str, tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", array, allow_pickle=True)
    with pytest.raises(DataError, match=message):
        open_array(tmp_path / "images.npy", GREY)


def test_damaged_and_missing_files_are_named(images: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "images.npy"
    with pytest.raises(DataError, match=r"images\.npy cannot be read: No such file"):
        open_array(path, GREY)
    np.save(path, images)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"images\.npy cannot be mapped"):
        open_array(path, GREY)
    path.write_bytes(gzip.compress(b"hello"))
    with pytest.raises(DataError, match=r"images\.npy cannot be mapped"):
        open_array(path, GREY)


def test_shards_are_arrays(images: np.ndarray, tmp_path: Path) -> None:
    labels = np.arange(6) % 2
    data = Dataset.from_arrays(images, labels, test=(images[:1], labels[:1]), validation=(images[:2], labels[:2]))
    write_shards(data, tmp_path / "shards", 80)
    first, second, *others = paths = shards_in(tmp_path / "shards")
    assert [path.name[:11] for path in paths] == ["train-00000", "train-00001", "validation-", "test-00000-"]
    assert [path.name for path in others] == ["validation-00000-of-00001.parquet", "test-00000-of-00001.parquet"]
    assert is_array_file(first)
    assert open_array(second, GREY) == ImageArray(second, 2, 20)
    assert np.array_equal(np.asarray(map_images(first, GREY)[1:3]), images[1:3, None])
    with pytest.raises(DataError, match=r"the model takes uint8 of shape \[n, 6, 4, 1\]"):
        open_array(first, (1, 6, 4))
    assert not shards_in(tmp_path)
    assert not shards_in(tmp_path / "missing")
    content = bytearray(first.read_bytes())
    content[content.index(images[1].tobytes())] ^= 1
    first.write_bytes(content)
    assert open_array(first, GREY).images == 4
    with pytest.raises(DataError, match=r"train-00000-of-00002\.parquet is damaged"):
        map_images(first, GREY)
    second.unlink()
    with pytest.raises(DataError, match="lacks the shards train-00001"):
        shards_in(tmp_path / "shards")
