from typing import Any

import numpy as np
import pytest

from penstroke.data import Dataset
from penstroke.data.arrays import few, natural_order
from penstroke.errors import DataError, UsageError

LABELS = np.array([0, 1, 2, 1, 0, 2])


def images(*shape: int) -> Any:
    return np.arange(np.prod(shape)).astype(np.uint8).reshape(shape)


@pytest.mark.parametrize(
    ("shape", "channels_first"),
    [
        ((6, 4, 5), (6, 1, 4, 5)),
        ((6, 1, 4, 5), (6, 1, 4, 5)),
        ((6, 3, 4, 5), (6, 3, 4, 5)),
        ((6, 4, 5, 1), (6, 1, 4, 5)),
        ((6, 4, 5, 3), (6, 3, 4, 5)),
        ((6, 3, 5, 3), (6, 3, 5, 3)),  # both readings are possible
    ],
)
def test_images_become_channels_first(shape: Any, channels_first: Any) -> None:
    given = images(*shape)
    train = Dataset.from_arrays(given, LABELS).train
    assert train.images.shape == channels_first
    assert train.images.dtype == np.uint8
    assert train.images.flags.c_contiguous
    assert train.images.flags.writeable
    moved = shape[1:] != channels_first[1:] and len(shape) == 4
    np.testing.assert_array_equal(train.images, given.transpose(0, 3, 1, 2) if moved else given.reshape(channels_first))


def test_arrays_of_the_right_layout_are_not_copied() -> None:
    for given in (images(6, 4, 5), images(6, 3, 4, 5)):
        assert np.shares_memory(Dataset.from_arrays(given, LABELS).train.images, given)


def test_read_only_arrays_are_copied() -> None:
    given = images(6, 4, 5)
    given.flags.writeable = False
    found = Dataset.from_arrays(given, LABELS).train.images
    assert found.flags.writeable
    np.testing.assert_array_equal(found[:, 0], given)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_from_0_to_1_are_multiplied_by_255_and_rounded(dtype: Any) -> None:
    every = np.arange(256, dtype=np.uint8).reshape(2, 16, 8)
    train = Dataset.from_arrays((every / 255).astype(dtype), [0, 1]).train
    np.testing.assert_array_equal(train.images[:, 0], every)
    rounded = Dataset.from_arrays(np.array([[[0.49, 0.51]], [[0, 254.6]]]) / 255, [0, 1]).train
    assert rounded.images.ravel().tolist() == [0, 1, 0, 255]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "uint64", ">i4"])
def test_integer_labels_are_positions(dtype: str) -> None:
    train = Dataset.from_arrays(images(6, 4, 5), LABELS.astype(dtype)).train
    assert train.labels.dtype == np.int64
    assert train.labels.tolist() == LABELS.tolist()
    assert train.classes == ("0", "1", "2")
    named = Dataset.from_arrays(images(6, 4, 5), LABELS.tolist(), classes=["x", "y", "z", "unused"])
    assert named.train.classes == named.card.classes == ("x", "y", "z", "unused")
    assert named.train.labels.tolist() == LABELS.tolist()


@pytest.mark.parametrize("kind", [list, np.array, lambda labels: np.array(labels, dtype=object)])
def test_string_labels_become_positions_in_natural_order(kind: Any) -> None:
    train = Dataset.from_arrays(images(6, 4, 5), kind(["10", "2", "b", "2", "10", "a"])).train
    assert train.classes == ("2", "10", "a", "b")
    assert {type(name) for name in train.classes} == {str}
    assert train.labels.tolist() == [1, 0, 3, 0, 1, 2]
    assert train.labels.dtype == np.int64


def test_string_labels_become_positions_in_the_given_classes() -> None:
    classes = np.array(["dog", "cat", "bird"])
    train = Dataset.from_arrays(images(3, 4, 5), ["cat", "dog", "cat"], classes=classes.tolist()).train
    assert train.classes == ("dog", "cat", "bird")
    assert train.labels.tolist() == [1, 0, 1]


def test_the_test_split_uses_the_classes_of_the_train_split() -> None:
    dataset = Dataset.from_arrays(
        images(6, 4, 5, 3), list("abcabc"), test=(images(2, 4, 5, 3), ["c", "a"]), name="letters"
    )
    assert dataset.has_test
    assert (dataset.train.name, dataset.test.name) == ("train", "test")
    assert dataset.test.classes == ("a", "b", "c")
    assert dataset.test.labels.tolist() == [2, 0]
    assert dataset.test.images.shape == (2, 3, 4, 5)
    assert (dataset.card.name, dataset.requested, dataset.notes) == ("letters", "letters", ())
    assert dataset.card.image_shape == (3, 4, 5)


def test_the_validation_split_is_that_of_the_arrays() -> None:
    dataset = Dataset.from_arrays(GREY, list("abcabc"), validation=(GREY[:2] / 255, ["c", "a"]))
    assert dataset.validation
    assert (dataset.validation.name, dataset.validation.labels.tolist()) == ("validation", [2, 0])
    np.testing.assert_array_equal(dataset.validation.images[:, 0], GREY[:2])
    assert Dataset.from_arrays(GREY, LABELS).validation is None


def test_without_a_test_split_its_use_is_an_error_with_a_remedy() -> None:
    dataset = Dataset.from_arrays(images(6, 4, 5), LABELS)
    assert not dataset.has_test
    with pytest.raises(DataError, match="'arrays' has no test split") as caught:
        _ = dataset.test
    assert "test=(images, labels)" in caught.value.remedy


