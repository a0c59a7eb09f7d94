import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstroke.data import Dataset, Split, fingerprint, pixel_statistics, statistics, stratified_split
from penstroke.data.catalog import card
from penstroke.data.folders import read_idx_images
from penstroke.data.idx import write_idx
from penstroke.errors import DataError, UsageError
from penstroke.runtime.memory import release_pages

CLASSES = ("a", "b", "c")


def a_split(counts: tuple[int, ...] = (10, 20, 5)) -> Split:
    labels = np.repeat(np.arange(len(counts)), counts)
    labels = labels[np.arange(len(labels)) * 8 % len(labels)]  # a fixed order in which the classes are mixed
    images = np.arange(len(labels), dtype=np.uint8).reshape(-1, 1, 1, 1).repeat(2, axis=2).repeat(2, axis=3)
    return Split(images, labels, CLASSES, "train")


def random_images(*shape: int) -> Any:
    return np.random.RandomState(0).randint(0, 256, shape).astype(np.uint8)


def zeros(count: int) -> Any:
    return np.zeros(count, np.int64)


GOOD = a_split()
INVALID = {
    "float images": ({"images": GOOD.images.astype(np.float32)}, r"images .*float32 .* uint8 \[N, C, H, W\]"),
    "rank 3": ({"images": GOOD.images[:, 0]}, r"images .*\(35, 2, 2\)"),
    "int32 labels": ({"labels": GOOD.labels.astype(np.int32)}, r"labels .*int32 .* int64 \[N\]"),
    "big-endian labels": ({"labels": GOOD.labels.astype(">i8")}, r"labels .*>i8 .* int64 \[N\]"),
    "column labels": ({"labels": GOOD.labels[:, None]}, r"labels .*\(35, 1\)"),
    "too few labels": ({"labels": GOOD.labels[1:]}, "labels .* 34 for 35 images"),
    "empty": ({"images": GOOD.images[:0], "labels": GOOD.labels[:0]}, "at least one"),
    "no pixels": ({"images": GOOD.images[..., :0]}, "at least one pixel"),
    "label too large": ({"classes": ("a", "b")}, "labels .* between 0 and 2; they must be between 0 and 1"),
    "label negative": ({"labels": GOOD.labels - 1}, "between -1 and 1"),
    "no classes": ({"classes": ()}, "classes"),
    "equal classes": ({"classes": ("a", "b", "b")}, "different from each other"),
}


@pytest.mark.parametrize(("change", "reason"), INVALID.values(), ids=INVALID)
def test_an_invalid_split_is_rejected(change: Any, reason: str) -> None:
    with pytest.raises(DataError, match=reason) as caught:
        replace(GOOD, **change)
    assert "'train'" in caught.value.message
    assert caught.value.remedy


def test_a_subset_has_the_order_of_the_indices() -> None:
    part = GOOD.subset(np.array([4, 1]))
    assert len(part) == 2
    assert part.images[:, 0, 0, 0].tolist() == [4, 1]
    assert part.labels.tolist() == GOOD.labels[[4, 1]].tolist()


def test_reprs_show_shapes_and_counts() -> None:
    dataset = Dataset(card("mnist"), GOOD, lambda: replace(GOOD, name="test"), requested="x")
    assert repr(GOOD) == "Split('train', 35 images of 1x2x2, 3 classes)"
    assert repr(replace(GOOD, mapped=True)) == "Split('train', 35 images of 1x2x2, 3 classes, mapped)"
    assert repr(dataset) == "Dataset('mnist', train: 35 images of 1x2x2, test: not read, 3 classes)"
    _ = dataset.test
    assert "test: 35 images of 1x2x2" in repr(dataset)
    assert "test: none" in repr(Dataset(card("mnist"), GOOD, None, requested="x"))


# ---- stratified_split


def test_a_stratified_split_is_ordered_and_complete() -> None:
    rest, part = stratified_split(GOOD, 0.3, seed=1)
    assert np.bincount(part.labels).tolist() == [3, 6, 2]  # 1.5 is rounded up
    assert (rest.name, part.name) == ("train", "train-part")
    ids = [piece.images[:, 0, 0, 0].tolist() for piece in (rest, part)]
    assert all(piece == sorted(piece) for piece in ids)
    assert sorted(ids[0] + ids[1]) == list(range(35))
    np.testing.assert_array_equal(GOOD.labels[ids[1]], part.labels)


def test_a_stratified_split_is_a_function_of_the_seed() -> None:
    parts = [stratified_split(GOOD, 0.3, seed)[1].images[:, 0, 0, 0].tolist() for seed in (1, 1, 2)]
    assert parts[0] == parts[1] != parts[2]
    # Must not change: results on the bundled sample must not depend on the version of NumPy.
    assert parts[0] == [2, 4, 5, 7, 16, 17, 22, 29, 31, 32, 33]


@pytest.mark.parametrize("share", [0, 1, -0.1, 2, float("nan")])
def test_a_share_outside_0_to_1_is_rejected(share: Any) -> None:
    with pytest.raises(UsageError, match="between 0 and 1"):
        stratified_split(GOOD, share, 0)


@pytest.mark.parametrize("share", [0.01, 0.99])
def test_a_stratified_split_with_an_empty_part_is_rejected(share: Any) -> None:
    with pytest.raises(DataError, match="leaves a part empty"):
        stratified_split(GOOD, share, 0)


