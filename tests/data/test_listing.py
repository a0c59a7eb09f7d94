"""Class folders: the splits, nested folders, and folders that are not a dataset."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstroke.data.listing import check_class_names, imbalance_note, list_class_folders
from penstroke.errors import DataError


def files(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return root


def test_three_splits_are_listed(tmp_path: Path) -> None:
    files(tmp_path, "Train/a/1.png", "Train/b/1.png", "valid/a/2.png", "valid/b/3.png", "test/a/4.png", "test/b/5.png")
    listing = list_class_folders(tmp_path)
    assert listing.classes == ("a", "b")
    assert {name: len(pictures) for name, pictures in listing.parts.items()} == {"train": 2, "validation": 2, "test": 2}
    assert listing.notes == ()


def test_pictures_in_further_folders_belong_to_the_outer_class(tmp_path: Path) -> None:
    files(tmp_path, "a/1.png", "a/2024/may/2.jpg", "b/x/3.png", "b/.hidden/4.png", "b/x/notes.txt")
    listing = list_class_folders(tmp_path)
    found = [(path.name, label) for path, label in listing.parts["train"]]
    assert found == [("1.png", 0), ("2.jpg", 0), ("3.png", 1)]
    assert listing.notes == (f"files that are not pictures were ignored: {Path('b/x/notes.txt')}",)


def test_a_cycle_of_links_ends(tmp_path: Path) -> None:
    files(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    assert len(list_class_folders(tmp_path).parts["train"]) == 2


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    listing = list_class_folders(files(tmp_path, "bus/1.png", "train/1.png"))
    assert listing.classes == ("bus", "train")


def test_a_class_may_be_missing_in_the_validation_pictures(tmp_path: Path) -> None:
    files(tmp_path, "train/a/1.png", "train/b/1.png", "val/a/2.png")
    assert list_class_folders(tmp_path).notes == ("the folder val has no pictures of b",)


def test_upper_and_lower_case_letters_are_two_classes(tmp_path: Path) -> None:
    assert list_class_folders(files(tmp_path, "A/1.png", "a/1.png")).classes == ("A", "a")


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["Cat/1.png", "cat/1.png", "dog/1.png"], "differ only in spelling: 'Cat' and 'cat'"),
        (["ice_cream/1.png", "ice cream/1.png"], "differ only in spelling"),
        (["train/1.png", "test/1.png"], "no folders of classes in train"),
        (["train/a/1.png", "train/b/1.png", "val/a/1.png", "valid/a/1.png"], "two folders of validation pictures"),
        (["train/a/1.png", "train/b/1.png", "val/notes.txt"], "val has no pictures"),
        (["train/a/1.png", "train/b/1.png", "val/c/1.png"], "classes that the train split does not have: c"),
        (["images/a/1.png", "images/b/1.png"], "one class, 'images', with the folders a, b"),
        (["1.png", "labels.csv"], "no folders of classes"),
        (["a/1.png"], "one class, 'a'"),
    ],
)
def test_folders_that_are_not_a_dataset_are_named(tmp_path: Path, names: list[str], reason: str) -> None:
    with pytest.raises(DataError, match=reason) as caught:
        list_class_folders(files(tmp_path, *names))
    assert caught.value.remedy


def test_a_table_next_to_pictures_is_suggested(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        list_class_folders(files(tmp_path, "1.png", "labels.csv"))
    assert str(tmp_path / "labels.csv") in str(caught.value.remedy)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: tuple(map(str, range(100_000))), "100,000 classes; there must be fewer than 65,536"),
        (lambda: ("a", "b\x1b[2J"), "unprintable class names"),
        (lambda: (), "no classes"),
    ],
)
def test_invalid_class_names_are_rejected(make: Callable[[], Any], reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        check_class_names(make(), Path("pictures"))


def test_an_imbalance_is_reported_from_a_ratio_of_three() -> None:
    assert imbalance_note(("a", "b"), [0] * 5 + [1] * 2) is None
    note = imbalance_note(("a", "b"), [0] * 6 + [1] * 2)
    assert note
    assert "a has 6 training images, b 2" in note


def test_links_that_lead_nowhere_are_ignored(tmp_path: Path) -> None:
    root = files(tmp_path, "a/1.png", "b/1.png", "b/inner/2.png")
    (root / "a" / "loop.png").symlink_to("loop.png")
    (root / "a" / "gone.png").symlink_to("nowhere.png")
    (root / "a" / "linked.png").symlink_to(root / "b" / "1.png")
    (root / "b" / "inner" / "up").symlink_to(root / "b")
    listing = list_class_folders(root)
    names = [str(path.relative_to(root)) for path, _ in listing.parts["train"]]
    assert names == ["a/1.png", "a/linked.png", "b/1.png", "b/inner/2.png"]
