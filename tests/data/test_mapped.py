"""Images in several mapped files as one array, and parts of them that are not read."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstroke.data import Split, stratified_split
from penstroke.data.mapped import MappedImages

SHAPE = (2, 3, 4)


@pytest.fixture
def images() -> Any:
    return np.random.default_rng(0).integers(0, 256, (60, *SHAPE), np.uint8)


@pytest.fixture
def files(images: np.ndarray, tmp_path: Path) -> tuple[np.ndarray, ...]:
    """Return the images in mapped files of 30, 1 and 29."""
    images.tofile(tmp_path / "images")
    size = images[0].size
    return tuple(
        np.memmap(tmp_path / "images", np.uint8, "c", start * size, (count, *SHAPE))
        for start, count in ((0, 30), (30, 1), (31, 29))
    )


@pytest.mark.parametrize(
    "index",
    [
        0, 30, -1, np.int64(59), slice(None), slice(28, 33), slice(50, 10, -7), slice(5, 5), [3, 59, 30, 3, -2],
        np.arange(60) % 3 == 0, np.array([[1, 2], [30, 31]]), (slice(29, 32), 0), (7, 1), np.array([], np.int64),
    ],
)  # fmt: skip
@pytest.mark.parametrize("some", [False, True])
def test_it_has_the_indices_of_an_array(index: Any, some: bool, images: np.ndarray, files: Any) -> None:
    mapped = MappedImages(files)
    if some:
        order = np.random.default_rng(1).permutation(60)
        images = images[order]
        mapped = MappedImages(files).chosen(order)
    np.testing.assert_array_equal(mapped[index], images[index])
    assert (len(mapped), mapped.shape, mapped.ndim, mapped.size) == (60, images.shape, 4, images.size)
    np.testing.assert_array_equal(np.asarray(mapped), images)


def test_an_index_out_of_range_is_an_error(files: Any) -> None:
    for index in (60, -61, [0, 60]):
        with pytest.raises(IndexError, match="out of range for 60 images"):
            MappedImages(files)[index]


def test_parts_of_a_mapped_split_are_not_read(files: Any, images: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    whole: Any = MappedImages(files)
    split = Split(whole, np.arange(60) % 4, tuple("abcd"), "train", mapped=True)
    in_memory = stratified_split(Split(images, split.labels, split.classes, "train"), 0.2, 0)
    with monkeypatch.context() as patch:
        patch.setattr(MappedImages, "_read", None)
        parts = stratified_split(split, 0.2, 0)
        again = parts[0].part(np.arange(0, 48, 2))
    for part, expected in zip((*parts, again), (*in_memory, in_memory[0].subset(np.arange(0, 48, 2))), strict=True):
        assert part.mapped
        assert isinstance(part.images, MappedImages)
        assert part.name == expected.name
        np.testing.assert_array_equal(part.labels, expected.labels)
        np.testing.assert_array_equal(np.asarray(part.images), expected.images)
    assert not parts[1].subset(np.arange(3)).mapped
