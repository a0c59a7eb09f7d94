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

from penstroke.data.catalog import card
from penstroke.data.fetch import obtain, present
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
def test_what_is_written_is_read(tmp_path: Path, array: Any, suffix: str, map_above: Any) -> None:
    path = tmp_path / f"any-idx{suffix}"
    write_idx(path, array)
    came = read_idx(path, map_above=map_above)
    assert came.shape == array.shape
    assert came.dtype.newbyteorder("=") == array.dtype
    np.testing.assert_array_equal(came, array)
    assert map_above == 0 or came.dtype.isnative
    assert came.flags.writeable


def test_the_bytes_are_those_of_the_format() -> None:
    np.testing.assert_array_equal(read_idx(SMALL), [[1, 2, 3], [4, 5, 6]])
    shorts = bytes([0, 0, 11, 1, 0, 0, 0, 2, 1, 0, 0xFF, 0xFF])
    np.testing.assert_array_equal(read_idx(shorts), [256, -1])


def test_gzip_is_told_by_content_and_written_without_a_date(tmp_path: Path) -> None:
    path = tmp_path / "named-like-plain"
    path.write_bytes(gzip.compress(SMALL))
    assert read_idx(path).sum() == 21
    write_idx(tmp_path / "a.gz", read_idx(SMALL))
    assert (tmp_path / "a.gz").read_bytes()[4:8] == bytes(4)
    assert gzip.decompress((tmp_path / "a.gz").read_bytes()) == SMALL


def test_a_plain_file_can_be_mapped_and_is_not_changed_through_the_map(tmp_path: Path) -> None:
    path = tmp_path / "plain"
    path.write_bytes(SMALL)
    mapped = read_idx(path, map_above=0)
    assert isinstance(mapped, np.memmap)
    mapped[:] = 0
    assert path.read_bytes() == SMALL


FAULTS = {
    "empty": (b"", "cut or empty"),
    "three bytes": (SMALL[:3], "cut or empty"),
    "no sizes": (SMALL[:6], "is cut: its header promises 8 bytes, 2 of its sizes are there"),
    "cut": (SMALL[:-1], "is cut: its header promises 6 bytes, 5 are there"),
    "trailing": (SMALL + b"\0", "after the 6"),
    "zipped cut": (gzip.compress(SMALL)[:-9], "damaged gzip"),
    "zipped short": (gzip.compress(SMALL[:-1]), "is cut: its header promises 6 bytes, 5 are there"),
    "zipped trailing": (gzip.compress(SMALL + b"\0"), "after the 6"),
    "garbage after gzip": (gzip.compress(SMALL) + b"garbage", "damaged gzip"),
    "wrong checksum": (gzip.compress(SMALL)[:-8] + bytes(8), "damaged gzip"),
    "HTML": (b"<!DOCTYPE html><html>no such file</html>", "no IDX file: it begins with 3c21444f"),
    "unknown type": (b"\0\0\x0a\x01" + bytes(4), "no IDX file"),
    "rank 0": (b"\0\0\x08\0\0\0\0\0", "no IDX file"),
    "rank 65": (b"\0\0\x08\x41" + bytes(4 * 65), "no IDX file"),
    "huge": (struct.pack(">4B3I", 0, 0, 14, 3, *[0xFFFFFFFF] * 3), "more than the limit|is cut"),
    "huge beside nothing": (struct.pack(">4B3I", 0, 0, 8, 3, 0, *[0xFFFFFFFF] * 2), "more than the limit"),
    "large promise": (struct.pack(">4B2I", 0, 0, 8, 2, 60_000, 60_000), "is cut"),
}


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(("content", "said"), FAULTS.values(), ids=FAULTS)
def test_a_bad_file_is_named_with_its_fault(tmp_path: Path, content: bytes, said: str, suffix: str) -> None:
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(content)
    for source in (path, content):
        for map_above in (None, 0):
            with pytest.raises(DataError, match=said) as caught:
                read_idx(source, map_above=map_above)
            assert caught.value.remedy
    with pytest.raises(DataError, match="bad"):
        read_idx(path)


def test_missing_folder_and_forbidden_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"missing.* cannot be read: No such file"):
        read_idx(tmp_path / "missing")
    with pytest.raises(DataError, match=r"cannot be read: it is a folder"):
        read_idx(tmp_path)


def test_the_limit_can_be_set() -> None:
    assert read_idx(SMALL, max_bytes=6).size == 6
    with pytest.raises(DataError, match="2 x 3 values: more than the limit of 5 bytes"):
        read_idx(SMALL, max_bytes=5)


def peak(call: Any) -> int:
    tracemalloc.start()
    with pytest.raises(DataError):
        call()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


def test_hostile_files_take_no_memory() -> None:
    bomb = gzip.compress(SMALL + bytes(64 << 20))
    promise = struct.pack(">4B2I", 0, 0, 8, 2, 60_000, 60_000)
    assert len(bomb) < 100_000
    assert peak(lambda: read_idx(bomb)) < 1 << 20
    assert peak(lambda: read_idx(promise)) < 1 << 20
    assert peak(lambda: read_idx(gzip.compress(promise))) < 1 << 20


@settings(max_examples=200, deadline=None)
@given(data=st.data(), zipped=st.booleans())
def test_mutated_bytes_raise_nothing_but_data_errors(data: Any, zipped: Any) -> None:
    content = bytearray(gzip.compress(SMALL) if zipped else SMALL)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    for source in (bytes(content), bytes(content[:cut])):
        with suppress(DataError):
            assert read_idx(source, max_bytes=1 << 20).nbytes <= 1 << 20


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros(3, np.int64), "values of int64"),
        (np.zeros(3, bool), "values of bool"),
        (np.zeros((), np.uint8), "the shape"),
    ],
)
def test_what_the_format_cannot_hold_is_refused(tmp_path: Path, array: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        write_idx(tmp_path / "a", array)
    assert not list(tmp_path.iterdir())


NAMES = ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz")


@pytest.mark.skipif(not all(present(card("mnist"), name) for name in NAMES), reason="needs the real MNIST")
def test_the_real_mnist() -> None:
    images, labels = (read_idx(path) for path in obtain(card("mnist"), NAMES).values())
    assert images.shape == (10_000, 28, 28)
    assert images.dtype == np.uint8
    assert np.bincount(labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
