"""Exported ONNX files: the description in the metadata, and a hash of the content. This module needs no ONNX package.

A sealed file is an ONNX model followed by two entries of its metadata: the description as JSON, and the SHA-256 of all
bytes before that last entry. Protocol buffers allow a field to follow later fields, so every reader of ONNX finds both
entries. The hash detects files that were modified or truncated; it does not prove who made a file.
"""

import hashlib
import json
from pathlib import Path

from penstroke.errors import ModelError, PenstrokeError
from penstroke.models.description import Description
from penstroke.models.files import MAX_BYTES, METADATA_KEY
from penstroke.storage.untrusted import open_contained, parse_json, reason

HASH_KEY = "penstroke.sha256"
REMEDY = "Use an ONNX file made by `penstroke export --to onnx`."
# Tags of protocol buffers: field 14 of ModelProto is `metadata_props`, whose entries have a key (1) and a value (2).
_ENTRY, _KEY, _VALUE = 14 << 3 | 2, 1 << 3 | 2, 2 << 3 | 2


def seal(content: bytes, description: Description) -> bytes:
    """Return an ONNX file with the description and the hash in its metadata.

    Args:
        content: a serialized ``onnx.ModelProto`` without these entries.
        description: what the model is.
    """
    described = content + _entry(METADATA_KEY, json.dumps(description.to_json(), sort_keys=True).encode())
    return described + _hash_entry(described)


def read_onnx(path: Path) -> tuple[Description, bytes]:
    """Return the description and the content of a sealed ONNX file.

    Raises:
        ModelError: the file is missing, was not made by ``seal``, or was modified since.
    """
    try:
        with open_contained(path) as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES} bytes")
        return _read_description(content), content
    except FileNotFoundError as error:
        raise ModelError(f"The model file {path} does not exist.", "Check the path.") from error
    except PenstrokeError as error:
        remedy = error.remedy if isinstance(error, ModelError) else REMEDY
        raise ModelError(f"The model file {path} cannot be used. {error.message}", remedy) from error
    except OSError as error:
        raise ModelError(f"{path} is not a valid ONNX file: {reason(error)}.", REMEDY) from error
    except ValueError as error:
        raise ModelError(f"{path} is not a valid ONNX file: {error}.", REMEDY) from error


def _read_description(content: bytes) -> Description:
    size = len(_hash_entry(b""))
    described, last = content[:-size], content[-size:]
    head = _field(_KEY, HASH_KEY.encode())
    if head not in last:
        raise ValueError("it has no hash, so it is truncated or was not exported by Penstroke")
    if last != _hash_entry(described):
        raise ValueError("its content does not match the hash in its metadata: it was modified")
    _, _, entry = described.rpartition(_field(_KEY, METADATA_KEY.encode()) + bytes([_VALUE]))
    length, start = _read_length(entry)
    if length != len(entry) - start:
        raise ValueError("its metadata has no description")
    return Description.from_json(parse_json(entry[start:]))


def _hash_entry(content: bytes) -> bytes:
    """Return the metadata entry with the hash of ``content``; its length does not depend on the content."""
    return _entry(HASH_KEY, hashlib.sha256(content).hexdigest().encode())


def _entry(key: str, value: bytes) -> bytes:
    return _field(_ENTRY, _field(_KEY, key.encode()) + _field(_VALUE, value))


def _field(tag: int, value: bytes) -> bytes:
    """Return a field of a protocol buffer: its tag, the length of the value, and the value."""
    return bytes([tag]) + _length(len(value)) + value


def _length(number: int) -> bytes:
    """Return a length as base-128 digits, lowest first; the highest bit of a byte announces another digit."""
    digits = []
    while number > 127:
        digits.append(number & 127 | 128)
        number >>= 7
    return bytes([*digits, number])


def _read_length(content: bytes) -> tuple[int, int]:
    """Return the length at the start of ``content``, and the number of its bytes."""
    number = 0
    for index, digit in enumerate(content[:5]):
        number |= (digit & 127) << 7 * index
        if digit < 128:
            return number, index + 1
    return -1, 0
