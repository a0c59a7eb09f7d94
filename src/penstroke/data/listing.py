"""``Listing``: which pictures a dataset consists of, with their classes and splits; and the listing of class folders.

Names of files and folders are read here; pictures are not opened.
"""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from penstroke.data.arrays import MAX_CLASSES, few, natural_order
from penstroke.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}
"""The split that a folder, or the value of a table's column ``split``, means, in lower case."""
IMBALANCE = 3.0
"""Ratio of the largest to the smallest class from which an imbalance is reported."""

Pictures = list[tuple[Path, int]]
"""Paths, each with its label."""


@dataclass(frozen=True)
class Listing:
    """The pictures of a dataset.

    Args:
        root: the folder or table that they were found in.
        classes: class names, in the order of the labels.
        parts: the pictures by split: ``train``, and ``validation`` and ``test`` if they exist.
        notes: notes that are reported to the user.
    """

    root: Path
    classes: tuple[str, ...]
    parts: dict[str, Pictures]
    notes: tuple[str, ...] = ()


def check_class_names(classes: tuple[str, ...], source: Path) -> None:
    """Check the class names that were found in ``source``.

    Raises:
        DataError: there are fewer than two or too many, one is not printable, or two are spellings of one name.
    """
    if len(classes) < 2:
        raise DataError(
            f"{source} has {f'one class, {classes[0]!r}' if classes else 'no classes'}; there must be at least two.",
            "Add pictures of another class: a classifier chooses between classes.",
        )
    if len(classes) >= MAX_CLASSES:
        raise DataError(
            f"{source} has {len(classes):,} classes; there must be fewer than {MAX_CLASSES:,}.",
            "Check that each class has its own name, rather than each picture.",
        )
    if unprintable := [repr(name) for name in classes if not name.isprintable()]:
        # Class names are printed: an unprintable one could control the terminal.
        raise DataError(f"{source} has unprintable class names: {few(unprintable)}.", "Rename the classes.")
    groups: dict[str, list[str]] = {}
    for name in classes:
        groups.setdefault(_spelling(name), []).append(name)
    if same := [" and ".join(map(repr, names)) for names in groups.values() if len(names) > 1]:
        raise DataError(
            f"{source} has classes that differ only in spelling: {few(same)}.",
            "Use one spelling for each class.",
        )


def _spelling(name: str) -> str:
    """Return what two spellings of a name have in common. Single letters differ: ``a`` and ``A`` may be classes."""
    text = " ".join(unicodedata.normalize("NFKC", name).replace("_", " ").replace("-", " ").split())
    return text.casefold() if len(text) > 1 else unicodedata.normalize("NFC", name).strip()


def check_not_empty(classes: tuple[str, ...], pictures: Iterable[tuple[Path, int]], source: Path) -> None:
    """Check that every class has a picture.

    Raises:
        DataError: classes without pictures, named.
    """
    found = {label for _, label in pictures}
    if empty := [name for label, name in enumerate(classes) if label not in found]:
        raise DataError(
            f"Classes without pictures in {source}: {few(empty)}; each must have at least one.",
            f"Add pictures ({', '.join(SUFFIXES)}), or remove the folders.",
        )


def imbalance_note(classes: tuple[str, ...], labels: Iterable[int]) -> str | None:
    """Return a note if the largest class is ``IMBALANCE`` times as large as the smallest one, or larger."""
    counts = Counter(labels)
    largest, smallest = max(counts, key=lambda label: counts[label]), min(counts, key=lambda label: counts[label])
    if counts[largest] < IMBALANCE * counts[smallest]:
        return None
    return (
        f"the classes are not balanced: {classes[largest]} has {counts[largest]} training images, {classes[smallest]} "
        f"{counts[smallest]}; compare the accuracy of each class, not only that of all images, and train with "
        "--class-weights balanced if the rare classes matter as much as the others"
    )


def shown_path(path: Path, root: Path) -> str:
    """Return a path as it is shown: relative to the folder or table that it was found in, if it is inside."""
    folder = root if root.is_dir() else root.parent  # of a table
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


# ---- one folder per class


