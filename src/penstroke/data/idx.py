"""The IDX format of MNIST: a header (magic, type, big-endian sizes), then the values, gzipped or plain.

Source of the format: http://yann.lecun.com/exdb/mnist/. Headers are not trusted: the size that a header declares is
compared with the bytes that are present before memory is allocated. This module does not depend on datasets.
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
from penstroke.storage.untrusted import open_plain, reason

MAX_BYTES = 4 << 30
_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_CODES = {np.dtype(text).newbyteorder("="): code for code, text in _TYPES.items()}
_GZIP = b"\x1f\x8b"
_DEFLATE_RATIO = 1032  # the highest compression of deflate: https://zlib.net/zlib_tech.html
_MAX_RANK = 64  # NumPy's limit
_CHUNK = 1 << 16  # bytes
_REMEDY = "Download or copy the file again."

Array = np.ndarray[Any, np.dtype[Any]]


def read_idx(source: Path | bytes, *, max_bytes: int = MAX_BYTES, map_above: int | None = None) -> Array:
    """Read an IDX file, gzipped or plain. Gzip is detected from the content, not from the name.

    Args:
        source: a path, or the bytes of a file.
        max_bytes: maximum size of the values in memory, in bytes.
        map_above: a plain file whose values have more bytes is memory-mapped (copy-on-write) instead of read; None
            maps no file.

    Returns:
        A writable array of any rank, of dtype uint8, int8, int16, int32, float32 or float64. The byte order is
        native, except that mapped values of several bytes are big-endian.

    Raises:
        DataError: the file is missing, unreadable, truncated, too long, too large, or not an IDX file.
    """
    name = "The IDX data" if isinstance(source, bytes) else str(source)
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else open_plain(source) as raw:
            return _read(raw, name, max_bytes, map_above if isinstance(source, Path) else None)
    except zlib.error as error:
        raise DataError(f"{name} is a damaged gzip file: its compressed bytes are invalid.", _REMEDY) from error
    except EOFError as error:
        raise DataError(f"{name} is a damaged gzip file: {error}.", _REMEDY) from error
    except OSError as error:
        raise DataError(f"{name} cannot be read: {reason(error)}.", "Check the path and its permissions.") from error


def begins_like_idx(start: bytes) -> bool:
    """Return whether a file that begins with these bytes, at least three, may be an IDX file, plain or gzipped."""
    return is_gzip(start) or (start[:2] == b"\0\0" and start[2:3] != b"" and start[2] in _TYPES)


def is_gzip(start: bytes) -> bool:
    """Return whether a file that begins with these bytes is gzipped."""
    return start[:2] == _GZIP


class _Unzipped(io.RawIOBase):
    """The decompressed bytes of a gzip file of one member. Writers of IDX files write one member.

    ``gzip.GzipFile`` reads a long name, or a million empty members, in a Python loop, which takes minutes for a file
    of some hundred megabytes. Here, zlib reads them.
    """

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._inflate = zlib.decompressobj(wbits=31)

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Write bytes to the start of ``buffer`` and return their number, 0 at the end."""
        while not self._inflate.eof:
            packed = self._inflate.unconsumed_tail or self._raw.read(_CHUNK)
            chunk = self._inflate.decompress(packed, min(len(buffer), 16 * _CHUNK))
            if chunk:
                buffer[: len(chunk)] = chunk
                return len(chunk)
            if not packed and not self._inflate.eof:
                raise EOFError("it is truncated")
        if self._inflate.unused_data or self._raw.read(1):
            raise EOFError("bytes follow its end")
        return 0


def _read(raw: BinaryIO, name: str, max_bytes: int, map_above: int | None) -> Array:
    packed = raw.seek(0, io.SEEK_END)
    raw.seek(0)
    zipped = is_gzip(raw.read(2))
    raw.seek(0)
    stream = io.BufferedReader(_Unzipped(raw)) if zipped else raw
    dtype, shape = _read_header(stream, name)
    start = 4 + 4 * len(shape)
    declared = math.prod(shape) * dtype.itemsize
    mapped = map_above is not None and not zipped and declared > map_above
    # Zeros are counted as ones: with a size of 0, another size of 4 billion would pass, which NumPy does not support.
    if math.prod(max(size, 1) for size in shape) * dtype.itemsize > max_bytes and not mapped:
        sizes = " x ".join(map(str, shape))
        raise DataError(f"{name} declares {sizes} values: more than the limit of {max_bytes} bytes.", _REMEDY)
    present = packed * _DEFLATE_RATIO if zipped else packed - start
    if declared > present:
        raise _truncated(name, declared, f"{packed} gzipped bytes are" if zipped else f"{present} are")
    if mapped and declared == present:
        return np.memmap(name, dtype=dtype, mode="c", offset=start, shape=shape)
    return _read_values(stream, name, dtype, shape, declared)


def _read_header(stream: BinaryIO, name: str) -> tuple[np.dtype[Any], tuple[int, ...]]:
    magic = stream.read(4)
    if len(magic) < 4:
        raise DataError(f"{name} is truncated or empty: a header has at least 8 bytes, it has {len(magic)}.", _REMEDY)
    if magic[:2] != b"\0\0" or magic[2] not in _TYPES or not 1 <= magic[3] <= _MAX_RANK:
        rule = f"0000, a type (08, 09, 0b, 0c, 0d or 0e) and a rank (01 to {_MAX_RANK:x})"
        raise DataError(f"{name} is not an IDX file: it begins with {magic.hex()}, not with {rule}.", _REMEDY)
    sizes = stream.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise _truncated(name, 4 * magic[3], f"{len(sizes)} of its sizes are")
    return np.dtype(_TYPES[magic[2]]), struct.unpack(f">{magic[3]}I", sizes)


def _read_values(stream: BinaryIO, name: str, dtype: np.dtype[Any], shape: tuple[int, ...], declared: int) -> Array:
    values = np.empty(declared, np.uint8)
    view, filled = values.data, 0
    while filled < declared and (count := stream.readinto(view[filled:])):  # type: ignore[attr-defined]
        filled += count
    if filled < declared:
        raise _truncated(name, declared, f"{filled} are")
    if stream.read(1):
        raise DataError(f"{name} has bytes after the {declared} that its header declares.", _REMEDY)
    return values.view(dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _truncated(name: str, declared: int, present: str) -> DataError:
    return DataError(f"{name} is truncated: its header declares {declared} bytes, {present} present.", _REMEDY)


def write_idx(path: Path, array: Array) -> None:
    """Write ``array`` as an IDX file, atomically. It is gzipped, without a date, if ``path`` ends in ``.gz``.

    Args:
        path: the file.
        array: rank 1 to 64, of dtype uint8, int8, int16, int32, float32 or float64.

    Raises:
        DataError: the format does not support the dtype or the shape.
        StorageError: the file cannot be written.
    """
    code = _CODES.get(array.dtype.newbyteorder("="))
    if code is None:
        known = ", ".join(str(dtype) for dtype in _CODES)
        raise DataError(f"IDX does not support the dtype {array.dtype}.", f"Convert the array to one of {known}.")
    if not 1 <= array.ndim <= _MAX_RANK or max(array.shape) >= 1 << 32:
        rule = f"the rank must be 1 to {_MAX_RANK}, each size below 4294967296"
        raise DataError(f"IDX does not support the shape {array.shape}: {rule}.", "Reshape the array.")
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    values = np.ascontiguousarray(array, dtype=_TYPES[code]).tobytes()
    with replacing(path) as file:
        if path.suffix == ".gz":
            with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
                packed.write(header + values)
        else:
            file.write(header + values)
