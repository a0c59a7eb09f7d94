"""The IDX format of MNIST: a header (magic, type, big-endian sizes), then the values, gzipped or plain.

Source of the format: http://yann.lecun.com/exdb/mnist/. Every header is taken for hostile until its promise
has been weighed against the bytes that are really there; only then is memory asked for. This file knows no datasets.
"""

import gzip
import io
import math
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from penstroke.errors import DataError
from penstroke.storage import replacing
from penstroke.untrusted import open_plain, reason

MAX_BYTES = 4 << 30
_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_CODES = {np.dtype(text).newbyteorder("="): code for code, text in _TYPES.items()}
_GZIP = b"\x1f\x8b"
_DEFLATE_RATIO = 1032  # deflate cannot shrink anything further than this: https://zlib.net/zlib_tech.html
_MAX_RANK = 64  # numpy's own
_CHUNK = 1 << 16  # bytes
_REMEDY = "Fetch or copy the file again."

Array = np.ndarray[Any, np.dtype[Any]]


def read_idx(source: Path | bytes, *, max_bytes: int = MAX_BYTES, map_above: int | None = None) -> Array:
    """Read an IDX file, gzipped or plain (told apart by content, not by name).

    Args:
        source: a path, or the bytes of such a file.
        max_bytes: the most bytes that the values may take in memory.
        map_above: a plain file with more bytes of values is mapped (copy-on-write), not read; None maps none.

    Returns:
        A writable array of any rank, of dtype uint8, int8, int16, int32, float32 or float64; in native byte
        order, but big-endian where values of several bytes are mapped.

    Raises:
        DataError: it is missing, unreadable, cut, too long, too large, or no IDX file.
    """
    name = "The IDX data" if isinstance(source, bytes) else str(source)
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else open_plain(source) as raw:
            return _read(raw, name, max_bytes, map_above if isinstance(source, Path) else None)
    except zlib.error as fault:
        raise DataError(f"{name} is a damaged gzip file: its packed bytes make no sense.", _REMEDY) from fault
    except EOFError as fault:
        raise DataError(f"{name} is a damaged gzip file: {fault}.", _REMEDY) from fault
    except OSError as fault:
        raise DataError(f"{name} cannot be read: {reason(fault)}.", "Check the path and its permissions.") from fault


class _Unzipped(io.RawIOBase):
    """The unpacked bytes of a gzip file of one member, which is what all writers of IDX files make.

    ``gzip.GzipFile`` goes through a long name, or a million empty members, in a loop of Python's: minutes for a file
    of some hundred megabytes. Here zlib does all of it.
    """

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._inflate = zlib.decompressobj(wbits=31)

    def readable(self) -> bool:
        """Return that it is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` from its start and return how many bytes came, 0 at the end."""
        while not self._inflate.eof:
            packed = self._inflate.unconsumed_tail or self._raw.read(_CHUNK)
            came = self._inflate.decompress(packed, min(len(buffer), 16 * _CHUNK))
            if came:
                buffer[: len(came)] = came
                return len(came)
            if not packed and not self._inflate.eof:
                raise EOFError("it is cut")
        if self._inflate.unused_data or self._raw.read(1):
            raise EOFError("bytes follow its end")
        return 0


def _read(raw: BinaryIO, name: str, max_bytes: int, map_above: int | None) -> Array:
    packed = raw.seek(0, io.SEEK_END)
    raw.seek(0)
    zipped = raw.read(2) == _GZIP
    raw.seek(0)
    stream = io.BufferedReader(_Unzipped(raw)) if zipped else raw
    dtype, shape = _read_header(stream, name)
    start = 4 + 4 * len(shape)
    promised = math.prod(shape) * dtype.itemsize
    mapped = map_above is not None and not zipped and promised > map_above
    # A size of 0 must not hide another of 4 billion, which numpy could not hold either.
    if math.prod(max(size, 1) for size in shape) * dtype.itemsize > max_bytes and not mapped:
        sizes = " x ".join(map(str, shape))
        raise DataError(f"{name} promises {sizes} values: more than the limit of {max_bytes} bytes.", _REMEDY)
    present = packed * _DEFLATE_RATIO if zipped else packed - start
    if promised > present:
        raise _cut(name, promised, f"{packed} gzipped bytes are" if zipped else f"{present} are")
    if mapped and promised == present:
        return np.memmap(name, dtype=dtype, mode="c", offset=start, shape=shape)
    return _read_values(stream, name, dtype, shape, promised)


def _read_header(stream: BinaryIO, name: str) -> tuple[np.dtype[Any], tuple[int, ...]]:
    magic = stream.read(4)
    if len(magic) < 4:
        raise DataError(f"{name} is cut or empty: a header has at least 8 bytes, {len(magic)} came.", _REMEDY)
    if magic[:2] != b"\0\0" or magic[2] not in _TYPES or not 1 <= magic[3] <= _MAX_RANK:
        rule = f"0000, a type (08, 09, 0b, 0c, 0d or 0e) and a rank (01 to {_MAX_RANK:x})"
        raise DataError(f"{name} is no IDX file: it begins with {magic.hex()}, not with {rule}.", _REMEDY)
    sizes = stream.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise _cut(name, 4 * magic[3], f"{len(sizes)} of its sizes are")
    return np.dtype(_TYPES[magic[2]]), struct.unpack(f">{magic[3]}I", sizes)


def _read_values(stream: BinaryIO, name: str, dtype: np.dtype[Any], shape: tuple[int, ...], promised: int) -> Array:
    values = np.empty(promised, np.uint8)
    view, filled = values.data, 0
    while filled < promised and (count := stream.readinto(view[filled:])):  # type: ignore[attr-defined]
        filled += count
    if filled < promised:
        raise _cut(name, promised, f"{filled} are")
    if stream.read(1):
        raise DataError(f"{name} has bytes after the {promised} that its header promises.", _REMEDY)
    return values.view(dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _cut(name: str, promised: int, present: str) -> DataError:
    return DataError(f"{name} is cut: its header promises {promised} bytes, {present} there.", _REMEDY)


def write_idx(path: Path, array: Array) -> None:
    """Write ``array`` as an IDX file, whole or not at all; gzipped, undated, if ``path`` ends in ``.gz``.

    Args:
        path: where to.
        array: rank 1 to 64, of dtype uint8, int8, int16, int32, float32 or float64.

    Raises:
        DataError: the format cannot hold this array.
        StorageError: it cannot be written.
    """
    code = _CODES.get(array.dtype.newbyteorder("="))
    if code is None:
        known = ", ".join(str(dtype) for dtype in _CODES)
        raise DataError(f"IDX cannot hold values of {array.dtype}.", f"Convert them to one of {known}.")
    if not 1 <= array.ndim <= _MAX_RANK or max(array.shape) >= 1 << 32:
        rule = f"its rank must be 1 to {_MAX_RANK}, its sizes below 4294967296"
        raise DataError(f"IDX cannot hold the shape {array.shape}: {rule}.", "Reshape it.")
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    values = np.ascontiguousarray(array, dtype=_TYPES[code]).tobytes()
    with replacing(path) as file:
        if path.suffix == ".gz":
            with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
                packed.write(header + values)
        else:
            file.write(header + values)
