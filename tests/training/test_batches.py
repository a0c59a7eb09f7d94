"""Batches: their order is a function of seed and epoch, for any number of processes, in memory and in mapped files."""

import dataclasses
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from penstroke.data import Dataset, Split, folders, load, pixel_statistics
from penstroke.data import mapped as mapped_module
from penstroke.data.idx import write_idx
from penstroke.errors import UsageError
from penstroke.recipes import Recipe, fast
from penstroke.recipes.parts import Augmentation
from penstroke.synthesis import BatchAugmentation, batch_augmentation
from penstroke.training import Callback, Progress, World, fit
from penstroke.training import batches as batches_module
from penstroke.training.batches import Batch, Batches, shuffled
from penstroke.training.tensors import TensorSplit

CPU = torch.device("cpu")
ONE_PROCESS = World()


def batches_of(
    split: Split, size: int, world: World = ONE_PROCESS, augment: BatchAugmentation | None = None
) -> Batches:
    return Batches(TensorSplit.from_split(split, CPU), size, 0, augment, world)


def part(split: Split, count: int) -> Split:
    return split.subset(np.arange(count))


def equal(first: list[Batch], second: list[Batch]) -> bool:
    return len(first) == len(second) and all(
        torch.equal(one, other)
        for batch, another in zip(first, second, strict=True)
        for one, other in zip(batch, another, strict=True)
    )


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    orders = [shuffled(1000, seed, epoch) for seed in (0, 1) for epoch in (1, 2)]
    assert torch.equal(orders[0], shuffled(1000, 0, 1))
    assert all(sorted(order.tolist()) == list(range(1000)) for order in orders)
    assert len({tuple(order.tolist()) for order in orders}) == 4


def test_an_epoch_contains_every_image_once(small: Dataset) -> None:
    split = part(small.train, 100)
    batches = batches_of(split, 32)
    order = shuffled(100, 0, 1).numpy()
    found = list(batches.epoch(1))
    assert batches.steps == len(found) == 4
    assert [len(labels) for _, labels in found] == [32, 32, 32, 4]
    assert np.array_equal(torch.cat([images for images, _ in found]).numpy(), split.images[order])
    assert np.array_equal(torch.cat([labels for _, labels in found]).numpy(), split.labels[order])


def test_the_random_state_of_a_step_is_a_function_of_seed_epoch_and_step(small: Dataset) -> None:
    def drawn(epoch: int, first: int = 0) -> list[float]:
        return [torch.rand(()).item() for _ in batches_of(part(small.train, 100), 32).epoch(epoch, first)]

    whole = drawn(1)
    assert drawn(1) == whole
    assert drawn(1, 2) == whole[2:]
    assert len({*whole, *drawn(2)}) == 8


@pytest.mark.parametrize("mapped", [False, True])
def test_an_epoch_can_start_at_any_step(mapped: bool, small: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches_module, "BLOCK", 16)
    monkeypatch.setattr(batches_module, "BLOCKS_IN_MEMORY", 2)
    monkeypatch.setattr(mapped_module, "release_pages", lambda images: None)
    split = dataclasses.replace(part(small.train, 96), mapped=mapped)
    batches = batches_of(split, 7)
    whole = list(batches.epoch(1))
    assert len(whole) == 14
    for first in (0, 1, 4, 5, 9, 13, 14):
        assert equal(list(batches.epoch(1, first)), whole[first:])
    for step, (images, labels) in enumerate(whole):
        indices = batches.indices(1, step).numpy()
        assert np.array_equal(split.images[indices], images.numpy())
        assert np.array_equal(split.labels[indices], labels.numpy())


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_the_parts_of_all_ranks_together_are_the_global_batches(
    size: int, mapped: bool, small: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapped_module, "release_pages", lambda images: None)
    split = dataclasses.replace(part(small.train, 100), mapped=mapped)
    augment = batch_augmentation(Augmentation(shift=1, distortion=0.4, outliers=0.2), split, 0)
    whole = list(batches_of(split, 32, augment=augment).epoch(2, 1))
    ranks = [list(batches_of(split, 32, World(rank, size), augment).epoch(2, 1)) for rank in range(size)]
    for step, (images, labels) in enumerate(whole):
        parts = [rank[step] for rank in ranks]
        torch.testing.assert_close(torch.cat([part[0] for part in parts]), images, rtol=0, atol=1e-3)
        assert all(torch.equal(part[1], labels) for part in parts)
        lengths = [len(part[0]) for part in parts]
        assert max(lengths) - min(lengths) <= 1


