"""Tables as CSV files."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from penstroke.storage.files import make_folder, write_bytes


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write rows as a CSV file in UTF-8 and return its path.

    Args:
        path: the file; an existing one is replaced, and missing folders are created.
        rows: values by column. The columns are those of all rows, in the order in which they first occur. A missing
            value, and None, is an empty cell.

    Raises:
        StorageError: the file cannot be written.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    make_folder(path.parent)
    write_bytes(path, text.getvalue().encode())
    return path
