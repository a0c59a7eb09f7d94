"""A budget chooses the width of the network and the number of epochs."""

import time
from typing import Any

import pytest
import torch

from penstroke import recipes
from penstroke.data import Dataset
from penstroke.errors import UsageError
from penstroke.recipes import Recipe
from penstroke.training import budget
from penstroke.training.budget import for_budget

CPU = torch.device("cpu")


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make an epoch take a second for each channel of the last stage, divided by 96, without waiting."""

    def seconds(recipe: Recipe, *_: Any) -> float:
        return float(recipe.flat()["channels"][-1]) / 96

    monkeypatch.setattr(budget, "_epoch_seconds", seconds)
    monkeypatch.setattr(time, "perf_counter", lambda: 0.0)


@pytest.mark.usefixtures("measured")
def test_more_time_gives_a_wider_network_and_enough_epochs(small: Dataset) -> None:
    base = recipes.general()
    wanted = base.epochs_for(len(small.train) - round(0.1 * len(small.train)))
    widths, previous = [], 0.0
    for factor in (0.1, 0.8, 1.6, 8, 100):
        recipe, note = for_budget(base, small, factor * wanted, CPU)
        channels = recipe.flat()["channels"]
        width = channels[-1]
        widths.append(width)
        assert f"{recipe.epochs} epochs, channels {' '.join(map(str, channels))}:" in note
        spent = recipe.epochs * width / 96
        assert spent <= factor * wanted
        if 0.8 <= factor <= 8:
            assert spent > 0.85 * factor * wanted
            assert recipe.epochs >= 0.7 * wanted
        assert recipe.epochs <= 4 * wanted
        previous = max(previous, spent)
        assert not recipe.scale_epochs
    assert widths == sorted(widths)
    assert widths[0] == 96
    assert widths[-1] == 384


@pytest.mark.usefixtures("measured")
def test_a_budget_below_one_epoch_is_rejected(small: Dataset) -> None:
    with pytest.raises(UsageError, match=r"The budget is 1 s, and one epoch takes 1\.0 s"):
        for_budget(recipes.general(), small, 1.0, CPU)


def test_only_the_epochs_of_other_networks_are_chosen(small: Dataset) -> None:
    recipe, note = for_budget(recipes.robust(outliers=0.0), small, 60.0, CPU)
    assert recipe.network == recipes.robust().network
    assert note.startswith(f"{recipe.epochs} epochs: about ")
    with pytest.raises(UsageError, match="tests after each epoch") as caught:
        for_budget(recipes.book(), small, 4.0, CPU)
    assert "--no-test-each-epoch" in caught.value.remedy