def list_class_folders(folder: Path) -> Listing:
    """List ``train/CLASS/``, with ``val/CLASS/`` and ``test/CLASS/`` if they exist, or ``CLASS/``.

    The pictures of a class may be in further folders. Hidden files and folders are ignored.

    Raises:
        DataError: the folders are not those of a dataset.
    """
    top = subfolders(folder)
    splits = {path: SPLITS[path.name.lower()] for path in top if path.name.lower() in SPLITS}
    train = [path for path, split in splits.items() if split == "train"]
    if not any(subfolders(path) for path in train):
        _check_no_flat_splits(folder, top, splits)
        return _listing(folder, {"train": folder}, [])
    parts: dict[str, Path] = {}
    for path, split in splits.items():
        if other := parts.get(split):
            raise DataError(
                f"{folder} has two folders of {split} pictures: {other.name} and {path.name}.", "Keep one of them."
            )
        parts[split] = path
    return _listing(folder, parts, [f"the folder {path.name} was ignored" for path in top if path not in splits])


def _check_no_flat_splits(folder: Path, top: list[Path], splits: dict[Path, str]) -> None:
    """Reject ``train/`` and ``test/`` whose pictures are not in folders of classes: they are not two classes."""
    if len(top) > 1 and len(splits) == len(top):
        raise DataError(
            f"{folder} has the folders {few(path.name for path in top)}, and no folders of classes in train.",
            "Put the pictures of each class into its own folder, as in train/cats/1.png; or give a table of the "
            "files and their labels (docs/folders.md).",
        )


def _listing(folder: Path, sources: dict[str, Path], notes: list[str]) -> Listing:
    classes = _class_names(sources["train"])
    parts: dict[str, Pictures] = {}
    ignored: list[str] = []
    for split in ("train", "validation", "test"):
        if split in sources:
            parts[split] = _list_pictures(sources[split], classes, ignored)
    check_not_empty(classes, parts["train"], sources["train"])
    for split in [split for split in parts if split != "train"]:
        if missing := set(range(len(classes))) - {label for _, label in parts[split]}:
            if len(missing) == len(classes):
                raise DataError(f"{sources[split]} has no pictures.", "Add pictures, or remove the folder.")
            names = few(classes[label] for label in sorted(missing))
            notes.append(f"the folder {sources[split].name} has no pictures of {names}")
    if ignored:
        notes.insert(0, f"files that are not pictures were ignored: {few(ignored)}")
    return Listing(folder, classes, parts, tuple(notes))


def _class_names(source: Path) -> tuple[str, ...]:
    folders = subfolders(source)
    if not folders:
        tables = sorted(path.name for path in source.iterdir() if path.suffix.lower() in (".csv", ".jsonl"))
        remedy = "Make a folder for each class and put its pictures into it, as in cats/1.png and dogs/1.png."
        raise DataError(
            f"{source} has no folders of classes and no IDX files; it must have a folder for each of at least two "
            "classes.",
            f"To use the table {tables[0]}, give it as the data: {source / tables[0]}." if tables else remedy,
        )
    if len(folders) == 1 and len(inner := subfolders(folders[0])) > 1:
        raise DataError(
            f"{source} has one class, {folders[0].name!r}, with the folders {few(path.name for path in inner)}.",
            f"If these are the classes, give the inner folder as the data: {folders[0]}.",
        )
    classes = tuple(path.name for path in folders)
    check_class_names(classes, source)
    return classes


def subfolders(folder: Path) -> list[Path]:
    """Return the folders in ``folder`` in natural order, without hidden ones."""
    paths = (path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "__")))
    return sorted(paths, key=lambda path: natural_order(path.name))


def _list_pictures(source: Path, classes: tuple[str, ...], ignored: list[str]) -> Pictures:
    """Return the pictures of each class with their labels; add the names of other files to ``ignored``."""
    unknown = [path.name for path in subfolders(source) if path.name not in classes]
    if unknown:
        raise DataError(
            f"{source} has classes that the train split does not have: {few(unknown)}.",
            f"Use the same classes in all splits. Those of the train split are {few(classes)}.",
        )
    pictures: Pictures = []
    for label, name in enumerate(classes):
        for path in files_in(source / name) if (source / name).is_dir() else ():
            if path.suffix.lower() in SUFFIXES:
                pictures.append((path, label))
            else:
                ignored.append(str(path.relative_to(source)))
    return pictures


def files_in(folder: Path) -> list[Path]:
    """Return the plain files in a folder and its subfolders, in order of their paths, without hidden ones."""
    with os.scandir(folder) as entries:  # it knows the kinds of the entries, without a call for each
        visible = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    found = [folder / entry.name for entry in visible if _is_file(entry)]
    for entry in visible:
        # Links to folders are not followed: they may form a cycle.
        if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("__"):
            found += files_in(folder / entry.name)
    return found


def _is_file(entry: "os.DirEntry[str]") -> bool:
    """Return whether an entry is a plain file or a link to one; False for a link to itself."""
    try:
        return entry.is_file()
    except OSError:
        return False
