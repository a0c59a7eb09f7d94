"""Model files: safetensors with the description in the metadata. This module does not import torch, and uses no pickle.

The same weights and description give the same bytes. Reading checks the header before any weight is read, so that
the reader allocates at most the size of the file.
"""

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy import ndarray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from penstroke import storage
from penstroke.errors import ModelError, PenstrokeError, StorageError, UsageError
from penstroke.models.description import Description
from penstroke.networks.spec import UnregisteredNetwork, unregistered_error
from penstroke.storage.untrusted import open_contained, parse_json, reason

METADATA_KEY = "penstroke"
"""The only key of the metadata: with several, safetensors writes them in random order."""
MAX_BYTES = 1 << 30
"""Maximum size of a model file in bytes."""
MAX_HEADER = 4 << 20
"""Maximum size of the header in bytes."""
MAX_TENSORS = 10_000
"""Largest number of tensors in a model file; networks of this size have fewer than a hundred."""
MAX_RANK = 8
"""Maximum number of dimensions of a tensor."""
REMEDY = "Use a run folder or a model.safetensors made by `penstroke train` or `penstroke import`."
_DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}


class TensorType(NamedTuple):
    """Type of a tensor, as the header of a file declares it."""

    dtype: str
    """Name of the NumPy dtype."""
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return np.dtype(self.dtype).itemsize * math.prod(self.shape)


@dataclass(frozen=True)
class OpenModel:
    """A model file whose header is read and checked, and whose weights are not read yet."""

    path: Path
    description: Description
    tensors: dict[str, TensorType]
    _file: BinaryIO

    def read_weights(self) -> dict[str, ndarray]:
        """Return the weights by name, with the dtypes of the file.

        Raises:
            ModelError: the file is damaged, or a weight is not finite.
        """
        self._file.seek(0)
        try:
            weights: dict[str, ndarray] = load(self._file.read())
        except SafetensorError as error:
            raise ModelError(f"{self.path} is damaged: its header does not match its content.", REMEDY) from error
        if not all(np.isfinite(array).all() for array in weights.values()):
            raise ModelError(f"{self.path} has weights that are not finite numbers.", REMEDY)
        return weights


def model_bytes(weights: Mapping[str, ndarray], description: Description) -> bytes:
    """Return the content of a model file. Equal weights and descriptions give equal bytes.

    Args:
        weights: tensors by name, as of a state dict, of any dtype that NumPy and safetensors have.
        description: what the model is.

    Raises:
        ModelError: the network is a module that was passed to ``fit``.
    """
    if isinstance(description.network, UnregisteredNetwork):
        raise unregistered_error()
    text = json.dumps(description.to_json(), ensure_ascii=False, sort_keys=True)
    # safetensors reads the memory of an array as it is, so it must be contiguous.
    contiguous = {name: np.array(array, order="C") for name, array in weights.items()}
    return save(contiguous, {METADATA_KEY: text})


def write_model(path: Path, weights: Mapping[str, ndarray], description: Description) -> None:
    """Write a model file atomically.

    Raises:
        StorageError: ``path`` is a folder, or the file cannot be written; an existing file is left unchanged.
        UsageError: the name of the file ends with ``.onnx``, so that it would be read as another kind of file.
    """
    if path.is_dir():
        raise StorageError(
            f"Cannot write {path}: it is a folder.", f"Name a file, such as {path / 'model.safetensors'}."
        )
    if path.suffix == ".onnx":
        raise UsageError(
            f"A model file cannot be called {path}: .onnx is the suffix of ONNX files.",
            "Use the suffix .safetensors, or export the model to ONNX with `penstroke export`.",
        )
    storage.write_bytes(path, model_bytes(weights, description))


def read_model(path: Path) -> tuple[Description, dict[str, ndarray]]:
    """Return the description and the weights in a model file.

    Raises:
        ModelError: the file is missing, is not a model file, is damaged, or needs a newer version of Penstroke.
    """
    with open_model(path) as model:
        return model.description, model.read_weights()


