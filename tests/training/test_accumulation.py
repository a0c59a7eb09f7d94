"""Batches that are computed in parts: the result of the whole batch, with fewer images at once."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from penstroke import recipes
from penstroke.data import Dataset
from penstroke.errors import ModelError
from penstroke.experiments.subset import shorter_dataset
from penstroke.recipes import Recipe
from penstroke.training import World, fit

SMALL = {"epochs": 1, "batch_size": 50}
RECIPES = {
    "book": recipes.book(**SMALL),
    "outliers": recipes.fast(**SMALL, network="convnet", shift=1, outliers=0.2, optimizer="sgd", lr=0.02),
    "weighted": recipes.book(**SMALL, class_weights="balanced", label_smoothing=0.1, optimizer="adam", lr=0.0005),
}


@pytest.fixture(scope="module")
def few(small: Dataset) -> Dataset:
    """Return 330 images of which the classes have different numbers."""
    data = shorter_dataset(small, 400)
    keep = np.flatnonzero((data.train.labels > 2) | (np.arange(400) % 3 == 0))[:330]
    images, labels = data.train.images[keep], data.train.labels[keep]
    return Dataset.from_arrays(images, labels, test=(images, labels), classes=data.train.classes)


def weights_of(recipe: Recipe, data: Dataset, **arguments: Any) -> dict[str, torch.Tensor]:
    return dict(fit(recipe, data, device="cpu", progress=False, **arguments).model.state_dict())


def assert_close(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    for name, value in expected.items():
        difference = (found[name] - value).float().norm()
        assert difference <= 1e-4 * value.float().norm() + 1e-6, name


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("parts", [2, 7])
def test_the_result_is_that_of_the_whole_batch(name: str, parts: int, few: Dataset) -> None:
    recipe = RECIPES[name]
    assert_close(weights_of(recipe.replace(accumulate=parts), few), weights_of(recipe, few))


def test_a_loss_of_the_caller_is_a_mean_over_images(few: Dataset) -> None:
    loss = nn.NLLLoss()
    recipe = recipes.book(**SMALL)
    assert_close(weights_of(recipe.replace(accumulate=4), few, loss=loss), weights_of(recipe, few, loss=loss))


class Counted(nn.Module):
    """Notes how many images it gets at once in training."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(28 * 28, 10)
        self.counts: list[int] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.counts.append(len(images))
        return F.log_softmax(self.layer(images.flatten(1)), 1)


@pytest.mark.parametrize(("parts", "expected"), [(1, [50, 30]), (4, [12, 13, 12, 13, 7, 8, 7, 8]), (80, [1] * 80)])
def test_fewer_images_are_computed_at_once(parts: int, expected: list[int], few: Dataset) -> None:
    network = Counted()
    data = Dataset.from_arrays(few.train.images[:80], few.train.labels[:80], classes=few.train.classes)
    fit(recipes.fast(**SMALL, accumulate=parts), data, network=network, device="cpu", progress=False)
    assert network.counts == expected


def test_a_loss_that_is_not_finite_takes_no_step(few: Dataset) -> None:
    calls = []

    def loss(log_probs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        calls.append(len(labels))
        return F.nll_loss(log_probs, labels) * (float("nan") if len(calls) == 4 else 1.0)

    network = Counted()
    before = network.layer.weight.detach().clone()
    with pytest.raises(ModelError, match=r"the loss of step 2 of epoch 1 is nan"):
        fit(recipes.book(**SMALL, accumulate=2), few, network=network, loss=loss, device="cpu", progress=False)
    assert calls == [25] * 4
    assert network.layer.weight.isfinite().all()
    assert not torch.equal(network.layer.weight, before)


def test_the_parts_of_all_processes_are_the_batch() -> None:
    for size, count, number in ((1, 10, 3), (2, 11, 2), (3, 11, 4), (4, 3, 2), (2, 1, 5)):
        ranks = [World(rank, size).parts(count, number) for rank in range(size)]
        assert len({len(parts) for parts in ranks}) == 1
        rows = [row for parts in zip(*ranks, strict=True) for part in parts for row in range(count)[part.own]]
        assert sorted(rows) == list(range(count))
        for rank, parts in enumerate(ranks):
            own = range(count)[World(rank, size).part(count)]
            assert [row for part in parts for row in range(count)[part.own]] == list(own)
            for part in parts:
                labels = part.labels(torch.arange(count))
                assert labels[part.gathered].tolist() == list(range(count)[part.own])
