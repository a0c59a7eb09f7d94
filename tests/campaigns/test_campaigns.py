"""Campaigns: a small fraction of each in the ordinary tests, and all of them in full with ``pytest -m campaign``.

With the environment variable ``SAVE_CAMPAIGNS=1``, full campaigns write their figures to ``benchmarks/results``.
"""

import os
from functools import cache

import pytest

from campaigns.run import HOSTILE, SMALL, TRAINING, Figures, failures, run, save


@cache
def small_figures() -> dict[str, Figures]:
    return run(SMALL, small=True)


@pytest.mark.parametrize("name", SMALL)
def test_a_small_campaign_finds_no_failure(name: str) -> None:
    assert not failures(name, small_figures()[name]), small_figures()[name]


@pytest.mark.campaign
@pytest.mark.parametrize("name", [*TRAINING, *HOSTILE])
def test_a_full_campaign_finds_no_failure(name: str) -> None:
    figures = run([name])[name]
    if os.environ.get("SAVE_CAMPAIGNS"):
        save(name, figures)
    assert not failures(name, figures), figures


def test_failures_are_found_in_figures() -> None:
    assert failures("kills", {"kills": 3, "unequal": 1}) == ["unequal: 1"]
    assert failures("cost", {"share": 0.03}) == ["share: 0.03"]
    assert not failures("cost", {"share": 0.01})
    assert failures("pictures", {"wrong": ["a"], "slowest_s": 9}) == ["a", "a file took 9 s"]
