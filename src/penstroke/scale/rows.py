"""The Parquet file of a part: a row for each picture. Imports PyArrow, and does not depend on Ray.

The footer of a file states which part of which job it is, so that a file is recognised without its neighbours.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float32
from numpy import ndarray

from penstroke import storage
from penstroke.inference.predictions import Prediction, abstention_reason, abstentions, class_probabilities
from penstroke.storage.untrusted import open_plain

_KEY = b"penstroke"
_COMPRESSION = "zstd"


@dataclass(frozen=True)
class PartFile:
    """What the file of a finished part holds.

    Args:
        name: name of the file.
        rows: number of rows.
        abstained: number of rows in which the model abstains.
        errors: number of rows whose picture could not be used.
        sha256: SHA-256 of the file, hexadecimal.
    """

    name: str
    rows: int
    abstained: int
    errors: int
    sha256: str

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "PartFile":
        """Return what ``to_json`` described."""
        return cls(**values)


def array_rows(
    names: Sequence[str], log_probs: Float32[ndarray, "n classes"], classes: Sequence[str], threshold: float
) -> pa.Table:
    """Return the rows of raw images.

    Args:
        names: what the column ``file`` has; bytes of a file name that are not UTF-8 are escaped.
        log_probs: the model's log-probabilities.
        classes: class names.
        threshold: rejection threshold, 0..1.
    """
    probabilities = class_probabilities(log_probs)
    highest, best = probabilities.max(1), probabilities.argmax(1)
    abstained = abstentions(log_probs, threshold)
    reasons: list[str | None] = [None] * len(names)
    for row in np.flatnonzero(abstained).tolist():
        reasons[row] = abstention_reason(float(highest[row]), threshold)
    columns = [
        pa.array([_unicode(name) for name in names], pa.string()),
        pa.array(classes, pa.string()).take(pa.array(best, pa.int64(), mask=abstained)),
        pa.array(highest, pa.float32()),
        pa.array(abstained, pa.bool_()),
        pa.array(reasons, pa.string()),
        pa.nulls(len(names), pa.string()),
        *(pa.array(column, pa.float32()) for column in probabilities.T),
    ]
    return pa.Table.from_arrays(columns, schema=_schema(classes))


def picture_rows(names: Sequence[str], predictions: Sequence[Prediction], classes: Sequence[str]) -> pa.Table:
    """Return the rows of pictures.

    Args:
        names: what the column ``file`` has; bytes of a file name that are not UTF-8 are escaped.
        predictions: the prediction for each picture.
        classes: class names.
    """
    columns: list[list[Any]] = [
        [_unicode(name) for name in names],
        [found.label for found in predictions],
        [found.probability for found in predictions],
        [found.abstained for found in predictions],
        [found.reason or None for found in predictions],
        [_unicode(str(found.error)) if found.error else None for found in predictions],
        *(
            [found.probabilities[i] if found.probabilities else None for found in predictions]
            for i in range(len(classes))
        ),
    ]
    schema = _schema(classes)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def write_rows(path: Path, table: pa.Table, job: str) -> None:
    """Write the file of a part, completely or not at all. The same rows give the same bytes.

    Args:
        path: the file.
        table: its rows.
        job: the job that the part belongs to, which the footer states.

    Raises:
        StorageError: the file cannot be written.
    """
    errors = len(table) - table["error"].null_count
    about = {"job": job, "part": path.name, "errors": errors, "abstained": len(table) - table["reason"].null_count}
    with storage.replacing(path) as file:
        pq.write_table(table.replace_schema_metadata({_KEY: json.dumps(about)}), file, compression=_COMPRESSION)


def read_part(path: Path, job: str, rows: int) -> PartFile | None:
    """Return what the file of a part holds; None if it is missing.

    Args:
        path: the file.
        job: the job that it must belong to.
        rows: the number of rows that it must have.

    Raises:
        ValueError: the file is damaged, or belongs to another job, with the reason as a clause.
    """
    try:
        with open_plain(path) as file:
            metadata = pq.read_metadata(file)
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        about = json.loads((metadata.metadata or {})[_KEY])
        found = PartFile(path.name, metadata.num_rows, int(about["abstained"]), int(about["errors"]), sha256)
        known = (about["job"], about["part"], metadata.num_rows)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise ValueError("it is damaged") from error
    if known != (job, path.name, rows):
        raise ValueError("it belongs to another job")
    return found


def _schema(classes: Sequence[str]) -> pa.Schema:
    fields = [
        ("file", pa.string()),
        ("label", pa.string()),
        ("probability", pa.float32()),
        ("abstained", pa.bool_()),
        ("reason", pa.string()),
        ("error", pa.string()),
    ]
    return pa.schema([*fields, *((f"p_{name}", pa.float32()) for name in classes)])


def _unicode(text: str) -> str:
    """Return a text with the bytes that are not UTF-8 escaped, such as those of a file name."""
    return text.encode("utf-8", "backslashreplace").decode()
