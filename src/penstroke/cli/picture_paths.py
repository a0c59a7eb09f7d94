"""The pictures that command-line arguments name: files, folders and patterns such as ``scans/*.png``."""

import glob
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from penstroke.cli.output import warn
from penstroke.errors import DataError, UsageError

_WITH_SCHEME = re.compile(r"\w\w+:")


def is_pattern(path: Path) -> bool:
    """Return whether an argument is a pattern: it has wildcards, is no URL, and no file or folder has this name."""
    name = str(path)
    return glob.has_magic(name) and not _WITH_SCHEME.match(name) and not os.path.lexists(name)


def find_pictures(arguments: Sequence[Path]) -> list[Path]:
    """Return the pictures that arguments name, and report how many other files were skipped.

    A folder stands for all pictures in it and in its subfolders, a pattern for the pictures that match it, both in
    natural order and without hidden files. Any other argument is returned unchanged.

    Raises:
        DataError: a folder or a pattern has no pictures, or a folder cannot be read.
        UsageError: a folder is a run.
    """
    from penstroke import runs

    pictures: list[Path] = []
    for argument in arguments:
        if runs.is_run(argument):
            raise UsageError(
                f"{argument} is a run, not a picture.", "Name one run, before the pictures: penstroke predict RUN ..."
            )
        if os.path.isdir(argument):  # noqa: PTH112 - False, not an error, for a name that is too long
            pictures += _pictures_of(f"The folder {argument}", argument, _files_in(argument))
        elif is_pattern(argument):
            matches = map(Path, glob.iglob(str(argument), recursive=True))  # noqa: PTH207 - a pattern may be absolute
            pictures += _pictures_of(f"The pattern {argument}", Path(), (path for path in matches if path.is_file()))
        else:
            pictures.append(argument)
    return pictures


def _files_in(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder and its subfolders, without hidden ones. Links to folders are not followed."""

    def fail(error: OSError) -> None:
        raise DataError(f"The folder {error.filename} cannot be read: {error.strerror}.", "Check its permissions.")

    for place, folders, names in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if not name.startswith((".", "__"))]
        yield from (Path(place, name) for name in names if not name.startswith("."))


def _pictures_of(source: str, base: Path, files: Iterator[Path]) -> list[Path]:
    """Return the files with the extension of a picture in natural order, and report how many have another one.

    Raises:
        DataError: there are none.
    """
    from penstroke.data.arrays import few, natural_order
    from penstroke.data.listing import SUFFIXES

    found: list[Path] = []
    others: Counter[str] = Counter()
    for path in files:
        if path.suffix.lower() in SUFFIXES:
            found.append(path)
        else:
            others[path.suffix.lower() or "without an extension"] += 1
    other_files = f"{others.total()} other {'file' if others.total() == 1 else 'files'} ({few(sorted(others))})"
    if not found:
        raise DataError(
            f"{source} has no pictures{f', only {other_files}' if others else ''}.",
            f"Pictures end in {', '.join(SUFFIXES)}. Name a picture, a folder of pictures, or a quoted pattern.",
        )
    if others:
        warn(f"{source[0].lower()}{source[1:]} has {len(found)} pictures; skipped {other_files}")
    return sorted(found, key=lambda path: [natural_order(part) for part in Path(os.path.relpath(path, base)).parts])
