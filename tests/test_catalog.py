import re
import subprocess
import sys
from typing import Any

import pytest

from penstroke.data.catalog import CARDS, RemoteFile, card
from penstroke.errors import UsageError


def test_every_promised_dataset_has_a_card() -> None:
    emnist = {f"emnist-{part}" for part in ("byclass", "bymerge", "balanced", "letters", "digits", "mnist")}
    assert set(CARDS) == {"mnist", "mnist5k", "fashion-mnist", "kmnist", "qmnist"} | emnist


@pytest.mark.parametrize("known", CARDS.values(), ids=str)
def test_a_card_is_whole(known: Any) -> None:
    assert CARDS[known.name] is known
    assert len(set(known.classes)) == len(known.classes) >= 10
    assert known.image_shape == (1, 28, 28)
    assert known.picture_rule in ("digit", "letterbox")
    assert known.licence
    assert "@" in known.citation
    assert all(mirror.startswith("https://") and mirror.endswith("/") for mirror in known.mirrors)
    assert bool(known.files) == bool(known.mirrors)
    for file in known.files:
        assert re.fullmatch("[0-9a-f]{64}", file.sha256 or "")
        assert file.size == file.cap > 1000


def test_emnist_has_the_published_numbers_of_classes() -> None:
    counts = {"byclass": 62, "bymerge": 47, "balanced": 47, "letters": 26, "digits": 10, "mnist": 10}
    assert {name: len(card(f"emnist-{name}").classes) for name in counts} == counts
    assert "".join(card("emnist-balanced").classes[36:]) == "abdefghnqrt"


def test_a_file_of_unknown_size_has_a_cap() -> None:
    assert RemoteFile("a", None, None, "0" * 32, max_size=5).cap == 5


def test_an_unknown_card_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"'fashion_mnist'.*Did you mean 'fashion-mnist'"):
        card("fashion_mnist")


def test_the_catalogue_needs_no_torch() -> None:
    program = "import sys, penstroke.data, penstroke.data.catalog; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
