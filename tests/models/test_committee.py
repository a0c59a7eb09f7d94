"""The description and the weights of a committee."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from penstroke.errors import ModelError, UsageError
from penstroke.models import Calibration, Description, module_from
from penstroke.models.committee import committee_description, committee_weights

Describe = Callable[..., Description]


def calibration(threshold: float) -> Calibration:
    return Calibration(threshold=threshold, images=100, rejected=1, wrong=1)


def test_the_threshold_is_the_mean_of_those_of_calibrated_members(describe: Describe) -> None:
    two = {name: describe(calibration=calibration(value)) for name, value in (("a", 0.4), ("b", 0.5))}
    joined = committee_description(two)
    assert joined.calibration == Calibration(threshold=0.45, images=0, rejected=0, wrong=0)
    assert committee_description(two | {"c": describe()}).calibration is None
    assert joined.trained["members"] == ["a", "b"]


def test_what_the_trainings_have_in_common_is_kept(describe: Describe) -> None:
    values = [{"epochs": 2, "recipe": {"seed": seed, "name": "book"}, "data": {"source": "mnist"}} for seed in (0, 1)]
    joined = committee_description({str(number): describe(trained=value) for number, value in enumerate(values)})
    expected = {"epochs": 2, "recipe": {"name": "book"}, "data": {"source": "mnist"}, "members": ["0", "1"]}
    assert joined.trained == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": tuple("abcdefghij")}, "The classes of first and second differ: 0, 1, 2, .*, and a, b, c"),
        ({"classes": tuple("1023456789")}, "The classes of first and second differ"),
        ({"image_shape": (1, 32, 32)}, "The images of first and second differ: 1, 28, 28, and 1, 32, 32"),
        ({"preprocessing": "crop"}, "The preparation of pictures of first and second differ: digit, and crop"),
    ],
)
def test_members_that_do_not_fit_are_rejected(describe: Describe, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        committee_description({"first": describe(), "second": describe(**change)})


def test_a_committee_cannot_be_a_member_and_one_model_is_none(describe: Describe) -> None:
    joined = committee_description({"a": describe(), "b": describe()})
    with pytest.raises(ModelError, match="both is a committee"):
        committee_description({"both": joined, "a": describe()})
    with pytest.raises(UsageError, match="2 to 64 different members; 1 are given"):
        committee_description({"a": describe()})


def test_temperatures_of_members_are_kept_and_checked(describe: Describe) -> None:
    from penstroke.models import weights_of

    spec = describe()
    network = spec.network.build(spec.image_shape, len(spec.classes), spec.mean, spec.std)
    calibrated = weights_of(network.with_temperature(2.0))
    joined = committee_description({"a": spec, "b": spec})
    weights = committee_weights([calibrated, weights_of(network)], 1)
    temperatures = [float(weights[f"members.{number}.calibration.temperature"]) for number in (0, 1)]
    assert temperatures == [2.0, 1.0]
    assert module_from(joined, weights).get_buffer("members.0.calibration.temperature").item() == 2.0
    weights["members.1.calibration.temperature"] = np.array(0.0, np.float32)
    with pytest.raises(ModelError, match="The temperature is 0 but"):
        module_from(joined, weights)