def read_description(path: Path) -> Description:
    """Return the description in a model file, without reading its weights.

    Raises:
        ModelError: see ``read_model``.
    """
    with open_model(path) as model:
        return model.description


@contextmanager
def open_model(path: Path) -> Iterator[OpenModel]:
    """Open a model file and check its header.

    Raises:
        ModelError: see ``read_model``.
    """
    with _explained(path):
        file = open_contained(path)
    with file:
        with _explained(path):
            model = _opened(path, file, os.fstat(file.fileno()).st_size)
        yield model


def parse_model(content: bytes) -> tuple[Description, dict[str, ndarray]]:
    """Return the description and the weights in the content of a model file, as from ``model_bytes``.

    Raises:
        ModelError: see ``read_model``.
    """
    name = Path("model.safetensors")
    with _explained(name):
        model = _opened(name, BytesIO(content), len(content))
    return model.description, model.read_weights()


def _opened(path: Path, file: BinaryIO, size: int) -> OpenModel:
    """Read and check the header of a model file of ``size`` bytes."""
    header = _read_header(file, size)
    description = _read_description(header.pop("__metadata__", None))
    tensors = {name: _tensor_type(name, entry) for name, entry in header.items()}
    expected = file.tell() + sum(tensor.nbytes for tensor in tensors.values())
    if size != expected:
        raise ValueError(f"it is truncated or has extra bytes: it has {size} bytes instead of {expected}")
    return OpenModel(path, description, tensors, file)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Convert errors of reading to ``ModelError``."""
    try:
        yield
    except FileNotFoundError as error:
        raise ModelError(f"The model file {path} does not exist.", REMEDY) from error
    except PenstrokeError as error:
        remedy = error.remedy if isinstance(error, ModelError) else REMEDY
        raise ModelError(f"The model file {path} cannot be used. {error.message}", remedy) from error
    except OSError as error:
        raise ModelError(f"{path} is not a valid model file: {reason(error)}.", REMEDY) from error
    except ValueError as error:
        raise ModelError(f"{path} is not a valid model file: {error}.", REMEDY) from error


def _read_header(file: BinaryIO, size: int) -> dict[str, Any]:
    """Return the header of a safetensors file: 8 bytes with its length, then that many bytes of JSON."""
    if size > MAX_BYTES:
        raise ValueError(f"it has {size} bytes, more than {MAX_BYTES}")
    start = file.read(9)
    if len(start) < 9:
        raise ValueError(f"it is truncated or empty, with {size} bytes")
    length = int.from_bytes(start[:8], "little")
    if start[8:] != b"{":
        raise ValueError("it is not in the safetensors format")
    if length > MAX_HEADER:
        raise ValueError(f"its header has {length} bytes, more than {MAX_HEADER}")
    if 8 + length > size:
        raise ValueError(f"it is truncated: its header has {length} bytes, of which {size - 8} are present")
    header = parse_json(start[8:] + file.read(length - 1))
    assert isinstance(header, dict), "JSON that begins with a brace is an object"
    if len(header) > MAX_TENSORS:
        raise ValueError(f"it has {len(header)} tensors, more than {MAX_TENSORS}")
    return header


def _read_description(metadata: Any) -> Description:
    if not isinstance(metadata, dict) or not isinstance(text := metadata.get(METADATA_KEY), str):
        raise ValueError(f"its metadata has no description under the key {METADATA_KEY!r}")
    return Description.from_json(parse_json(text))


def _tensor_type(name: str, entry: Any) -> TensorType:
    """Return the type that the header declares for a tensor; safetensors checks the offsets when it loads the file."""
    dtype, shape = (entry.get("dtype"), entry.get("shape")) if isinstance(entry, dict) else (None, None)
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise ValueError(f"its tensor {name[:80]!r} has the unsupported dtype {str(dtype)[:20]!r}")
    if (
        not isinstance(shape, list)
        or len(shape) > MAX_RANK
        or any(type(side) is not int or not 0 <= side <= MAX_BYTES for side in shape)
    ):
        raise ValueError(f"its tensor {name[:80]!r} has an invalid shape")
    return TensorType(_DTYPES[dtype], tuple(shape))
