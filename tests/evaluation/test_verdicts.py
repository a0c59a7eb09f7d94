"""Verdicts on models and recipes."""

import json

import numpy as np
import pytest

from penstroke.errors import UsageError
from penstroke.evaluation.verdicts import Entrant, compare_models, compare_recipes


def model(name: str, correct: int, images: int = 1000) -> Entrant:
    return Entrant(name, (np.arange(images) < correct)[None])


def recipe(name: str, correct: dict[int, int], images: int = 1000) -> Entrant:
    return Entrant(name, np.stack([np.arange(images) < count for count in correct.values()]), tuple(correct))


def test_two_models_are_compared_image_by_image() -> None:
    (found,) = compare_models([model("a", 950), model("b", 980)])
    assert found.better == "b"
    assert (found.only_a, found.only_b, found.images) == (0, 30, 1000)
    assert found.difference == pytest.approx(-0.03)
    assert found.verdict == "b is more accurate than a on these 1000 images (p < 0.0001)."
    assert found.evidence.startswith("b minus a: +3.00 points, 95 % interval +2.")
    assert "correct alone on 30 and 0 images; exact McNemar test" in found.evidence
    assert found.interval
    assert found.interval[0] < -0.03 < found.interval[1] < 0
    json.dumps(found.to_json(), allow_nan=False)


def test_equal_models_are_not_distinguishable() -> None:
    (found,) = compare_models([model("a", 950), model("b", 950)])
    assert found.better is None
    assert found.p_value == 1
    assert found.to_json()["interval"] is None
    assert found.verdict == "a and b are not distinguishable on these 1000 images (p = 1)."
    assert found.evidence.startswith("a minus b: 0.00 points, 95 % interval undefined;")


def test_several_comparisons_are_adjusted() -> None:
    found = compare_models([model("a", 950), model("b", 956), model("c", 958)])
    assert [(each.a, each.b) for each in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert found[0].p_value == pytest.approx(2 / 64)
    assert found[0].p_adjusted == pytest.approx(4 / 64)
    assert found[0].better is None, "0.03 alone, 0.06 as one of three"
    assert found[1].better == "c"


def test_recipes_are_compared_by_the_seeds_that_both_have() -> None:
    a = recipe("a", {seed: 950 + seed for seed in range(8)})
    b = recipe("b", {seed: 940 + seed % 3 for seed in (9, 7, 6, 5, 4, 3, 2, 1, 0)})
    (found,) = compare_recipes([a, b])
    assert found.pairs == 8
    assert found.difference == pytest.approx(np.mean([950 + seed - 940 - seed % 3 for seed in range(8)]) / 1000)
    assert found.p_value == pytest.approx(2 / 2**8)
    assert found.verdict == "a is more accurate than b (p = 0.0078)."
    assert found.evidence.endswith("sign-flip test of 8 seeds")


def test_fewer_than_six_seeds_give_no_verdict_but_a_reason() -> None:
    a, b = recipe("a", {0: 990, 1: 991, 2: 992}), recipe("b", {0: 900, 1: 902, 2: 901})
    (found,) = compare_recipes([a, b])
    assert found.better is None
    assert found.interval is None, "it would lie between the smallest and the largest of three differences"
    assert found.verdict == (
        "a and b are not distinguishable (p = 0.25): a two-sided sign-flip test needs 6 seeds, "
        "and they have 3 in common."
    )


def test_recipes_without_common_seeds_are_rejected() -> None:
    with pytest.raises(UsageError, match=r"a \(seeds 0, 1\) and b \(seeds 1, 2\) have 1 seed in common"):
        compare_recipes([recipe("a", {0: 9, 1: 9}), recipe("b", {1: 9, 2: 9})])


def test_an_entrant_summarises_its_models() -> None:
    assert model("a", 500).deviation is None
    found = recipe("a", {0: 900, 1: 910, 2: 920})
    assert found.mean == pytest.approx(0.91)
    assert found.deviation == pytest.approx(0.01)
