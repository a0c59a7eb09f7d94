"""The range test finds a learning rate that trains, and reads training images only."""

import pytest

from penstroke import recipes
from penstroke.data import Dataset, Split
from penstroke.errors import UsageError
from penstroke.experiments.find_lr import RangeTest, find_lr, range_figure


def without_test(data: Dataset) -> Dataset:
    """Return a dataset whose test split raises when it is read."""

    def fail() -> Split:
        raise AssertionError("the test split is read")

    return Dataset(data.card, data.train, fail, requested="sample")


@pytest.mark.parametrize(("optimizer", "low", "high"), [("sgd", 0.002, 0.1), ("adam", 0.0002, 0.02)])
def test_the_suggestion_is_a_usual_value(optimizer: str, low: float, high: float, small: Dataset) -> None:
    found = find_lr(recipes.book(optimizer=optimizer, batch_size=50), without_test(small), device="cpu")
    assert low <= found.suggested <= high
    assert found.rates[0] == pytest.approx(1e-5)
    assert all(earlier < later for earlier, later in zip(found.rates, found.rates[1:], strict=False))
    assert found.steepest <= found.lowest
    assert len(found.rows()) == len(found.losses) == len(found.smoothed)
    axes = range_figure(found, "title").axes[0]
    assert axes.get_xscale() == "log"


def test_the_test_is_repeatable(small: Dataset) -> None:
    recipe = recipes.fast(batch_size=100)
    first, second = (find_lr(recipe, small, device="cpu", steps=20) for _ in range(2))
    assert first == second


def test_the_lowest_loss_decides() -> None:
    found = RangeTest((0.1, 1.0, 10.0, 100.0), (4.0, 3.0, 1.0, 2.0), (4.0, 3.0, 1.0, 2.0))
    assert found.lowest == 10.0
    assert found.suggested == 1.0


@pytest.mark.parametrize("options", [{"low": 0.0}, {"low": 1.0, "high": 1.0}, {"steps": 19}])
def test_an_empty_range_is_rejected(options: dict[str, float], small: Dataset) -> None:
    with pytest.raises(UsageError, match="The range test goes from"):
        find_lr(recipes.book(), small, **options)  # type: ignore[arg-type]
