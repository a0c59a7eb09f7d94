"""Training on shards and on mapped files: the same bits as on the source, and no image of all in memory."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from penstroke import recipes
from penstroke.data import Dataset, load
from penstroke.data.idx import write_idx
from penstroke.data.mapped import MappedImages
from penstroke.data.shards import write_shards
from penstroke.recipes import Recipe
from penstroke.training import fit, measure
from penstroke.training.start import split_validation
from penstroke.training.tensors import TensorSplit


def trained(recipe: Recipe, data: Dataset) -> dict[str, Any]:
    fitted = fit(recipe, data, device="cpu", progress=False)
    row = fitted.history.epochs[-1]
    return {**fitted.model.state_dict(), "test": torch.tensor(row.test.loss if row.test else 0.0)}


def assert_equal(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], value) for name, value in expected.items())


@pytest.mark.parametrize(
    "recipe",
    [
        recipes.fast(test_each_epoch=True),
        recipes.book(epochs=1, validation=0.1, batch_size=100),
    ],
)
def test_training_on_shards_gives_the_bits_of_their_source(recipe: Recipe, small: Dataset, tmp_path: Path) -> None:
    write_shards(small, tmp_path, 500_000)
    assert_equal(trained(recipe, load(tmp_path)), trained(recipe, small))


@pytest.fixture
def mapped(small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """Return the images in plain IDX files that are mapped, as files larger than memory are."""
    monkeypatch.setattr("penstroke.data.folders.MAP_ABOVE", 0)
    (tmp_path / "idx").mkdir()
    for name, split in (("train", small.train), ("t10k", small.test)):
        write_idx(tmp_path / f"idx/{name}-images-idx3-ubyte", split.images[:, 0])
        write_idx(tmp_path / f"idx/{name}-labels-idx1-ubyte", split.labels.astype("uint8"))
    return load(tmp_path / "idx")


def test_shards_of_a_mapped_file_are_trained_on_in_its_order(mapped: Dataset, tmp_path: Path) -> None:
    write_shards(mapped, tmp_path / "shards", 300_000)
    shards = load(tmp_path / "shards")
    assert isinstance(shards.train.images, MappedImages)
    recipe = recipes.fast(validation=0.1, test_each_epoch=True)
    assert_equal(trained(recipe, shards), trained(recipe, mapped))


def test_a_validation_split_of_mapped_images_is_read_in_pieces(
    mapped: Dataset, small: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipes.fast(validation=0.3, test_batch_size=4)
    train, validation = split_validation(mapped, recipe.validation)
    _, expected = split_validation(small, recipe.validation)
    assert validation
    assert expected
    assert train.mapped
    np.testing.assert_array_equal(np.asarray(validation.images), expected.images)
    largest = []
    read = MappedImages._read

    def counted(self: MappedImages, positions: Any) -> Any:
        largest.append(len(positions))
        return read(self, positions)

    monkeypatch.setattr(MappedImages, "_read", counted)
    network = recipes.fast().network.build((1, 28, 28), 10, (0.13,), (0.31,))
    found, known = (
        measure.Measurement(None, TensorSplit.from_split(split, torch.device("cpu")), 4).calibrated(network)[1]
        for split in (validation, expected)
    )
    assert found == known
    assert len(largest) > 1
    assert max(largest) <= 4 * 64 < len(validation)