def test_a_rank_is_from_0_to_the_number_of_processes(small: Dataset) -> None:
    for rank, size in ((1, 1), (-1, 2), (0, 0)):
        with pytest.raises(UsageError, match="rank is"):
            World(rank, size)
    assert [World().any(flag) for flag in (False, True)] == [False, True]
    with pytest.raises(UsageError, match="2 processes, which are not connected"):
        fit("fast", small, world=World(1, 2))


@pytest.fixture
def mapped(small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Split:
    """Return 2,000 images in a plain IDX file that is mapped, as one larger than memory is."""
    monkeypatch.setattr(folders, "MAP_ABOVE", 0)
    for name, split in (("train", small.train), ("t10k", small.test)):
        write_idx(tmp_path / f"{name}-images-idx3-ubyte", split.images[:, 0])
        write_idx(tmp_path / f"{name}-labels-idx1-ubyte", split.labels.astype("uint8"))
    train = load(str(tmp_path)).train
    assert train.mapped
    return train


def test_a_mapped_file_is_read_in_shuffled_blocks(
    mapped: Split, small: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches_module, "BLOCK", 16)  # the images of the sample are sorted by class
    monkeypatch.setattr(batches_module, "BLOCKS_IN_MEMORY", 25)
    batches = batches_of(mapped, 48)
    first, again, other = (list(batches.epoch(epoch)) for epoch in (1, 1, 2))
    assert [len(labels) for _, labels in first] == [48] * 41 + [32]
    assert equal(first, again)
    assert all(labels.unique().numel() > 4 for _, labels in first)
    whole = torch.cat([images for images, _ in first]).flatten(1)
    expected = small.train.images.reshape(len(small.train), -1)
    assert sorted(map(bytes, whole.numpy())) == sorted(map(bytes, expected))
    assert not torch.equal(whole, torch.cat([images for images, _ in other]).flatten(1))
    table = {bytes(image): label for image, label in zip(expected, small.train.labels.tolist(), strict=True)}
    found = torch.cat([labels for _, labels in first]).tolist()
    assert [table[bytes(image)] for image in whole.numpy()] == found


def test_statistics_and_training_do_not_depend_on_where_images_are_stored(mapped: Split, small: Dataset) -> None:
    assert pixel_statistics(mapped) == pixel_statistics(small.train)
    data = Dataset(small.card, mapped, lambda: small.test, requested="auto")
    (row,) = fit(fast(batch_size=50, test_each_epoch=True), data, device="cpu").history.epochs
    assert row.test
    assert row.test.accuracy > 0.8


def test_arrays_of_any_layout_become_tensors(small: Dataset) -> None:
    split = part(small.train, 10)
    frozen = split.images[::-1]
    frozen.flags.writeable = False
    tensors = TensorSplit.from_split(dataclasses.replace(split, images=frozen), CPU)
    assert np.array_equal(tensors.take(slice(None)).numpy(), frozen)
    assert len(tensors) == 10


@pytest.mark.parametrize("mapped", [False, True])
def test_a_share_of_an_epoch_is_its_first_batches(
    mapped: bool, small: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapped_module, "release_pages", lambda images: None)
    split = dataclasses.replace(part(small.train, 100), mapped=mapped)
    whole = list(batches_of(split, 30).epoch(2))
    for share, steps, images in ((0.5, 2, 60), (0.51, 3, 90), (0.01, 1, 30), (0.76, 4, 100), (1.0, 4, 100)):
        batches = dataclasses.replace(batches_of(split, 30), share=share)
        assert (batches.steps, batches.images) == (steps, images)
        assert equal(list(batches.epoch(2)), whole[:steps])
        assert equal(list(batches.epoch(2, 1)), whole[1:steps])


def test_a_training_on_a_share_of_each_epoch(small: Dataset) -> None:
    class Steps(Callback):
        seen: ClassVar[list[tuple[int, int, int, int]]] = []

        def on_step_end(self, progress: Progress) -> None:
            self.seen.append((progress.epoch, progress.step, progress.steps, progress.images))

    recipe = fast(epochs=2, epoch_share=0.5, batch_size=100)
    data = Dataset.from_arrays(small.train.images[:350], small.train.labels[:350], classes=small.train.classes)
    fitted = fit(recipe, data, callbacks=[Steps()], progress=False)
    assert Steps.seen == [(1, 1, 2, 100), (1, 2, 2, 200), (2, 1, 2, 100), (2, 2, 2, 200)]
    row = fitted.history.epochs[0]
    assert row.train_loss == pytest.approx(sum(row.step_losses) / 2)
    assert len(row.step_losses) == 2
    assert Recipe.from_json(recipe.to_json()) == recipe
