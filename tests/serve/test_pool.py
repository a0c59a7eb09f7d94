"""The queue of the pool: bursts may wait longer than a lasting overload."""

import asyncio

import pytest

from penstroke.serve import pool as pool_module
from penstroke.serve.pool import BURST_FACTOR, MIN_QUEUE, Pool
from penstroke.serve.problems import Problem
from penstroke.serve.settings import Settings

SECONDS = 0.01
"""Time of a picture."""


class BusyPool(Pool):
    """A pool whose workers are busy for ever."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, lambda *_, **__: None)
        self._seconds = SECONDS
        self._workers = {object()}  # type: ignore[arg-type]  # they get no work


def accepted(pool: Pool, count: int) -> int:
    """Return how many of so many requests are accepted."""
    found, codes = 0, set()
    for _ in range(count):
        try:
            pool.submit("predict", b"picture")
        except Problem as problem:
            codes.add(problem.code)
        else:
            found += 1
    assert codes <= {"overloaded"}
    return found


def test_a_burst_may_wait_longer_than_an_overload(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(workers=1, max_wait=0.5, max_queue=10_000)

    async def fill() -> tuple[int, int]:
        burst = accepted(BusyPool(settings), 1000)
        monkeypatch.setattr(pool_module, "BURST_SECONDS", 0.0)
        return burst, accepted(BusyPool(settings), 1000)

    burst, overload = asyncio.run(fill())
    assert overload == round(0.5 / SECONDS) + 1
    assert burst == round(0.5 * BURST_FACTOR / SECONDS) + 1


def test_the_queue_has_a_limit_and_a_few_requests_always_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "BURST_SECONDS", 0.0)

    async def fill(settings: Settings) -> int:
        return accepted(BusyPool(settings), 200)

    assert asyncio.run(fill(Settings(workers=1, max_wait=10, max_queue=40))) == 40
    assert asyncio.run(fill(Settings(workers=1, max_wait=0.001))) == MIN_QUEUE
