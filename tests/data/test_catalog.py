import re
from typing import Any

import pytest

from penstroke.data.catalog import CARDS, card, local_card
from penstroke.errors import UsageError


def test_every_documented_dataset_has_a_card() -> None:
    emnist = {f"emnist-{part}" for part in ("byclass", "bymerge", "balanced", "letters", "digits", "mnist")}
    assert set(CARDS) == {"mnist", "mnist5k", "fashion-mnist", "kmnist", "qmnist"} | emnist


@pytest.mark.parametrize("known", CARDS.values(), ids=lambda known: known.name)
def test_a_card_is_complete(known: Any) -> None:
    assert CARDS[known.name] is known
    assert len(set(known.classes)) == len(known.classes) >= 10
    assert known.image_shape == (1, 28, 28)
    assert known.preprocessing in ("digit", "letterbox")
    assert known.licence
    assert "@" in known.citation
    assert all(mirror.startswith("https://") and mirror.endswith("/") for mirror in known.mirrors)
    assert bool(known.files) == bool(known.mirrors)
    for file in known.files:
        assert re.fullmatch("[0-9a-f]{64}", file.sha256)
        assert file.size > 1000


def test_emnist_has_the_published_numbers_of_classes() -> None:
    counts = {"byclass": 62, "bymerge": 47, "balanced": 47, "letters": 26, "digits": 10, "mnist": 10}
    assert {name: len(card(f"emnist-{name}").classes) for name in counts} == counts
    assert "".join(card("emnist-balanced").classes[36:]) == "abdefghnqrt"


def test_an_unknown_card_is_rejected_with_a_suggestion() -> None:
    with pytest.raises(UsageError, match=r"'fashion_mnist'.*Did you mean 'fashion-mnist'"):
        card("fashion_mnist")


@pytest.mark.parametrize(
    ("shape", "preprocessing", "expected"),
    [
        ((1, 28, 28), None, "digit"),
        ((1, 28, 28), "letterbox", "letterbox"),
        ((3, 28, 28), None, "letterbox"),
        ((1, 32, 32), None, "letterbox"),
        ((1, 32, 32), "digit", "digit"),
    ],
)
def test_the_preprocessing_of_a_local_card(shape: Any, preprocessing: Any, expected: str) -> None:
    assert local_card("a", "A", ("x", "y"), shape, preprocessing).preprocessing == expected


def test_an_unknown_preprocessing_is_rejected() -> None:
    with pytest.raises(UsageError, match=r"'digits', which is unknown.*Did you mean 'digit'"):
        local_card("a", "A", ("x", "y"), (1, 28, 28), "digits")
