"""A small share of each campaign; ``make campaign`` runs them in full."""

from functools import cache

import pytest
from campaigns.run import SUITE, Figures, failures, found


@cache
def figures() -> dict[str, Figures]:
    return found(SUITE, small=True)


@pytest.mark.parametrize("name", SUITE)
def test_a_share_of_the_campaign_finds_nothing(name: str) -> None:
    assert not failures(figures()[name]), figures()[name]
