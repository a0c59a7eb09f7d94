"""The flat view: fields keep their values where they apply, and are rejected where they do not."""

from collections.abc import Iterator
from typing import Any

import pytest

from penstroke import recipes
from penstroke.errors import UsageError
from penstroke.networks import NETWORKS, ConvNet, NetworkSpec, PatchNet, register
from penstroke.recipes import (
    SGD,
    Adam,
    Augmentation,
    Constant,
    Evaluation,
    Muon,
    OneCycle,
    Recipe,
    StepDecay,
    Validation,
    options,
)


@pytest.mark.parametrize("name", sorted(recipes.RECIPES))
def test_a_recipe_is_restored_from_its_flat_fields(name: str) -> None:
    recipe = recipes.get(name)
    assert Recipe(name="other").replace(**recipe.flat()) == recipe
    assert recipe.replace() == recipe


def test_flat_values_reach_the_parts() -> None:
    recipe = recipes.robust(
        name="mine", padding=False, norm=False, rescale=False, by_gram=True,
        lr=0.3, momentum=0.5, head_lr=0.1, warmup=0.2, shift=2, distortion=0.1, outliers=0.2,
        validation=0.2, validation_seed=7, rejection_rate=0.01, test_each_epoch=True, test_batch_size=9,
        hidden=8, channels=[4], kernel_sizes=[5], strides=[2], mean=[0.1], std=(0.2, 0.3, 0.4),
    )  # fmt: skip
    assert recipe.optimizer == Muon(lr=0.3, momentum=0.5, head_lr=0.1, by_gram=True)
    assert recipe.schedule == OneCycle(warmup=0.2)
    assert recipe.augmentation == Augmentation(shift=2, distortion=0.1, outliers=0.2)
    assert recipe.validation == Validation(share=0.2, seed=7, rejection_rate=0.01)
    assert recipe.evaluation == Evaluation(test_each_epoch=True, test_batch_size=9)
    assert recipe.network == PatchNet(channels=(4,), kernel_sizes=(5,), strides=(2,), hidden=8)
    assert (recipe.name, recipe.mean, recipe.std) == ("mine", 0.1, (0.2, 0.3, 0.4))


def test_a_new_optimizer_starts_from_its_defaults() -> None:
    assert recipes.book(optimizer="adam").optimizer == Adam()
    assert recipes.book(optimizer="adam", lr=0.01).optimizer == Adam(lr=0.01)
    assert recipes.book(weight_decay=0.1, optimizer="sgd").optimizer == SGD(weight_decay=0.1)
    assert recipes.fast(optimizer="sgd").optimizer == SGD()
    assert recipes.fast(optimizer="muon").optimizer == recipes.fast().optimizer  # the same kind keeps its values


def test_a_new_schedule_drops_the_fields_of_the_old_one() -> None:
    assert recipes.fast(schedule="step").schedule == StepDecay(lr_decay=0.7)
    assert recipes.fast(schedule="constant").schedule == Constant()
    assert recipes.book(schedule="one-cycle", warmup=0.3).schedule == OneCycle(warmup=0.3)


def test_a_new_network_starts_from_its_defaults() -> None:
    assert recipes.robust(network="convnet").network == ConvNet()
    assert recipes.robust(network="convnet", hidden=8).network == ConvNet(hidden=8)
    assert recipes.robust(network="patchnet", hidden=8).network == PatchNet(
        channels=(32, 32, 32, 64, 64, 64), kernel_sizes=(5, 3, 3, 3, 3, 3), strides=(2, 1, 1, 2, 1, 1), hidden=8,
        padding=True, norm=True,
    )  # fmt: skip


def test_a_field_of_an_own_network_with_the_name_of_another_field_is_rejected() -> None:
    @register("clash", head=())
    class Clash(NetworkSpec):
        lr: float = 0.5
        epochs: int = 7
        free: int = 1

        def layers(self, image_shape: tuple[int, int, int], classes: int) -> Iterator[tuple[str, Any]]:
            raise NotImplementedError

    try:
        with pytest.raises(UsageError) as caught:
            recipes.fast(network=Clash())
    finally:
        del NETWORKS["clash"]
    for name in ("lr", "epochs"):
        assert f"{name} is a field of the network 'clash' and of recipes; rename it" in caught.value.message
    assert "free" not in caught.value.message


