"""Recipes are frozen, checked as a whole, and round-trip through JSON."""

import dataclasses
import json
import math
import pickle
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstroke import recipes
from penstroke.errors import UsageError
from penstroke.networks import ConvNet, PatchNet
from penstroke.recipes import (
    Adadelta,
    Adam,
    Augmentation,
    Constant,
    Evaluation,
    Muon,
    OneCycle,
    Recipe,
    Validation,
)
from penstroke.recipes.presets import require_recipe


def test_book_is_the_training_of_the_chapter() -> None:
    book = recipes.book()
    assert (book.optimizer, book.schedule) == (Adadelta(lr=0.5, weight_decay=0.0), Constant())
    assert (book.batch_size, book.epochs, book.seed) == (32, 2, 0)
    assert (book.mean, book.std) == (0.1302, 0.3069)
    assert book.network == ConvNet(
        channels=(16, 32), kernel_sizes=(3, 3), strides=(1, 1), hidden=64, dropout=(0.10, 0.25)
    )
    assert book.evaluation.test_each_epoch
    assert book.validation is None


def test_fast_and_robust_have_their_measured_values() -> None:
    fast, robust = recipes.fast(), recipes.robust()
    assert (fast.network, fast.epochs, fast.batch_size) == (PatchNet(), 1, 256)
    assert fast.optimizer == Muon(lr=0.15, momentum=0.7, head_lr=0.005)
    assert (fast.schedule, fast.augmentation, fast.label_smoothing) == (OneCycle(), Augmentation(shift=1), 0.05)
    assert robust.network == recipes.best(channels=(32, 32, 32, 64, 64, 64)).network
    assert (robust.epochs, robust.batch_size, robust.selection.keep) == (20, 256, "average")
    assert robust.optimizer == Muon(lr=0.02, momentum=0.9, head_lr=0.005, rescale=True)
    assert robust.validation == Validation(share=0.1, seed=0, rejection_rate=0.0025)
    assert robust.augmentation == Augmentation(distortion=0.5, outliers=0.2)
    assert (fast.mean, fast.std, robust.mean, robust.std) == (None, None, None, None)


def test_distilled_differs_from_robust_in_its_labels_alone() -> None:
    distilled = recipes.distilled()
    assert distilled.teacher == "runs/best-seeds/committee"
    assert distilled.replace(name="robust", teacher="", label_smoothing=0.05) == recipes.robust()


def test_sprint_is_a_part_of_an_epoch_of_fast() -> None:
    sprint = recipes.sprint()
    assert (sprint.epochs, sprint.precision, sprint.network) == (1, "auto", PatchNet())
    changed = {"name", "epoch_share", "shift", "label_smoothing", "precision", "by_gram", "mean", "std"}
    ours, theirs = sprint.flat(), recipes.fast().flat()
    assert {name for name in ours if ours[name] != theirs[name]} == changed


def test_images_are_warped_once() -> None:
    with pytest.raises(UsageError, match=r"distortion is 0.5 and warp is 0.7, but distortion includes it"):
        recipes.robust(warp=0.7)


@pytest.mark.parametrize("name", sorted(recipes.RECIPES))
def test_every_built_in_recipe_has_its_own_name_and_round_trips_through_json(name: str) -> None:
    recipe = recipes.get(name)
    assert recipe.name == name
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe
    assert pickle.loads(pickle.dumps(recipe)) == recipe


@given(
    epochs=st.integers(1, 99),
    lr=st.floats(1e-6, 100),
    batch_size=st.integers(1, 5000),
    optimizer=st.sampled_from(sorted(recipes.OPTIMIZERS)),
    schedule=st.sampled_from(sorted(recipes.SCHEDULES)),
    validation=st.just(0.0) | st.floats(0.01, 0.5),
    mean=st.none() | st.floats(0, 1, allow_subnormal=False) | st.tuples(st.floats(0, 1), st.floats(0, 1)),
    channels=st.tuples(st.integers(1, 64), st.integers(1, 64)),
)
def test_any_valid_recipe_round_trips_through_json(**flat: object) -> None:
    recipe = recipes.book(**flat)
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


