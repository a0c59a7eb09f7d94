"""List the pictures of a table: a CSV or JSON-lines file with the path and the label of each picture.

Columns, or keys, are a path (``path``, ``file``, ``filename``, ``image`` or ``picture``), a label (``label``,
``class``, ``target`` or ``category``) and, if wanted, a split (``split``, ``set`` or ``subset``: ``train``, ``val`` or
``test``). Other columns are ignored. Relative paths start at the table's folder. Pictures are not opened.
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from penstroke.data.arrays import few, natural_order
from penstroke.data.listing import SPLITS, Listing, Pictures, check_class_names, check_not_empty
from penstroke.errors import DataError
from penstroke.storage.untrusted import is_plain, open_plain, parse_json, reason

CSV_SUFFIXES = (".csv", ".tsv")
JSON_SUFFIXES = (".jsonl", ".ndjson")
MAX_TABLE_BYTES = 1 << 28
PATHS = ("path", "file", "filename", "file_name", "image", "picture")
LABELS = ("label", "class", "target", "category")
SETS = ("split", "set", "subset")

Row = tuple[int, dict[str, Any]]
"""The number of the line in the file, from 1, and the values by column in lower case."""


def list_table(path: Path, *, skip_broken: bool = False) -> Listing:
    """Return the pictures that a table lists.

    Args:
        path: a file whose name ends in one of ``CSV_SUFFIXES`` or ``JSON_SUFFIXES``, in UTF-8.
        skip_broken: leave out rows whose file does not exist, with a note.

    Raises:
        DataError: the file cannot be read, a column is missing, a row has no label, an unknown split or no file, two
            rows name one file, or the classes are invalid.
    """
    text = _text(path)
    rows = list(_json_rows(path, text) if path.suffix.lower() in JSON_SUFFIXES else _csv_rows(path, text))
    if not rows:
        raise DataError(f"{path} has no rows.", "Add a row with the path and the label of each picture.")
    entries = [_entry(path, number, row) for number, row in rows]
    _class_names(path, entries)  # before the files are looked for: a wrong column is the likelier reason
    found, notes = _existing(path, entries, skip_broken)
    classes = _class_names(path, found)
    position = {name: label for label, name in enumerate(classes)}
    parts: dict[str, Pictures] = {}
    for _, picture, label, split in found:
        parts.setdefault(split, []).append((picture, position[label]))
    if "train" not in parts:
        raise DataError(f"{path} has no training pictures.", "Set the split of some rows to train.")
    check_not_empty(classes, parts["train"], path)
    return Listing(path, classes, parts, tuple(notes))


def _class_names(path: Path, entries: list[tuple[int, Path, str, str]]) -> tuple[str, ...]:
    """Return the classes of the rows in natural order, after checking their names."""
    classes = tuple(sorted({label for _, _, label, _ in entries}, key=natural_order))
    check_class_names(classes, path)
    return classes


def _text(path: Path) -> str:
    try:
        with open_plain(path) as file:
            content = file.read(MAX_TABLE_BYTES + 1)
        if len(content) > MAX_TABLE_BYTES:
            raise DataError(f"{path} has more than {MAX_TABLE_BYTES:,} bytes.", "Divide the table.")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {reason(error)}.", "Check the path.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text, at byte {error.start}.", "Save it as UTF-8.") from error


def _csv_rows(path: Path, text: str) -> Iterator[Row]:
    """Yield the rows of a CSV file whose columns are separated by commas, semicolons or tabs."""
    header = text[: text.find("\n") + 1] or text
    delimiter = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        names = [name.strip().lower() for name in next(reader, [])]
        for values in reader:
            if any(value.strip() for value in values):
                # Fields that are missing at the end of a row are empty.
                yield reader.line_num, dict.fromkeys(names, "") | dict(zip(names, values, strict=False))
    except csv.Error as error:
        raise DataError(f"{path} is not a CSV file, at line {reader.line_num}: {error}.", "Check the line.") from error


def _json_rows(path: Path, text: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
        except ValueError as error:
            raise DataError(f"Line {number} of {path} is invalid: {error}.", "Write one object a line.") from error
        if not isinstance(row, dict):
            raise DataError(f"Line {number} of {path} is not an object.", 'Write {"path": ..., "label": ...}.')
        yield number, {name.strip().lower(): value for name, value in row.items()}


def _entry(path: Path, number: int, row: dict[str, Any]) -> tuple[int, Path, str, str]:
    """Return the line, the file, the label and the split of a row."""
    file, label = _value(path, number, row, PATHS, "path"), _value(path, number, row, LABELS, "label")
    given = str(next((row[name] for name in SETS if row.get(name)), "train")).strip()
    if given.lower() not in SPLITS:
        raise DataError(
            f"Line {number} of {path} has the split {given[:40]!r}, which is unknown.", "Use train, val or test."
        )
    return number, path.parent / file, label, SPLITS[given.lower()]


def _value(path: Path, number: int, row: dict[str, Any], names: tuple[str, ...], what: str) -> str:
    name = next((name for name in names if name in row), None)
    if name is None:
        raise DataError(
            f"Line {number} of {path} has no {what}; its columns are {few(map(repr, row)) or 'none'}.",
            f"Name the column of the {what} {names[0]!r} (or {', '.join(names[1:])}) in the first line.",
        )
    value = row[name]
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not text:
        raise DataError(f"The {what} in line {number} of {path} is empty or not a text.", "Complete the line.")
    if "\0" in text:
        raise DataError(f"The {what} in line {number} of {path} has a character 0.", "Correct the line.")
    return text


def _existing(
    path: Path, entries: list[tuple[int, Path, str, str]], skip_broken: bool
) -> tuple[list[tuple[int, Path, str, str]], list[str]]:
    """Return the rows whose file exists, and a note on the others if they are skipped."""
    first: dict[Path, int] = {}
    for number, file, _, _ in entries:
        if (other := first.setdefault(file, number)) != number:
            raise DataError(
                f"Lines {other} and {number} of {path} name the same file, {file.name}.",
                "Keep one of them: a picture has one label and is in one split.",
            )
    missing = [entry for entry in entries if not is_plain(entry[1])]
    if not missing:
        return entries, []
    names = few(f"{file.name} (line {number})" for number, file, _, _ in missing)
    text = f"{len(missing)} of {len(entries)} rows of {path} name files that do not exist: {names}"
    if not skip_broken or len(missing) == len(entries):
        raise DataError(
            f"{text}.", f"Relative paths start at {path.parent.resolve()}. --skip-broken leaves some such rows out."
        )
    gone = {number for number, *_ in missing}
    return [entry for entry in entries if entry[0] not in gone], [f"{text}; they were left out"]
