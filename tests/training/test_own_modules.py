"""Training of modules that are not registered networks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from penstroke import recipes
from penstroke.data import Dataset
from penstroke.errors import ModelError, UsageError
from penstroke.recipes import Recipe
from penstroke.training import fit

RecipeFunction = Callable[..., Recipe]


class OwnModule(nn.Module):
    """A network that is not registered: logits of normalised images."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(784, 20), nn.BatchNorm1d(20), nn.ReLU())
        self.unused = nn.Linear(3, 3)
        self.out = nn.Linear(20, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.out(self.body(images))


@pytest.mark.parametrize("optimizer", recipes.OPTIMIZERS)
def test_an_own_module_is_trained_in_place(optimizer: str, small: Dataset, short_recipe: RecipeFunction) -> None:
    torch.manual_seed(0)
    module = OwnModule()
    before = module.out.weight.detach().clone()
    lr = {"adadelta": 0.5, "muon": 0.02, "sgd": 0.1}.get(optimizer, 0.003)
    fitted = fit(short_recipe(optimizer=optimizer, lr=lr), small, network=module, device="cpu")
    (row,) = fitted.history.epochs
    assert row.test
    assert row.test.accuracy > 0.75
    assert not torch.equal(module.out.weight, before)
    probabilities = np.exp(fitted.classifier().log_probs(small.test.images[:20]))
    assert probabilities.sum(1) == pytest.approx(1, abs=1e-5)
    assert fitted.classifier().predict(small.test.images[:1])[0].label in small.train.classes


def test_an_own_module_cannot_be_saved_and_the_remedy_is_named(
    small: Dataset, short_recipe: RecipeFunction, tmp_path: Path
) -> None:
    recipe = short_recipe(validation=0.1, batch_size=200, test_each_epoch=False)
    fitted = fit(recipe, small, network=OwnModule(), device="cpu")
    assert repr(fitted).startswith("Fitted(unregistered, 1 epoch, finished, ")
    assert "network='unregistered'" in repr(fitted.classifier())
    for save in (fitted.save, fitted.classifier().save):
        with pytest.raises(ModelError, match=r"not.*saved.*registered networks") as caught:
            save(tmp_path / "model.safetensors")
        assert "penstroke.networks.register" in caught.value.remedy
    assert not list(tmp_path.iterdir())


def test_a_lazy_module_is_trained(small: Dataset, short_recipe: RecipeFunction) -> None:
    module = nn.Sequential(nn.Flatten(), nn.LazyLinear(10))
    fitted = fit(short_recipe(optimizer="adam", lr=0.003), small, network=module, device="cpu")
    assert fitted.history.epochs[0].train_loss < 1.5


class Pair(nn.Linear):
    """A module that returns two tensors."""

    def forward(self, images: torch.Tensor) -> Any:
        return super().forward(images.flatten(1)), images


INVALID: dict[str, tuple[Any, str]] = {
    "a name": ("convnet", r"network is 'convnet' \(str\); it must be a torch\.nn\.Module"),
    "a spec": (recipes.fast().network, "it must be a torch.nn.Module"),
    "no parameters": (nn.Flatten(), "Flatten has no parameters to train"),
    "too few classes": (
        nn.Sequential(nn.Flatten(), nn.Linear(784, 9)),
        r"float32 of shape \[2, 9\] .* shape \[2, 10\]",
    ),
    "not flat": (nn.Conv2d(1, 10, 28), r"shape \[2, 10, 1, 1\]"),
    "a tuple": (Pair(784, 10), "returns tuple for 2 images"),
    "another size": (nn.Sequential(nn.Flatten(), nn.Linear(700, 10)), r"fails for images of shape \[1, 28, 28\]: mat1"),
}


@pytest.mark.parametrize(("module", "reason"), INVALID.values(), ids=INVALID)
def test_an_invalid_module_is_rejected(module: Any, reason: str, short_recipe: RecipeFunction) -> None:
    data = Dataset.from_arrays(np.zeros((20, 28, 28), np.uint8), np.arange(20) % 10)
    with pytest.raises(UsageError, match=reason) as caught:
        fit(short_recipe(test_each_epoch=False), data, network=module, device="cpu")
    assert caught.value.remedy


def test_an_own_module_without_a_head_layer_is_trained(small: Dataset, short_recipe: RecipeFunction) -> None:
    class Bare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.matrix = nn.Parameter(torch.zeros(784, 10))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.flatten(1) @ self.matrix

    for optimizer in ("muon", "adam"):
        fitted = fit(short_recipe(optimizer=optimizer, lr=0.003), small, network=Bare(), device="cpu")
        assert fitted.history.epochs[0].train_loss < 1.5
