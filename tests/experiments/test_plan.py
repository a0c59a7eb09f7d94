"""The grid of settings and seeds, and the names of its runs."""

import pytest

from penstroke import recipes
from penstroke.errors import UsageError
from penstroke.experiments import build_plan, parse_variation
from penstroke.experiments.plan import MAX_NAME, Setting


def test_the_grid_has_all_combinations_and_seeds() -> None:
    variations = [parse_variation("channels=4x8,8x16"), parse_variation("optimizer:lr=adam:0.001,sgd:0.05,muon:0.02")]
    plan = build_plan(recipes.book(seed=7), variations, seeds=2)
    experiments = list(plan.experiments())
    assert len(experiments) == len(plan) == 2 * 3 * 2
    assert plan.fields == ("channels", "optimizer", "lr")
    assert [each.seed for each in experiments] == [7] * 6 + [8] * 6
    first = experiments[0]
    assert first.name == "channels-4x8_optimizer-adam_lr-0.001_seed-7"
    assert first.recipe == recipes.book(seed=7, channels=(4, 8), optimizer="adam", lr=0.001)
    assert first.setting.label == "channels 4x8, optimizer adam, lr 0.001"
    assert len({each.name for each in experiments}) == len(experiments)


def test_without_variations_there_is_one_setting() -> None:
    plan = build_plan(recipes.book(), seeds=3)
    assert [each.name for each in plan.experiments()] == ["seed-0", "seed-1", "seed-2"]
    assert plan.settings[0].label == "book"


def test_long_names_are_shortened_and_stay_different() -> None:
    values = [{"channels": tuple(range(100 + i, 160 + i))} for i in range(2)]
    names = [Setting(value, recipes.book()).name for value in values]
    assert names[0] != names[1]
    assert all(len(name) < MAX_NAME + 20 for name in names)


@pytest.mark.parametrize(
    ("variations", "seeds", "changes", "message"),
    [
        (["lr=-1,0.5,0"], 1, {}, "with lr -1: .*with lr 0: "),
        (["momentum=0.5"], 1, {}, "momentum does not apply to optimizer 'adadelta'"),
        (["lr=1", "lr=2"], 1, {}, "'lr' is varied twice"),
        (["lr=1"], 0, {}, "number of seeds is 0"),
        (["lr=1"], 2, {"seed": 2**32 - 1}, "seed is 4294967296"),
        (["lr=1"], 20_000, {}, "20000 trainings; at most 10000"),
        (["lr=1"], 1, {"test_each_epoch": False}, "No accuracy would be measured"),
        (["validation=0,0.1"], 1, {}, "Some settings have a validation split"),
    ],
)
def test_invalid_plans_are_rejected(
    variations: list[str], seeds: int, changes: dict[str, object], message: str
) -> None:
    base = recipes.book(**changes)
    with pytest.raises(UsageError, match=message):
        build_plan(base, [parse_variation(text) for text in variations], seeds)
