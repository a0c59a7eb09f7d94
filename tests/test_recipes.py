"""Recipes are frozen, whole, checked at once, and survive JSON."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstroke import recipes
from penstroke.errors import UsageError
from penstroke.recipes import ConvNetSpec, Recipe


def test_book_is_the_chapters_training() -> None:
    book = recipes.book()
    assert (book.optimizer, book.lr, book.batch_size, book.epochs, book.seed) == ("adadelta", 0.5, 32, 2, 0)
    assert (book.mean, book.std) == (0.1302, 0.3069)
    assert book.network == ConvNetSpec(
        channels=(16, 32), kernel_sizes=(3, 3), strides=(1, 1), hidden=64, dropout=(0.10, 0.25)
    )
    assert book.test_each_epoch


@pytest.mark.parametrize("name", sorted(recipes.RECIPES))
def test_every_shipped_recipe_has_its_own_name_and_survives_json(name: str) -> None:
    recipe = recipes.get(name)
    assert recipe.name == name
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


@given(
    epochs=st.integers(1, 99),
    lr=st.floats(1e-6, 100),
    batch_size=st.integers(1, 5000),
    optimizer=st.sampled_from(recipes.OPTIMIZERS),
    mean=st.none() | st.floats(0, 1, allow_subnormal=False),
    channels=st.tuples(st.integers(1, 64), st.integers(1, 64)),
)
def test_any_possible_recipe_survives_json(channels: tuple[int, int], **changes: object) -> None:
    recipe = recipes.book(network=ConvNetSpec(channels=channels), **changes)
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        recipes.book().epochs = 3  # type: ignore[misc]


def test_all_faults_are_listed_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        recipes.book(epochs=0, lr=-1.0, optimizer="adm", seed=-1, network=ConvNetSpec(dropout=(0.1, 1.0)))
    for part in ("epochs is 0", "lr is -1.0", "'adm'", "Did you mean 'adam'", "seed is -1", "dropout is (0.1, 1.0)"):
        assert part in caught.value.message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0), ("epochs", 1.5), ("epochs", True), ("batch_size", -3), ("lr", float("nan")),
        ("lr", float("inf")), ("lr", "big"), ("momentum", 1.0), ("std", 0.0), ("mean", 7.0), ("validation", 0.9),
        ("schedule", "cosinus"), ("network", None),
    ],
)  # fmt: skip
def test_an_impossible_value_is_named(field: str, value: object) -> None:
    with pytest.raises(UsageError, match=field):
        recipes.book(**{field: value})


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": 3}, {"network": None}, {"network": {"kind": "resnet"}}, {"network": {"kind": "convnet", "width": 3}},
        {"network": {"kind": "convnet", "channels": [1]}}, {"network": {"kind": "convnet", "hidden": 0}}, {"lr": "x"},
    ],
)  # fmt: skip
def test_json_that_is_no_recipe_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        Recipe.from_json(recipes.book().to_json() | change)


KEYS = st.sampled_from(["name", "network", "kind", "epochs", "channels"])
VALUES = st.none() | st.booleans() | st.floats(allow_subnormal=False) | st.text()


@given(st.recursive(VALUES, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner)))
def test_any_json_gives_a_recipe_or_our_error(value: object) -> None:
    try:
        made = Recipe.from_json(value)
    except UsageError:
        return
    assert isinstance(made, Recipe)


def test_an_unknown_recipe_gets_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="Did you mean 'book'"):
        recipes.get("bok")
