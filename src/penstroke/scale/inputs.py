"""What is predicted: picture files, and arrays of images in files that are mapped, not read into memory.

An array is an IDX file, a ``.npy`` file, or a shard that ``penstroke data shard`` wrote.
"""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from penstroke.data.idx import begins_like_idx, is_gzip, read_idx
from penstroke.data.listing import SUFFIXES
from penstroke.data.mapped import MappedImages
from penstroke.data.shards import shard_paths
from penstroke.errors import DataError
from penstroke.storage.untrusted import open_plain, reason

NPY, SHARD = ".npy", ".parquet"


@dataclass(frozen=True)
class Pictures:
    """Picture files, which are prepared for the model.

    Args:
        paths: the files, in the order of the rows.
    """

    paths: tuple[Path, ...]


@dataclass(frozen=True)
class ImageArray:
    """A file with an array of images that need no preparation.

    Args:
        path: an IDX file, a ``.npy`` file or a shard.
        images: number of images.
        image_bytes: bytes of one image.
    """

    path: Path
    images: int
    image_bytes: int


Input: TypeAlias = Pictures | ImageArray


def is_array_file(path: Path) -> bool:
    """Return whether a path names an array of images.

    It does if it ends in ``.npy`` or ``.parquet``, or if its content begins like an IDX file.
    """
    suffix = path.suffix.lower()
    if suffix in (NPY, SHARD):
        return True
    if suffix in SUFFIXES:
        return False
    with suppress(OSError), open_plain(path) as file:
        return begins_like_idx(file.read(3))
    return False


def shards_in(path: Path) -> list[Path]:
    """Return the shards of a folder of shards, in the order of training, validation and test; empty for another path.

    Raises:
        DataError: a shard is missing.
    """
    with suppress(OSError):
        found = shard_paths(path)
        return [shard for split in ("train", "validation", "test") for shard in found.get(split, ())]
    return []


def open_array(path: Path, image_shape: tuple[int, int, int]) -> ImageArray:
    """Return the description of a file of images.

    Raises:
        DataError: see ``map_images``; also if there are no images.
    """
    images = map_images(path, image_shape, verify=False)
    if not len(images):
        raise DataError(f"{path} has no images.", "Omit it.")
    return ImageArray(path, len(images), images[0].nbytes)


def map_images(
    path: Path, image_shape: tuple[int, int, int], *, verify: bool = True
) -> UInt8[ndarray, "n c h w"] | MappedImages:
    """Map a file of images into memory; its content is read when it is used.

    Args:
        path: a plain IDX file or a ``.npy`` file: ``uint8``, of shape [n, h, w], [n, h, w, c] or [n, c, h, w]; or a
            shard.
        image_shape: channels, height and width of the images that the model takes.
        verify: whether the content of a shard is read, and compared with its SHA-256.

    Raises:
        DataError: the file is missing, gzipped, damaged, or its images are not those that the model takes.
    """
    suffix = path.suffix.lower()
    array: Any = (
        _map_npy(path) if suffix == NPY else _map_shard(path, verify=verify) if suffix == SHARD else _map_idx(path)
    )
    channels, height, width = image_shape
    if array.dtype == np.uint8:
        if array.shape[1:] == image_shape:
            return array
        if array.shape[1:] == (height, width, channels) and suffix != SHARD:
            return array.transpose(0, 3, 1, 2)
        if channels == 1 and array.shape[1:] == (height, width):
            return array[:, None]
    shapes = f"[n, {height}, {width}, {channels}]" + (f" or [n, {height}, {width}]" if channels == 1 else "")
    raise DataError(
        f"{path} has {array.dtype} of shape {list(array.shape)}; the model takes uint8 of shape {shapes}.",
        "Convert the images, or use picture files: they are prepared for the model.",
    )


def _map_idx(path: Path) -> ndarray[Any, Any]:
    with suppress(OSError), open_plain(path) as file:
        if is_gzip(file.read(2)):
            raise DataError(
                f"{path} is gzipped; an array of images must be a plain file, because it is not read into memory.",
                f"Decompress it: gunzip --keep {path}",
            )
    return read_idx(path, map_above=0)


def _map_npy(path: Path) -> ndarray[Any, Any]:
    try:
        open_plain(path).close()
        found: ndarray[Any, Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {reason(error)}.", "Check the path and its permissions.") from error
    except (ValueError, EOFError) as error:  # also for Python objects, which are not read
        raise DataError(
            f"{path} cannot be mapped as a NumPy array: {error}.", "Save the images with numpy.save(path, images)."
        ) from error
    return found


def _map_shard(path: Path, *, verify: bool) -> MappedImages:
    from penstroke.data.shard_file import open_shard  # imports PyArrow

    shard = open_shard(path)
    if verify:
        shard.verify()
    return shard.images
