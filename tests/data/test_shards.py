"""Shards: the same images as their source, verified; damaged, missing and foreign shards are named."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penstroke.data import Dataset, absolute_source, fingerprint, load
from penstroke.data.corrections import Corrections
from penstroke.data.mapped import MappedImages
from penstroke.data.shard_file import GROUP, open_shard
from penstroke.data.shards import shard_paths, write_shards
from penstroke.errors import DataError, MissingExtraError, UsageError

COLOUR = np.random.default_rng(0).integers(0, 256, (50, 3, 6, 5), np.uint8)
LABELS = np.arange(50) % 3


def colour() -> Dataset:
    """Return 30 training, 12 validation and 8 test images in colour."""
    return Dataset.from_arrays(
        COLOUR[:30], LABELS[:30], validation=(COLOUR[30:42], LABELS[30:42]), test=(COLOUR[42:], LABELS[42:]),
        classes=["red", "grün", "b,l"], name="colours", preprocessing="crop",
    )  # fmt: skip


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Return a folder with three shards of training, two of validation and one of test images."""
    write_shards(colour(), tmp_path / "shards", 10 * 90)
    return tmp_path / "shards"


def test_shards_have_all_that_the_dataset_has(shards: Path) -> None:
    expected, found = colour(), load(shards)
    assert sorted(path.name for path in shards.iterdir()) == [
        "test-00000-of-00001.parquet",
        *(f"train-{number:05}-of-00003.parquet" for number in range(3)),
        *(f"validation-{number:05}-of-00002.parquet" for number in range(2)),
    ]
    assert expected.validation
    assert found.validation
    pairs = ((found.train, expected.train), (found.validation, expected.validation), (found.test, expected.test))
    for part, known in pairs:
        assert fingerprint(part) == fingerprint(known)
        np.testing.assert_array_equal(part.images, known.images)
        assert part.images.flags.writeable
        assert (part.name, part.mapped, part.files) == (known.name, False, None)
    assert (found.card.name, found.card.preprocessing) == ("colours", "crop")
    assert found.card.classes == ("red", "grün", "b,l")
    assert absolute_source(found) == str(shards)
    assert load(shards, size=(10, 12)).train.images.shape == (30, 3, 12, 10)


def test_names_of_files_are_kept(tmp_path: Path) -> None:
    data = colour()
    names = tuple(f"{number}.png" for number in range(30))
    data.train = replace(data.train, files=names)
    write_shards(data, tmp_path, 10 * 90)
    assert load(tmp_path).train.files == names


def test_other_programs_read_them(shards: Path) -> None:
    table = pq.read_table(shards / "train-00001-of-00003.parquet")
    assert table.schema.names == ["image", "label"]
    images = np.stack([np.frombuffer(value, np.uint8) for value in table["image"].to_pylist()])
    np.testing.assert_array_equal(images.reshape(-1, 3, 6, 5), COLOUR[10:20])
    assert table["label"].to_pylist() == LABELS[10:20].tolist()


def test_the_images_of_large_sets_are_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.arange(10_000 * 4, dtype=np.uint32).astype(np.uint8).reshape(-1, 1, 2, 2)
    data = Dataset.from_arrays(images, np.arange(10_000) % 2, test=(images[:5], np.arange(5) % 2))
    write_shards(data, tmp_path, 4 * 9000)
    assert len(open_shard(tmp_path / "train-00000-of-00002.parquet").groups) == -(-9000 // GROUP) == 3
    assert not load(tmp_path).train.mapped
    monkeypatch.setattr("penstroke.data.shards.MAPPED_FROM", 40_000)
    found = load(tmp_path)
    assert isinstance(found.train.images, MappedImages)
    np.testing.assert_array_equal(np.asarray(found.train.images), images)
    assert not found.test.mapped
    # Images that were mapped when they were written are mapped: their order in training is another one.
    write_shards(found, tmp_path / "again", 4 * 3000)
    monkeypatch.undo()
    again = load(tmp_path / "again").train
    assert again.mapped
    np.testing.assert_array_equal(again.images[:], images)


def test_the_same_command_continues_and_writes_the_same_bytes(shards: Path) -> None:
    before = {path: path.read_bytes() for path in shards.iterdir()}
    first, second = list(before)[:2]
    first.unlink()
    second.write_bytes(second.read_bytes()[:200])
    done: list[tuple[int, int]] = []
    assert write_shards(colour(), shards, 10 * 90, lambda *numbers: done.append(numbers)) == sorted(
        before, key=lambda path: (("train", "valid", "test-").index(path.name[:5]), path.name)
    )
    assert done == [(number, 6) for number in range(1, 7)]
    assert {path: path.read_bytes() for path in shards.iterdir()} == before


def test_a_folder_with_something_else_is_not_written(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="shards of another dataset, or of another size"):
        write_shards(colour(), shards, 15 * 90)
    (shards / "notes.txt").touch()
    with pytest.raises(DataError, match=r"is not empty: it has notes\.txt"):
        write_shards(colour(), shards, 10 * 90)
    (shards / "notes.txt").unlink()
    data = colour()
    data.train.images[0] += 1
    with pytest.raises(DataError, match="shards of another dataset"):
        write_shards(data, shards, 10 * 90)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="Not a directory"):
        write_shards(colour(), tmp_path / "file")
    data.corrections = Corrections(data.train, "/folder", "folder", {})
    with pytest.raises(UsageError, match="has corrections"):
        write_shards(data, tmp_path / "new")


