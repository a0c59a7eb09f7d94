"""Datasets from folders, and from map-style PyTorch datasets."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from penstroke.data import Dataset
from penstroke.errors import DataError, UsageError

GREY = np.arange(6 * 8 * 5, dtype=np.uint8).reshape(6, 8, 5)
COLOUR = np.arange(6 * 8 * 5 * 3, dtype=np.uint8).reshape(6, 8, 5, 3)
LABELS = [0, 1, 2, 1, 0, 2]


class Items(torch.utils.data.Dataset[Any]):
    """A map-style dataset of given items."""

    def __init__(self, items: Sequence[Any], classes: Any = None) -> None:
        self._items = items
        if classes is not None:
            self.classes = classes

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> Any:
        item = self._items[index]
        if isinstance(item, Exception):
            raise item
        return item


def labelled(images: Any) -> Items:
    return Items(list(zip(images, LABELS, strict=False)))


FORMS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "uint8 tensor [h, w]": (torch.from_numpy, GREY),
    "float tensor [1, h, w]": (lambda image: torch.from_numpy(image)[None] / 255, GREY),
    "float tensor [3, h, w]": (lambda image: torch.from_numpy(image).permute(2, 0, 1) / 255, COLOUR),
    "tensor with a gradient": (lambda image: (torch.from_numpy(image) / 255).requires_grad_(), GREY),
    "array [h, w]": (np.array, GREY),
    "float array [h, w, 3]": (lambda image: image / 255, COLOUR),
    "grey PIL image": (Image.fromarray, GREY),
    "colour PIL image": (Image.fromarray, COLOUR),
    "PIL image with transparency": (lambda image: Image.fromarray(image).convert("RGBA"), COLOUR),
}


@pytest.mark.parametrize(("convert", "expected"), FORMS.values(), ids=FORMS)
def test_items_of_all_forms_are_read(convert: Callable[[Any], Any], expected: Any) -> None:
    data = Dataset.from_torch(labelled([convert(image) for image in expected]))
    first = expected[:, None] if expected.ndim == 3 else expected.transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(data.train.images, first)
    assert data.train.labels.tolist() == LABELS
    assert data.train.classes == ("0", "1", "2")
    assert not data.has_test
    assert data.validation is None


def test_labels_are_integers_of_any_kind() -> None:
    labels = [0, torch.tensor(1), np.int64(2), np.uint8(1), torch.tensor([0]), 2]
    data = Dataset.from_torch(Items(list(zip(GREY, labels, strict=True))))
    assert data.train.labels.tolist() == LABELS


def test_class_names_are_those_of_the_dataset_of_its_whole_or_given() -> None:
    whole = Items(list(zip(GREY, LABELS, strict=True)), classes=["ant", "bee", "cat"])
    assert Dataset.from_torch(whole).train.classes == ("ant", "bee", "cat")
    part = torch.utils.data.Subset(torch.utils.data.Subset(whole, [0, 1, 2, 3]), [2, 0])
    subset = Dataset.from_torch(part)
    assert subset.train.classes == ("ant", "bee", "cat")
    assert subset.train.labels.tolist() == [2, 0]
    assert Dataset.from_torch(whole, classes=["x", "y", "z"]).card.classes == ("x", "y", "z")


def test_validation_and_test_are_read_when_they_are_used() -> None:
    broken = Items([(GREY[0], 0), OSError("disk failure")])
    data = Dataset.from_torch(labelled(GREY), labelled(GREY[:2]), broken, name="mine")
    assert data.validation
    assert (data.validation.name, data.validation.labels.tolist()) == ("validation", [0, 1])
    assert data.has_test
    assert data.card.name == data.requested == "mine"
    with pytest.raises(DataError, match=r"Item 1 of the test dataset cannot be read: disk failure\."):
        _ = data.test


INVALID: dict[str, tuple[Any, str]] = {
    "no dataset": (iter(GREY), "iterator .* must be a map-style dataset"),
    "a text": ("mnist", "'mnist' .*must be a map-style dataset"),
    "empty": (Items([]), "train dataset is empty"),
    "no pair": (Items([GREY[0]]), "Item 0 of the train dataset is a ndarray of length 8; .* pair"),
    "a dictionary": (Items([{"image": GREY[0], "label": 0}]), r"Item 0 .* is a dict .* pair \(image, label\)"),
    "another shape": (
        Items([(GREY[0], 0), (GREY[1, 1:], 1)]),
        r"Item 1 .* shape \[7, 5\]; that of item 0 has \[8, 5\]",
    ),
    "normalised": (Items([(GREY[0] / 255, 0), (GREY[1] / 255 - 1, 1)]), "Item 1 .* from -0.8431 to .*from 0 to 1"),
    "integers": (labelled(GREY.astype(int)), "Item 0 .* int64; they must be uint8"),
    "rank 1": (labelled(GREY.reshape(6, -1)), r"Item 0 .* shape \[40\]; it must have the shape"),
    "bfloat16": (Items([(torch.ones(4, 4, dtype=torch.bfloat16), 0)]), "Item 0 .* not an array"),
    "four channels": (labelled(np.zeros((6, 4, 8, 8), np.uint8)), "1 or 3 channels"),
    "tiny palette image": (Items([(Image.new("P", (3, 3)), 0)]), "Item 0 .* cannot be used.* 3 x 3 pixels"),
    "a loader": (torch.utils.data.DataLoader(labelled(GREY)), "DataLoader.* must be a map-style dataset"),
    "text as label": (Items([(GREY[0], 0), (GREY[1], "cat")]), r"Item 1 .* label 'cat' \(str\); .* an integer"),
    "float label": (Items([(GREY[0], torch.tensor(0.5))]), "Item 0 .* must be an integer"),
    "negative label": (Items([(GREY[0], 0), (GREY[1], -1)]), "Item 1 .* label -1; it must not be negative"),
    "one class": (Items([(GREY[0], 0), (GREY[1], 0)]), "at least two"),
}


@pytest.mark.parametrize(("dataset", "reason"), INVALID.values(), ids=INVALID)
def test_invalid_datasets_are_named(dataset: Any, reason: str) -> None:
    with pytest.raises(DataError, match=reason) as caught:
        Dataset.from_torch(dataset)
    assert caught.value.remedy


def test_a_folder_is_read_with_its_options(tmp_path: Path) -> None:
    for name in ("cats", "dogs"):
        (tmp_path / "mnist" / name).mkdir(parents=True)
        for number in range(5):
            Image.fromarray(GREY[number]).save(tmp_path / "mnist" / name / f"{number}.png")
    broken = tmp_path / "mnist" / "dogs" / "5.png"
    broken.write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"5\.png"):
        Dataset.from_folder(tmp_path / "mnist")
    data = Dataset.from_folder(tmp_path / "mnist", size=(6, 10), skip_broken=True)
    assert list(data.broken) == [broken]
    assert (data.train.classes, data.train.images.shape) == (("cats", "dogs"), (8, 1, 10, 6))
    assert Dataset.from_folder(str(tmp_path / "mnist"), 7, True).card.image_shape == (1, 7, 7)


def test_the_name_of_a_known_dataset_is_a_folder_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="The folder mnist does not exist"):
        Dataset.from_folder("mnist")


@pytest.mark.parametrize("size", [0, -1, (8,), (8, 0), (8.0, 8), True])
def test_an_invalid_size_is_rejected(size: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"size is .* one or two positive integers"):
        Dataset.from_folder(tmp_path, size)
