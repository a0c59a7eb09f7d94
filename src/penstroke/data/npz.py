"""Read a dataset from a NumPy archive (``.npz``): ``x`` and ``y``, or ``x_train``, ``y_train``, ``x_test``...

Pickled objects in the archive are not read.
"""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from penstroke.data.arrays import few, image_array, label_array, require_classes
from penstroke.data.decoding import folder_card, resized, with_stratified_test
from penstroke.data.listing import imbalance_note
from penstroke.data.reading import Reading
from penstroke.data.split import Dataset, Split
from penstroke.errors import DataError
from penstroke.storage.untrusted import is_plain

MAX_BYTES = 1 << 34
"""Maximum size of all arrays together, in bytes, after decompression."""
_SUFFIXES = {"train": ("_train", ""), "validation": ("_val", "_valid", "_validation"), "test": ("_test",)}


def read_npz(path: Path, reading: Reading = Reading()) -> Dataset:  # noqa: B008 - frozen
    """Read ``x`` (images) and ``y`` (labels) of an archive; ``x_val``, ``y_val``, ``x_test``, ``y_test`` if present.

    Args:
        path: the archive. Images are uint8, or floats from 0 to 1, of shape [n, h, w], [n, c, h, w] or [n, h, w, c];
            labels are n integers or n strings, or [n, 1]. ``classes``, if present, has the class names.
        reading: ``size`` is the size to which the images are resized.

    Raises:
        DataError: the archive is damaged or too large, an array is missing, or the arrays do not match.
    """
    arrays = _arrays(path)
    names = require_classes([str(name) for name in arrays["classes"].ravel()]) if "classes" in arrays else None
    parts: dict[str, Split] = {}
    for split in ("train", "validation", "test"):
        suffix = next((suffix for suffix in _SUFFIXES[split] if f"x{suffix}" in arrays), None)
        if suffix is None or f"y{suffix}" not in arrays:
            if suffix is None and split != "train":
                continue
            needed = "x and y" if suffix is None else f"y{suffix}"
            raise DataError(
                f"{path} has the arrays {few(sorted(arrays)) or 'none'}; it must have {needed}.",
                "Save it with numpy.savez(path, x=images, y=labels).",
            )
        labels = arrays[f"y{suffix}"]
        labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
        positions, names = label_array(labels, names, split)
        images = image_array(arrays[f"x{suffix}"], split)
        parts[split] = resized(Split(images, positions, require_classes(names), split), reading.size)
    return _dataset(path, parts)


def _dataset(path: Path, parts: dict[str, Split]) -> Dataset:
    train = parts["train"]
    note = imbalance_note(train.classes, train.labels.tolist())
    dataset = Dataset(
        folder_card(path, train, None),
        train,
        (lambda: parts["test"]) if "test" in parts else None,
        requested=str(path),
        notes=(note,) if note else (),
        load_validation=(lambda: parts["validation"]) if "validation" in parts else None,
    )
    return dataset if "test" in parts else with_stratified_test(dataset)


def _arrays(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    try:
        if not is_plain(path):
            raise ValueError("it is not a plain file")
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > MAX_BYTES:
            raise ValueError(f"it has {size:,} bytes of arrays, and at most {MAX_BYTES:,} are read")
        with np.load(path, allow_pickle=False) as content:
            wanted = [f"{kind}{suffix}" for ends in _SUFFIXES.values() for suffix in ends for kind in "xy"]
            return {name: content[name] for name in content.files if name in (*wanted, "classes")}
    except (
        OSError,
        ValueError,
        EOFError,
        KeyError,
        NotImplementedError,
        zipfile.BadZipFile,
        MemoryError,
        zlib.error,
    ) as error:
        raise DataError(
            f"{path} cannot be read as a NumPy archive: {error}.", "Save it with numpy.savez(path, x=images, y=labels)."
        ) from error
