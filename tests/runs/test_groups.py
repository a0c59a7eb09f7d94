"""Runs whose recipes differ only in the seed form a group."""

from pathlib import Path
from typing import Any

import pytest

from penstroke import recipes, runs
from penstroke.errors import RunError
from penstroke.networks import ConvNet
from penstroke.recipes import Recipe
from penstroke.runs import Run
from penstroke.runs.groups import group_by_recipe


def run(home: Path, recipe: Recipe, data: str = "mnist") -> Run:
    source: Any = {"source": data, "name": data, "requested": "auto", "notes": []}
    return runs.create(recipe.name, {}, home / recipe.name, recipe, data=source)


def test_runs_of_other_seeds_form_a_group(tmp_path: Path) -> None:
    found = group_by_recipe(
        [
            run(tmp_path, recipes.fast(seed=2)),
            run(tmp_path, recipes.book(name="ours", seed=1, log_every=5, test_each_epoch=False)),
            run(tmp_path, recipes.fast(seed=0)),
            run(tmp_path, recipes.book()),
            run(tmp_path, recipes.fast(seed=2)),
        ]
    )
    assert [(group.name, group.seeds) for group in found] == [("fast", (0, 2)), ("ours", (0, 1))]
    assert [each.path.name for each in found[0].runs] == ["fast-2", "fast"]
    assert [each.path.name for each in found[0].repeated] == ["fast-3"]


def test_groups_of_the_same_name_are_told_apart_by_the_fields_that_differ(tmp_path: Path) -> None:
    found = group_by_recipe(
        [
            run(tmp_path, recipes.book()),
            run(tmp_path, recipes.book(lr=0.1)),
            run(tmp_path, recipes.book(network=ConvNet(channels=(4, 8)))),
            run(tmp_path, recipes.fast()),
        ]
    )
    assert [group.name for group in found] == [
        "book (channels 16x32, lr 0.5)",
        "book (channels 16x32, lr 0.1)",
        "book (channels 4x8, lr 0.5)",
        "fast",
    ]


def test_runs_on_other_data_form_another_group(tmp_path: Path) -> None:
    found = group_by_recipe([run(tmp_path, recipes.book()), run(tmp_path, recipes.book(seed=1), "mnist5k")])
    assert [group.name for group in found] == ["book (data mnist, name mnist)", "book (data mnist5k, name mnist5k)"]


def test_a_run_without_a_recipe_belongs_to_no_group(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="has no recipe"):
        group_by_recipe([runs.create("imported", {}, tmp_path / "imported")])


def test_runs_that_start_from_another_model_form_a_group_of_their_own(tmp_path: Path) -> None:
    init = {"source": "ready", "sha256": "abcdefabcdef", "freeze": 0.0, "loaded": ["cn1"], "new": []}
    outliers: Any = {"source": "mnist", "outliers": {"folder": "/others", "images": 9, "sha256": "123456789"}}
    scratch, other = run(tmp_path, recipes.fast()), run(tmp_path, recipes.fast(seed=1))
    other.update(init=init)
    third = run(tmp_path, recipes.fast(seed=2))
    third.update(data=outliers | {"name": "mnist"})
    assert [group.name for group in group_by_recipe([scratch, other, third])] == [
        "fast",
        "fast (init ready (abcdefab), freeze 0.0)",
        "fast (outliers_from /others (12345678))",
    ]