@pytest.mark.parametrize("position", [4, 30, 100, 400, 900, 950, 1200, -5, -20, -300, -700])
def test_a_changed_byte_is_found(position: int, shards: Path) -> None:
    path = shards / "train-00001-of-00003.parquet"
    content = bytearray(path.read_bytes())
    content[position] ^= 0x55
    path.write_bytes(content)
    try:
        found = load(shards)
    except DataError as error:
        assert "train-00001-of-00003.parquet is damaged" in error.message  # noqa: PT017 - bytes that nothing depends on
        assert "penstroke data shard" in error.remedy  # noqa: PT017
    else:
        np.testing.assert_array_equal(found.train.images, COLOUR[:30])
        np.testing.assert_array_equal(found.train.labels, LABELS[:30])


def test_every_changed_image_or_label_is_found(shards: Path) -> None:
    path = shards / "test-00000-of-00001.parquet"
    whole = path.read_bytes()
    start = whole.index(COLOUR[42].tobytes())
    for position in range(start, start + 8 * 90, 37):
        content = bytearray(whole)
        content[position] ^= 1
        path.write_bytes(content)
        data = load(shards)
        with pytest.raises(DataError, match=r"test-00000-of-00001\.parquet is damaged: its content"):
            _ = data.test


@pytest.mark.parametrize("length", [0, 3, 200, 1500, -1])
def test_a_truncated_shard_is_named(length: int, shards: Path) -> None:
    path = shards / "train-00002-of-00003.parquet"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DataError, match=r"train-00002-of-00003\.parquet is damaged"):
        load(shards)


def test_several_damaged_shards_are_counted(shards: Path) -> None:
    for number in (0, 2):
        (shards / f"train-0000{number}-of-00003.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"train-00000-of-00003.parquet is damaged: .* 1 more of 3 shards"):
        load(shards)


def test_missing_shards_are_named(shards: Path) -> None:
    (shards / "test-00000-of-00001.parquet").unlink()
    with pytest.raises(DataError, match=r"lacks the shards test-00000-of-00001\.parquet"):
        load(shards)
    (shards / "train-00001-of-00003.parquet").unlink()
    with pytest.raises(DataError, match=r"lacks the shards train-00001-of-00003\.parquet"):
        load(shards)
    for path in shards.glob("train*"):
        path.unlink()
    with pytest.raises(DataError, match="has no shards of train"):
        load(shards)


def test_shards_of_another_dataset_are_named(shards: Path, tmp_path: Path) -> None:
    other = colour()
    other.train.images[3] += 1
    write_shards(other, tmp_path / "other", 10 * 90)
    shutil.copy(tmp_path / "other/train-00002-of-00003.parquet", shards)
    with pytest.raises(DataError, match=r"train-00002-of-00003.parquet belongs to another dataset"):
        load(shards)
    shutil.copy(shards / "train-00001-of-00003.parquet", shards / "train-00002-of-00003.parquet")
    with pytest.raises(DataError, match=r"train-00002-of-00003.parquet belongs to another dataset"):
        load(shards)
    shutil.copy(shards / "train-00001-of-00003.parquet", shards / "train-00002-of-00004.parquet")
    with pytest.raises(DataError, match="two divisions"):
        shard_paths(shards)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, "SHA-256"),
        ({"format": 2}, "another format"),
        ({"image_shape": [2, 6, 5]}, "shape"),
        ({"image_shape": [3, 6, 5000]}, "shape"),
        ({"image_shape": [3, 6, 6]}, "SHA-256"),
        ({"image_shape": [3, 60, 60]}, "compressed or encoded"),
        ({"image_shape": "abc"}, "invalid literal"),
        ({"classes": ["red"]}, "label"),
        ({"classes": []}, "0 classes"),
        ({"more": 1}, "footer"),
    ],
)
def test_a_footer_that_is_not_that_of_a_shard(change: dict[str, Any], message: str, shards: Path) -> None:
    path = shards / "train-00001-of-00003.parquet"
    table = pq.read_table(path)
    about = json.loads(table.schema.metadata[b"penstroke"]) | {"sha256": "0" * 64} | change
    fields = [field.with_nullable(False) for field in table.schema]
    schema = pa.schema(fields, {b"penstroke": json.dumps(about).encode()})
    pq.write_table(table.cast(schema), path, compression="none", use_dictionary=False)
    with pytest.raises(DataError, match=rf"train-00001-of-00003\.parquet is damaged: .*({message})"):
        load(shards)


def test_a_parquet_file_of_another_program_is_not_a_shard(shards: Path) -> None:
    path = shards / "train-00001-of-00003.parquet"
    table = pq.read_table(path)
    pq.write_table(table, path)  # compressed
    with pytest.raises(DataError, match="compressed or encoded"):
        open_shard(path)
    pq.write_table(table.replace_schema_metadata({}), path)
    with pytest.raises(DataError, match="footer is not that of a shard"):
        open_shard(path)
    pq.write_table(table.drop_columns("label"), path)
    with pytest.raises(DataError, match="footer is not that of a shard"):
        open_shard(path)
    with pytest.raises(DataError, match="cannot be read: it is a folder"):
        open_shard(shards)


def test_a_missing_extra_is_named(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtraError, match="pyarrow"):
        load(shards)