# ---- statistics and fingerprint


@pytest.mark.parametrize("channels", [1, 3])
def test_pixel_statistics_are_computed_for_each_channel(monkeypatch: pytest.MonkeyPatch, channels: int) -> None:
    monkeypatch.setattr(statistics, "STATISTICS_BYTES", 7 * 5 * channels * 8)  # several parts, the last of them smaller
    images = random_images(50, channels, 7, 5)
    images[:, 0] //= 2
    mean, std = pixel_statistics(Split(images, zeros(50), CLASSES, "train"))
    pixels = images.astype(np.float64) / 255
    assert mean == pytest.approx(pixels.mean(axis=(0, 2, 3)), rel=1e-12)
    assert std == pytest.approx(pixels.std(axis=(0, 2, 3)), rel=1e-12)
    assert all(isinstance(value, float) for value in (*mean, *std))


def test_pixel_statistics_are_exact() -> None:
    white = Split(np.full((3000, 1, 28, 28), 255, np.uint8), zeros(3000), CLASSES, "train")
    assert pixel_statistics(white) == ((1.0,), (0.0,))
    images = random_images(4000, 1, 20, 20)
    forwards = Split(images, zeros(4000), CLASSES, "train")
    assert pixel_statistics(forwards) == pixel_statistics(replace(forwards, images=images[::-1]))


def test_a_large_image_is_one_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "STATISTICS_BYTES", 1)
    images = random_images(3, 1, 4, 4)
    assert pixel_statistics(Split(images, zeros(3), CLASSES, "train"))[0] == pytest.approx((images.mean() / 255,))


def test_statistics_and_fingerprint_of_a_mapped_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstroke.data.folders.MAP_ABOVE", 0)
    monkeypatch.setattr(statistics, "STATISTICS_BYTES", 16 * 400)
    released = []

    def release(array: Any) -> None:
        released.append(array)
        release_pages(array)

    monkeypatch.setattr("penstroke.data.mapped.release_pages", release)
    images = random_images(1200, 1, 4, 4)
    write_idx(tmp_path / "images", images[:, 0])
    pixels, mapped = read_idx_images(tmp_path / "images")
    assert mapped
    assert type(pixels) is np.ndarray
    in_file = Split(pixels, zeros(1200), CLASSES, "train", mapped)
    in_memory = Split(images, zeros(1200), CLASSES, "train")
    assert pixel_statistics(in_file) == pixel_statistics(in_memory)
    assert len(released) == 3
    assert all(array is pixels for array in released)
    assert fingerprint(in_file) == fingerprint(in_memory)
    np.testing.assert_array_equal(pixels, images)
    part = in_file.subset(np.array([5, 3]))
    assert not part.mapped
    np.testing.assert_array_equal(part.images, images[[5, 3]])


def numbered(count: int) -> Split:
    images = np.arange(count * 6, dtype=np.int64).astype(np.uint8).reshape(count, 1, 2, 3)
    return Split(images, np.arange(count) % 3, CLASSES, "train")


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (1, "9eba6cca85fa72097616cf5926af5ec2506485778f84941307c2688a1a60e414"),
        (1024, "9472f17e1675cec55a13784d77fcf986ebd964b45b7232b6450ec7a609740ac8"),
        (1025, "53d1739a4865f18efe63b4439d7a110d98422ed2cf0eafd3965c99380eb45668"),
        # One of the sizes for which positions computed in another order are rounded differently.
        (10_000, "3dc28e12ca455ef501ff1acb669623143bd075e2fcfd9e3550350e4da3854c36"),
    ],
)
def test_recorded_fingerprints_stay_valid(count: int, expected: str) -> None:
    assert fingerprint(numbered(count)) == expected


def test_the_fingerprint_depends_on_shape_classes_labels_and_images() -> None:
    whole = numbered(30)
    images = whole.images.copy()
    images[17, 0, 1, 2] += 1
    labels = whole.labels.copy()
    labels[3] = 1
    others = [
        replace(whole, images=images),
        replace(whole, labels=labels),
        replace(whole, classes=("a", "b", "d")),
        replace(whole, images=whole.images.reshape(30, 1, 3, 2)),
    ]
    hashes = {fingerprint(other) for other in [whole, *others]}
    assert len(hashes) == 5
    assert fingerprint(replace(whole, name="other")) == fingerprint(whole)
    assert all(len(value) == hashlib.sha256().digest_size * 2 for value in hashes)


# ---- the test split


def test_the_test_split_is_loaded_once_and_only_when_used() -> None:
    opened = []

    def load_test() -> Split:
        opened.append(1)
        return replace(GOOD, name="test")

    dataset = Dataset(card("mnist"), GOOD, load_test, requested="x")
    assert dataset.has_test
    assert not opened
    assert dataset.test is dataset.test
    assert opened == [1]


@pytest.mark.parametrize(
    "other", [replace(GOOD, classes=("a", "b", "d")), replace(GOOD, images=GOOD.images.repeat(2, axis=3))]
)
def test_a_test_split_of_another_kind_is_rejected(other: Any) -> None:
    dataset = Dataset(card("mnist"), GOOD, lambda: other, requested="x")
    with pytest.raises(DataError, match="test split of mnist"):
        _ = dataset.test
