"""Tables as CSV files."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from penstroke.storage.files import make_folder, replacing


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str] | None = None) -> Path:
    """Write rows as a CSV file in UTF-8 and return its path.

    Args:
        path: the file; an existing one is replaced, and missing folders are created.
        rows: values by column. A missing value, and None, is an empty cell.
        columns: the columns, which lets rows be written one by one and not held in memory. By default the columns of
            all rows, in the order in which they first occur.

    Raises:
        StorageError: the file cannot be written.
    """
    if columns is None:
        rows = list(rows)
        columns = list(dict.fromkeys(name for row in rows for name in row))
    make_folder(path.parent)
    with replacing(path) as file:
        # A file name that is not UTF-8 keeps its bytes.
        text = io.TextIOWrapper(file, "utf-8", errors="surrogateescape", newline="")
        writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        text.detach()  # flushes
    return path
