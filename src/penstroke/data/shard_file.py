"""A shard: a Parquet file with a part of the images of a split, and their labels. Imports PyArrow.

The images are not compressed, so that they are mapped where they are: the bytes of the column ``image`` in a row group
are those of an array. The footer states what the shard is, and the SHA-256 of that and of its content, so that a shard
is verified without its neighbours. This module does not depend on datasets.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Int64, UInt8
from numpy import ndarray

from penstroke import storage
from penstroke.data.arrays import CHANNELS, MAX_CLASSES
from penstroke.data.mapped import MappedImages
from penstroke.errors import DataError
from penstroke.storage.untrusted import MAX_IMAGE_SIDE, open_plain, parse_json, reason

FORMAT = 1
"""Version of the format."""
GROUP = 4096
"""Rows of a row group."""
_KEY = b"penstroke"
_PIECE = 1 << 24
"""Bytes of images that are verified at once."""
_REMEDY = "Copy it again, or write the shards again with `penstroke data shard`."


@dataclass(frozen=True)
class About:
    """What a shard is.

    Args:
        data: identity of the set of shards, hexadecimal.
        split: ``train``, ``validation`` or ``test``.
        number: position among the shards of the split, from 0.
        shards: number of shards of each split.
        name: name of the dataset.
        title: its name in running text.
        classes: class names, in the order of the labels.
        image_shape: channels, height, width.
        preprocessing: see ``DatasetCard``.
        mapped: whether the images were in mapped files when they were written.
    """

    data: str
    split: str
    number: int
    shards: dict[str, int]
    name: str
    title: str
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]
    preprocessing: str
    mapped: bool

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "About":
        """Return what ``to_json`` described.

        Raises:
            KeyError, TypeError, ValueError: the values do not describe a shard.
        """
        if values.pop("format") != FORMAT:
            raise ValueError("it has another format")
        about = cls(**values)
        channels, height, width = shape = tuple(map(int, about.image_shape))
        classes = tuple(map(str, about.classes))
        if channels not in CHANNELS or not 0 < min(height, width) <= max(height, width) <= MAX_IMAGE_SIDE:
            raise ValueError(f"its images have the shape {list(shape)}")
        if not 0 < len(classes) <= MAX_CLASSES:
            raise ValueError(f"it has {len(classes)} classes")
        return cls(**(asdict(about) | {"classes": classes, "image_shape": (channels, height, width)}))


@dataclass(frozen=True, eq=False)
class Shard:
    """A shard whose footer was read; its images are in the mapped file.

    Args:
        path: the file.
        about: what it is.
        sha256: the SHA-256 that its footer states.
        groups: arrays over the mapped file, one for each row group.
        labels: positions in the classes.
        files: the file of each image, if each came from its own file.
    """

    path: Path
    about: About
    sha256: str
    groups: tuple[UInt8[ndarray, "k c h w"], ...]
    labels: Int64[ndarray, "n"]
    files: tuple[str, ...] | None

    @property
    def images(self) -> MappedImages:
        """The images, which are read when they are used."""
        return MappedImages(self.groups)

    def verify(self) -> None:
        """Read the images, and compare the SHA-256.

        Raises:
            DataError: it differs from the one in the footer, so the shard is damaged.
        """
        if _digest(self.about, self.labels, self.files, self._pieces()) != self.sha256:
            raise _damaged(self.path, "its content does not have the SHA-256 in its footer")

    def _pieces(self) -> Iterator[UInt8[ndarray, "k c h w"]]:
        images = self.images
        step = max(1, _PIECE // images[0].nbytes)
        for start in range(0, len(images), step):
            yield images[start : start + step]
            images.release()


def write_shard(
    path: Path,
    about: About,
    images: UInt8[ndarray, "n c h w"],
    labels: Int64[ndarray, "n"],
    files: Sequence[str] | None,
) -> None:
    """Write a shard, completely or not at all. Equal content gives equal bytes.

    Raises:
        StorageError: the file cannot be written.
    """
    images, size = np.ascontiguousarray(images), math.prod(about.image_shape)
    buffers = [None, pa.py_buffer(images)]
    columns = {
        "image": pa.FixedSizeBinaryArray.from_buffers(pa.binary(size), len(images), buffers),
        "label": pa.array(labels, pa.int64()),
    }
    if files is not None:
        columns["file"] = pa.array(list(files), pa.string())
    fields = [pa.field(name, column.type, nullable=False) for name, column in columns.items()]
    known = about.to_json() | {"sha256": _digest(about, labels, files, [images])}
    schema = pa.schema(fields, {_KEY: json.dumps(known).encode()})
    with storage.replacing(path) as file:
        pq.write_table(
            pa.Table.from_arrays(list(columns.values()), schema=schema),
            file,
            row_group_size=GROUP,
            data_page_size=1 << 30,  # one page in a row group, so that its images are contiguous
            compression="none",
            use_dictionary=["label"],
            write_statistics=["label"],
            write_page_checksum=True,
        )


def open_shard(path: Path) -> Shard:
    """Read the footer and the labels of a shard, and map its images.

    Raises:
        DataError: the file is missing, damaged or not a shard.
    """
    try:
        with open_plain(path) as file:
            return _read(path, file)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {reason(error)}.", "Check the path and its permissions.") from error
    except (KeyError, TypeError, AttributeError, StopIteration) as error:
        raise _damaged(path, "its footer is not that of a shard") from error
    except ValueError as error:
        raise _damaged(path, str(error)) from error


def _read(path: Path, file: BinaryIO) -> Shard:
    """Read an open shard.

    Raises:
        KeyError, TypeError, AttributeError, StopIteration, ValueError: it is not a shard, or is damaged.
        OSError: it cannot be read.
    """
    try:
        parquet = pq.ParquetFile(file)
        columns = [name for name in ("label", "file") if name in parquet.schema_arrow.names]
        table = parquet.read(columns=columns)
    except (OSError, pa.ArrowException) as error:
        if getattr(error, "errno", None):
            raise
        raise ValueError("it is not a complete Parquet file") from error
    known = parse_json((parquet.metadata.metadata or {})[_KEY])
    sha256 = str(known.pop("sha256"))
    about = About.from_json(known)
    labels = table["label"].to_numpy().astype(np.int64)
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(about.classes):
        raise ValueError("it has a label that is not one of its classes")
    files = tuple(map(str, table["file"].to_pylist())) if "file" in columns else None
    return Shard(path, about, sha256, _groups(path, parquet.metadata, about.image_shape), labels, files)


def _groups(path: Path, footer: Any, shape: tuple[int, int, int]) -> tuple[UInt8[ndarray, "k c h w"], ...]:
    """Map the images of each row group.

    Raises:
        ValueError: the images are not stored as bytes without compression, or are not in the file.
    """
    content = np.memmap(path, np.uint8, "c")  # copy-on-write: PyTorch does not support read-only memory
    found = []
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        column = next(
            column for column in map(group.column, range(group.num_columns)) if column.path_in_schema == "image"
        )
        size = group.num_rows * math.prod(shape)
        plain = column.compression == "UNCOMPRESSED" and not column.has_dictionary_page
        # One page: a header, whose length the footer does not state, then the bytes of all images.
        start = column.data_page_offset + column.total_compressed_size - size
        if column.physical_type != "FIXED_LEN_BYTE_ARRAY" or not plain or not column.data_page_offset < start:
            raise ValueError("its images are compressed or encoded")
        if start + size > len(content):
            raise ValueError("it is truncated")
        found.append(np.asarray(content[start : start + size]).reshape(group.num_rows, *shape))
    if not found:
        raise ValueError("it has no images")
    return tuple(found)


def _digest(about: About, labels: Int64[ndarray, "n"], files: Sequence[str] | None, images: Any) -> str:
    """Return the SHA-256 (hexadecimal) of what a shard is, of its labels and files, and of pieces of its images."""
    digest = hashlib.sha256(json.dumps([about.to_json(), files and list(files)], sort_keys=True).encode())
    digest.update(np.ascontiguousarray(labels, "<i8").data)
    for piece in images:
        digest.update(np.ascontiguousarray(piece).data)
    return digest.hexdigest()


def _damaged(path: Path, why: str) -> DataError:
    return DataError(f"The shard {path} is damaged: {why}.", _REMEDY)