def test_json_is_flat_and_holds_only_what_applies() -> None:
    values = recipes.book().to_json()
    assert values["network"] == ConvNet().to_json()
    assert (values["optimizer"], values["lr"], values["validation"]) == ("adadelta", 0.5, 0.0)
    assert not values.keys() & {"momentum", "head_lr", "warmup", "lr_decay", "rejection_rate", "validation_seed"}
    assert all(not isinstance(value, dict) for name, value in values.items() if name != "network")
    values = recipes.robust().to_json()
    assert (values["validation"], values["validation_seed"], values["rejection_rate"]) == (0.1, 0, 0.0025)
    assert (values["momentum"], values["warmup"]) == (0.9, 0.1)
    assert "weight_decay" not in values


@pytest.mark.parametrize("part", [recipes.book(), ConvNet(), Adam(), Validation(share=0.1)])
def test_a_recipe_and_its_parts_are_frozen(part: object) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        part.epochs = 3  # type: ignore[attr-defined]


def test_parts_can_be_replaced_in_a_recipe() -> None:
    recipe = dataclasses.replace(recipes.book(), optimizer=Adam(lr=0.01), evaluation=Evaluation(test_batch_size=7))
    assert recipe.optimizer == Adam(lr=0.01)
    assert recipe.evaluation == Evaluation(test_batch_size=7)
    assert recipe.network == recipes.book().network


def test_all_invalid_fields_are_listed_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        recipes.book(epochs=0, lr=-1.0, optimizer="adm", seed=-1, dropout=(0.1, 1.0), validation=0.9, warmup=0.2)
    message = caught.value.message
    for part in (
        "epochs is 0 but must be a whole number, at least 1",
        "lr is -1.0 but must be a number, above 0 and below 10000",
        "optimizer is 'adm', which is unknown (Did you mean 'adam'?",
        "seed is -1 but must be a whole number from 0 to 4294967295",
        "dropout is (0.1, 1.0) but must be 2 numbers, each at least 0 and below 1",
        "validation is 0.9 but must be a number, above 0 and at most 0.5",
        "warmup does not apply to schedule 'constant'",
    ):
        assert part in message
    assert "pydantic" not in message.lower()
    assert "Input should" not in message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0), ("epochs", 1.5), ("epochs", True), ("epochs", "2"), ("epochs", math.nan), ("batch_size", -3),
        ("lr", math.nan), ("lr", math.inf), ("lr", "big"), ("lr", 0), ("lr", True), ("lr", 10_000), ("lr", 10**400),
        ("weight_decay", 1.0), ("label_smoothing", -0.1), ("label_smoothing", 1.0), ("shift", 65), ("shift", 1.0),
        ("distortion", 2.1), ("distortion", math.nan), ("warp", 3), ("outliers", 0.6), ("seed", -1), ("seed", 2**32),
        ("std", 0.0), ("std", (0.1, 0.0)), ("std", ()), ("mean", 7.0), ("mean", -0.1), ("mean", "0.1"), ("mean", True),
        ("validation", 0.9), ("validation", -0.1), ("validation", math.nan), ("validation", "0.1"),
        ("validation", False), ("schedule", "cosinus"), ("schedule", 3), ("optimizer", None), ("network", None),
        ("network", "nonsense"), ("test_each_epoch", 1), ("test_batch_size", 0), ("log_every", 0), ("name", ""),
        ("name", "a/b"), ("name", "a\\b"), ("name", ".hidden"), ("name", 3), ("augmentation", 3), ("evaluation", None),
    ],
)  # fmt: skip
def test_an_invalid_value_is_named(field: str, value: object) -> None:
    with pytest.raises(UsageError, match=rf"The recipe .* is invalid: {field} is "):
        recipes.book(**{field: value})