def test_validation_is_added_and_removed() -> None:
    assert recipes.book(validation=0.2).validation == Validation(share=0.2, seed=0, rejection_rate=0.005)
    for none in (0, 0.0, None):
        assert recipes.robust(validation=none).validation is None
    assert recipes.robust(validation=0.3).validation == Validation(share=0.3, rejection_rate=0.0025)


def test_whole_parts_may_be_given() -> None:
    recipe = recipes.book(
        network=PatchNet(hidden=9), optimizer=SGD(lr=0.1, momentum=0.9), schedule=StepDecay(lr_decay=0.5),
        augmentation=Augmentation(shift=3), evaluation=Evaluation(), validation=Validation(share=0.1),
    )  # fmt: skip
    assert (recipe.network, recipe.optimizer) == (PatchNet(hidden=9), SGD(lr=0.1, momentum=0.9))
    assert (recipe.schedule, recipe.augmentation) == (StepDecay(lr_decay=0.5), Augmentation(shift=3))
    assert (recipe.evaluation, recipe.validation) == (Evaluation(), Validation(share=0.1))
    assert recipes.book(optimizer=Adam(lr=0.1), lr=0.2).optimizer == Adam(lr=0.2)


@pytest.mark.parametrize(
    ("flat", "problem"),
    [
        ({"momentum": 0.5}, "momentum does not apply to optimizer 'adadelta'"),
        ({"momentum": 0.0}, "momentum does not apply to optimizer 'adadelta'"),
        ({"head_lr": 0.1, "optimizer": "sgd"}, "head_lr does not apply to optimizer 'sgd'"),
        ({"weight_decay": 0.1, "optimizer": "muon"}, "weight_decay does not apply to optimizer 'muon'"),
        ({"warmup": 0.1}, "warmup does not apply to schedule 'constant'"),
        ({"lr_decay": 0.5, "schedule": "one-cycle"}, "lr_decay does not apply to schedule 'one-cycle'"),
        ({"dropout": (0.1, 0.1), "network": "patchnet"}, "dropout does not apply to network 'patchnet'"),
        ({"rejection_rate": 0.1}, "rejection_rate applies only with validation"),
        ({"validation_seed": 1, "validation": 0}, "validation_seed applies only with validation"),
        ({"share": 0.1}, "share is not a field"),
        ({"batchsize": 8}, r"batchsize is not a field \(did you mean 'batch_size'\?\)"),
    ],
)
def test_fields_that_do_not_apply_are_rejected(flat: dict[str, object], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        recipes.book(**flat)


def test_fields_of_an_unknown_kind_are_checked_but_not_called_inapplicable() -> None:
    with pytest.raises(UsageError) as caught:
        recipes.book(optimizer="momentun", momentum=1.5, lr=0.1)
    assert "momentum is 1.5 but must be" in caught.value.message
    assert "apply" not in caught.value.message
    assert "lr is" not in caught.value.message


def test_options_cover_every_flat_field_once() -> None:
    names = [option.name for option in options()]
    assert len(set(names)) == len(names)
    kinds = [("network", kind) for kind in NETWORKS] + [("optimizer", "sgd"), ("schedule", "step")]
    flat = set(recipes.robust().flat()).union(*(recipes.book(**{part: kind}).flat() for part, kind in kinds))
    assert set(names) == flat
    assert names[0] == "name"


def test_options_have_plain_types_help_and_choices() -> None:
    by_name = {option.name: option for option in options()}
    types = {name: option.type for name, option in by_name.items()}
    assert types["epochs"] is types["hidden"] is types["seed"] is int
    assert types["lr"] is types["validation"] is types["momentum"] is float
    assert types["channels"] == tuple[int, ...]
    assert types["mean"] == types["dropout"] == tuple[float, ...]
    assert types["test_each_epoch"] is bool
    assert by_name["optimizer"].choices == ("adadelta", "adam", "adamw", "muon", "rmsprop", "sgd")
    assert by_name["schedule"].choices == ("constant", "one-cycle", "step")
    assert set(by_name["network"].choices) == set(NETWORKS)
    assert by_name["momentum"].help == "Momentum. Only for optimizer muon, rmsprop, sgd."
    assert by_name["rejection_rate"].help.endswith("Only with validation.")
    for option in by_name.values():
        assert option.help[0].isupper(), option
        assert option.help.endswith("."), option
        assert "None" not in option.help