@pytest.mark.parametrize(
    ("shape", "given", "expected"),
    [
        ((6, 28, 28), None, "digit"),
        ((6, 28, 28), "letterbox", "letterbox"),
        ((6, 28, 28, 3), None, "letterbox"),
        ((6, 20, 20), None, "letterbox"),
    ],
)
def test_the_preprocessing(shape: Any, given: Any, expected: str) -> None:
    assert Dataset.from_arrays(images(*shape), LABELS, preprocessing=given).card.preprocessing == expected


GREY = images(6, 4, 5)
INVALID: dict[str, tuple[dict[str, Any], str]] = {
    "large floats": (
        {"images": GREY / 1},
        r"float64 of shape \(6, 4, 5\), .* from 0 to 119; floats must be from 0 to 1",
    ),
    "negative floats": ({"images": GREY / 255 - 0.1}, r"from -0.1 to 0.3667; .* do not normalise them"),
    "NaN": ({"images": np.full((6, 4, 5), np.nan)}, "from nan to nan; floats must be from 0 to 1"),
    "integers": ({"images": GREY.astype(int)}, "int64 .* must be uint8"),
    "one image": ({"images": GREY[0], "labels": 0}, r"uint8 of shape \(4, 5\); the shape must be"),
    "rank 5": ({"images": GREY[None, None]}, "the shape must be"),
    "two channels": ({"images": images(6, 2, 4, 5)}, "1 or 3 channels"),
    "large images": ({"images": np.zeros((6, 1, 4097), np.uint8)}, "at most 4096 pixels a side"),
    "no images": ({"images": GREY[:0], "labels": LABELS[:0]}, "at least one"),
    "too few labels": ({"labels": LABELS[1:]}, "5 for 6 images"),
    "float labels": ({"labels": LABELS / 1}, r"labels of split 'train' are float64 .* n integers or n strings"),
    "boolean labels": ({"labels": LABELS > 1}, "labels .* bool"),
    "mixed labels": ({"labels": np.array([0, "a", 1, 2, 0, 1], dtype=object)}, "labels .* object"),
    "one-hot labels": ({"labels": np.eye(6, dtype=int)}, r"labels .* int64 of shape \(6, 6\)"),
    "negative labels": ({"labels": LABELS - 1}, "contains the label -1; labels must not be negative"),
    "only negative labels": ({"labels": -np.arange(6)}, "contains the label -5; labels must not be negative"),
    "large labels": ({"labels": LABELS * 40_000}, "the label 80000; labels must be below 65536"),
    "labels beyond the classes": ({"classes": ["a", "b"]}, "between 0 and 2; they must be between 0 and 1"),
    "unknown strings": ({"labels": list("abcabd"), "classes": list("abc")}, "contain 'd'; .* among the classes 'a'"),
    "one class": ({"labels": ["a"] * 6}, "classes are 'a'; they must be at least two"),
    "equal classes": ({"classes": ["a", "b", "b"]}, "different"),
    "classes that are numbers": ({"classes": [0, 1, 2]}, "strings"),
    "unprintable class": ({"classes": ["a", "b", "\x1b[2J"]}, r"'\\x1b\[2J'; .* printable"),
    "unknown test label": ({"labels": list("abcabc"), "test": (GREY[:1], ["d"])}, "split 'test' contain 'd'"),
    "test label too large": ({"test": (GREY[:1], [3])}, "labels of split 'test' are between 3 and 3"),
    "float test images": ({"test": (GREY[:1] / 1, [0])}, "images of split 'test' are float64"),
    "integer validation images": (
        {"validation": (GREY[:1].astype(int), [0])},
        "images of split 'validation' are int64",
    ),
    "validation label too large": ({"validation": (GREY[:1], [3])}, "labels of split 'validation' are between 3 and 3"),
}


@pytest.mark.parametrize(("change", "reason"), INVALID.values(), ids=INVALID)
def test_invalid_arrays_are_rejected(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(DataError, match=reason) as caught:
        Dataset.from_arrays(**{"images": GREY, "labels": LABELS, **change})
    assert caught.value.remedy


@pytest.mark.parametrize("part", ["validation", "test"])
@pytest.mark.parametrize("given", [3, (GREY,), GREY[:2]])
def test_a_split_that_is_no_pair_is_rejected(part: str, given: Any) -> None:
    with pytest.raises(UsageError, match=f"{part} is a .*; it must be a pair of images and labels") as caught:
        Dataset.from_arrays(GREY, LABELS, **{part: given})
    assert caught.value.remedy == f"Pass {part}=(images, labels)."


def test_test_images_of_another_shape_are_rejected() -> None:
    dataset = Dataset.from_arrays(GREY, LABELS, test=(images(1, 5, 4), [0]))
    with pytest.raises(DataError, match=r"images of shape \(1, 5, 4\)"):
        _ = dataset.test


def test_an_unknown_preprocessing_is_rejected() -> None:
    with pytest.raises(UsageError, match="'square', which is unknown"):
        Dataset.from_arrays(GREY, LABELS, preprocessing="square")


def test_natural_order() -> None:
    assert sorted(["b", "a10", "10", "a2", "2", "é"], key=natural_order) == ["2", "10", "a2", "a10", "b", "é"]


def test_at_most_five_names_are_listed() -> None:
    assert few("abcde") == "a, b, c, d, e"
    assert few(iter("abcdefg")) == "a, b, c, d, e and 2 more"