@pytest.mark.parametrize(
    ("part", "fields", "problem"),
    [
        (Recipe, {"name": "x", "optimizer": "adam"}, "optimizer is 'adam' but must be an optimizer, for example Adam"),
        (Recipe, {"name": "x", "network": {"kind": "convnet"}}, "must be a network, for example ConvNet"),
        (Recipe, {"name": "x", "schedule": OneCycle}, "must be a schedule"),
        (Recipe, {}, "name is missing"),
        (Recipe, {"name": "x", "epoch": 3}, "did you mean 'epochs'"),
        (Validation, {}, "share is missing"),
        (Adam, {"momentum": 0.5}, "momentum is not a field"),
        (Muon, {"momentum": 1.0}, "momentum is 1.0 but must be a number, at least 0 and below 1"),
        (OneCycle, {"warmup": 1.0}, "warmup is 1.0"),
    ],
)
def test_parts_check_themselves(part: type, fields: dict[str, object], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        part(**fields)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"epoch": 3}, "did you mean 'epochs'"),
        ({"network": None}, "JSON object with a `kind`"),
        ({"network": "convnet"}, "JSON object with a `kind`"),
        ({"network": {"kind": "nonsense"}}, "network is 'nonsense', which is unknown"),
        ({"network": {"kind": ["convnet"]}}, "network is "),
        ({"network": {"kind": "convnet", "width": 3}}, "width is not a field"),
        ({"network": {"kind": "convnet", "epochs": 3}}, "epochs is not a field"),
        ({"network": {"kind": "convnet", "channels": [1]}}, "channels is "),
        ({"network": {"kind": "convnet", "hidden": 0}}, "hidden is 0"),
        ({"lr": "x"}, "lr is 'x'"),
        ({"momentum": 0.5}, "momentum does not apply to optimizer 'adadelta'"),
        ({"name": None}, "name is None"),
    ],
)
def test_json_that_is_not_a_recipe_is_rejected(change: dict[str, object], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        Recipe.from_json(recipes.book().to_json() | change)


def test_json_without_optional_fields_gets_the_defaults() -> None:
    assert Recipe.from_json({"name": "x", "network": {"kind": "convnet"}}) == Recipe(name="x")
    with pytest.raises(UsageError, match="name is missing"):
        Recipe.from_json({"network": {"kind": "convnet"}})


KEYS = st.sampled_from(["name", "network", "kind", "epochs", "channels", "optimizer", "validation", "augmentation"])
VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_subnormal=False) | st.text()
JSON = st.recursive(VALUES, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner))


@given(JSON, st.dictionaries(KEYS, JSON))
def test_any_json_gives_a_recipe_or_a_usage_error(value: object, changes: dict[str, object]) -> None:
    for candidate in (value, recipes.fast().to_json() | changes):
        try:
            made = Recipe.from_json(candidate)
        except UsageError:
            continue
        assert isinstance(made, Recipe)


def test_an_unknown_recipe_gets_the_most_similar_name() -> None:
    with pytest.raises(UsageError, match="Did you mean 'book'"):
        recipes.get("bok")


def test_importing_recipes_imports_neither_torch_nor_numpy() -> None:
    program = (
        "import sys, penstroke.recipes; penstroke.recipes.options();"
        "print([name for name in ('torch', 'numpy') if name in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"


def test_a_module_in_place_of_a_network_gets_the_remedy() -> None:
    create: Any
    for create in (Recipe, recipes.book):
        with pytest.raises(UsageError, match=r"network is <object .* but must be ") as caught:
            create(name="mine", network=object())
        assert caught.value.remedy.endswith(" Pass your own module to fit(recipe, data, network=module).")
    with pytest.raises(UsageError) as caught:
        recipes.book(network="nonsense")
    assert "module" not in caught.value.remedy


def test_a_flat_name_as_a_field_of_a_recipe_gets_the_remedy() -> None:
    with pytest.raises(UsageError, match="lr is not a field") as caught:
        Recipe(name="x", lr=-1)  # type: ignore[call-arg]
    assert caught.value.remedy == (
        "Correct these fields. Flat names are accepted by recipes.book(lr=...) and recipe.replace(lr=...)."
    )
    with pytest.raises(UsageError) as caught:
        Recipe(name="x", epoch=3)  # type: ignore[call-arg]
    assert caught.value.remedy == "Correct these fields."


def test_a_recipe_or_the_name_of_one_is_required() -> None:
    recipe = recipes.fast()
    assert require_recipe(recipe) is recipe
    assert require_recipe("fast") == recipe
    with pytest.raises(UsageError, match=r"recipe is 3 \(int\); it must be a recipe, or the name of one") as caught:
        require_recipe(3)
    assert "'fast'" in caught.value.remedy
