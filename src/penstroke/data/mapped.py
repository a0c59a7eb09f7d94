"""Images in mapped files, which may be larger than memory: several files as one array, and some of its images."""

from typing import Any, cast

import numpy as np
from jaxtyping import Int64, UInt8
from numpy import ndarray

from penstroke.runtime.memory import release_pages

Images = UInt8[ndarray, "n c h w"]


class MappedImages:
    """The images of mapped files one after the other, or some of them.

    It has the shape, the dtype and the indices of an array ``[n, c, h, w]``. An index reads the images that it chooses
    into memory, and ``numpy.asarray`` reads all.

    Args:
        files: arrays over mapped files, uint8 ``[k, c, h, w]``, each contiguous.
        rows: positions among the images of all files, in the order of the result; None for all images in order.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, files: tuple[Images, ...], rows: Int64[ndarray, "n"] | None = None) -> None:
        self._files, self._rows = files, rows
        self._used: set[int] = set()
        self._ends = np.cumsum([len(file) for file in files])
        count = int(self._ends[-1]) if rows is None else len(rows)
        self.shape = (count, *files[0].shape[1:])
        self.size = int(np.prod(self.shape, dtype=np.int64))
        self.nbytes = self.size

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> UInt8[ndarray, "*shape"]:
        if isinstance(index, tuple):
            first, *others = index
            return self[first][tuple(others if isinstance(first, int | np.integer) else (slice(None), *others))]
        if isinstance(index, slice):
            return self._read(np.arange(*index.indices(len(self))))
        wanted = np.asarray(index)
        if wanted.dtype == bool:
            wanted = np.flatnonzero(wanted)
        if wanted.size and not -len(self) <= wanted.min() <= wanted.max() < len(self):
            raise IndexError(f"the index {index} is out of range for {len(self)} images")
        wanted = np.where(wanted < 0, wanted + len(self), wanted)
        images = self._read(wanted.ravel().astype(np.int64))
        return images.reshape(*wanted.shape, *self.shape[1:])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> ndarray[Any, Any]:
        return self[:] if dtype is None else self[:].astype(dtype)

    def chosen(self, positions: Int64[ndarray, "m"]) -> "MappedImages":
        """Return some of the images, in the order of ``positions``, without reading them."""
        return MappedImages(self._files, positions if self._rows is None else self._rows[positions])

    def release(self) -> None:
        """Release the memory that files occupy since images were read from them; see ``release_pages``."""
        for number in self._used:
            release_pages(self._files[number])
        self._used.clear()

    def _read(self, positions: Int64[ndarray, "m"]) -> Images:
        """Return a copy of the images at positions from 0 to ``len(self) - 1``."""
        rows = positions if self._rows is None else self._rows[positions]
        images = np.empty((len(rows), *self.shape[1:]), np.uint8)
        of_file = np.searchsorted(self._ends, rows, side="right")
        for number in np.unique(of_file).tolist():
            self._used.add(number)
            file, chosen = self._files[number], of_file == number
            images[chosen] = file[rows[chosen] - (self._ends[number] - len(file))]
        return images


def mapped(images: Images) -> MappedImages:
    """Return the images of a mapped split, which are a ``MappedImages`` or an array over one mapped file."""
    found: Any = images
    return found if isinstance(found, MappedImages) else MappedImages((images,))


def as_array(images: MappedImages) -> Images:
    """Return the same object, as images of a ``Split``, which uses it as an array."""
    return cast(Images, images)
