import gzip
import struct
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from penstroke.data import Dataset
from penstroke.data.idx import read_idx, write_idx
from penstroke.errors import DataError

DTYPES = ("uint8", "int8", "int16", "int32", "float32", "float64")
SMALL = bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6])

arrays = st.sampled_from(DTYPES).flatmap(
    lambda dtype: npst.arrays(dtype, npst.array_shapes(min_dims=1, max_dims=5, min_side=0, max_side=5))
)
on_disk = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@on_disk
@given(array=arrays, suffix=st.sampled_from(["", ".gz"]), map_above=st.sampled_from([None, 0]))
def test_reading_returns_what_was_written(tmp_path: Path, array: Any, suffix: str, map_above: Any) -> None:
    path = tmp_path / f"any-idx{suffix}"
    write_idx(path, array)
    read = read_idx(path, map_above=map_above)
    assert read.shape == array.shape
    assert read.dtype.newbyteorder("=") == array.dtype
    np.testing.assert_array_equal(read, array)
    assert map_above == 0 or read.dtype.isnative
    assert read.flags.writeable


def test_bytes_are_read_as_the_format_specifies() -> None:
    np.testing.assert_array_equal(read_idx(SMALL), [[1, 2, 3], [4, 5, 6]])
    shorts = bytes([0, 0, 11, 1, 0, 0, 0, 2, 1, 0, 0xFF, 0xFF])
    np.testing.assert_array_equal(read_idx(shorts), [256, -1])


def test_gzip_is_recognised_by_content_and_written_without_a_date(tmp_path: Path) -> None:
    path = tmp_path / "name-without-gz"
    path.write_bytes(gzip.compress(SMALL))
    assert read_idx(path).sum() == 21
    write_idx(tmp_path / "a.gz", read_idx(SMALL))
    assert (tmp_path / "a.gz").read_bytes()[4:8] == bytes(4)
    assert gzip.decompress((tmp_path / "a.gz").read_bytes()) == SMALL


def test_a_plain_file_can_be_mapped_and_is_not_changed_through_the_array(tmp_path: Path) -> None:
    path = tmp_path / "plain"
    path.write_bytes(SMALL)
    mapped = read_idx(path, map_above=0)
    assert isinstance(mapped, np.memmap)
    mapped[:] = 0
    assert path.read_bytes() == SMALL


INVALID = {
    "empty": (b"", "truncated or empty"),
    "three bytes": (SMALL[:3], "truncated or empty"),
    "no sizes": (SMALL[:6], "is truncated: its header declares 8 bytes, 2 of its sizes are present"),
    "truncated": (SMALL[:-1], "is truncated: its header declares 6 bytes, 5 are present"),
    "trailing": (SMALL + b"\0", "after the 6"),
    "zipped truncated": (gzip.compress(SMALL)[:-9], "damaged gzip"),
    "zipped short": (gzip.compress(SMALL[:-1]), "is truncated: its header declares 6 bytes, 5 are present"),
    "zipped trailing": (gzip.compress(SMALL + b"\0"), "after the 6"),
    "garbage after gzip": (gzip.compress(SMALL) + b"garbage", "damaged gzip"),
    "wrong checksum": (gzip.compress(SMALL)[:-8] + bytes(8), "damaged gzip"),
    "HTML": (b"<!DOCTYPE html><html>no such file</html>", "not an IDX file: it begins with 3c21444f"),
    "unknown type": (b"\0\0\x0a\x01" + bytes(4), "not an IDX file"),
    "rank 0": (b"\0\0\x08\0\0\0\0\0", "not an IDX file"),
    "rank 65": (b"\0\0\x08\x41" + bytes(4 * 65), "not an IDX file"),
    "huge": (struct.pack(">4B3I", 0, 0, 14, 3, *[0xFFFFFFFF] * 3), "more than the limit|is truncated"),
    "huge beside nothing": (struct.pack(">4B3I", 0, 0, 8, 3, 0, *[0xFFFFFFFF] * 2), "more than the limit"),
    "large declared size": (struct.pack(">4B2I", 0, 0, 8, 2, 60_000, 60_000), "is truncated"),
}


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(("content", "reason"), INVALID.values(), ids=INVALID)
def test_an_invalid_file_is_reported_with_the_reason(tmp_path: Path, content: bytes, reason: str, suffix: str) -> None:
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(content)
    for source in (path, content):
        for map_above in (None, 0):
            with pytest.raises(DataError, match=reason) as caught:
                read_idx(source, map_above=map_above)
            assert caught.value.remedy
    with pytest.raises(DataError, match="bad"):
        read_idx(path)


def test_a_missing_file_and_a_folder_are_reported(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"missing.* cannot be read: No such file"):
        read_idx(tmp_path / "missing")
    with pytest.raises(DataError, match=r"cannot be read: it is a folder"):
        read_idx(tmp_path)


def test_the_limit_of_bytes_can_be_set() -> None:
    assert read_idx(SMALL, max_bytes=6).size == 6
    with pytest.raises(DataError, match="2 x 3 values: more than the limit of 5 bytes"):
        read_idx(SMALL, max_bytes=5)


def peak_memory(call: Any) -> int:
    tracemalloc.start()
    with pytest.raises(DataError):
        call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_invalid_files_do_not_allocate_memory() -> None:
    bomb = gzip.compress(SMALL + bytes(64 << 20))
    declared = struct.pack(">4B2I", 0, 0, 8, 2, 60_000, 60_000)
    assert len(bomb) < 100_000
    assert peak_memory(lambda: read_idx(bomb)) < 1 << 20
    assert peak_memory(lambda: read_idx(declared)) < 1 << 20
    assert peak_memory(lambda: read_idx(gzip.compress(declared))) < 1 << 20


@settings(max_examples=200, deadline=None)
@given(data=st.data(), zipped=st.booleans())
def test_mutated_bytes_raise_data_errors_only(data: Any, zipped: Any) -> None:
    content = bytearray(gzip.compress(SMALL) if zipped else SMALL)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    length = data.draw(st.integers(0, len(content)))
    for source in (bytes(content), bytes(content[:length])):
        with suppress(DataError):
            assert read_idx(source, max_bytes=1 << 20).nbytes <= 1 << 20


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros(3, np.int64), "the dtype int64"),
        (np.zeros(3, bool), "the dtype bool"),
        (np.zeros((), np.uint8), "the shape"),
    ],
)
def test_arrays_that_the_format_does_not_support_are_rejected(tmp_path: Path, array: Any, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        write_idx(tmp_path / "a", array)
    assert not list(tmp_path.iterdir())


def test_mnist_is_read(mnist: Dataset) -> None:
    test = mnist.test
    assert test.images.shape == (10_000, 1, 28, 28)
    assert test.images.dtype == np.uint8
    assert np.bincount(test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
