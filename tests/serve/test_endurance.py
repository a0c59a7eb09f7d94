"""Many slow clients, and memory in long use: small versions, and campaigns."""

import asyncio
import os
import resource
from pathlib import Path

import pytest
from support.server import Server, running_server

from benchmarks.serving_clients import slow_clients, soak

SOAK_SECONDS = float(os.environ.get("PENSTROKE_SOAK_SECONDS", "3600"))
"""Duration of the campaign."""


def test_slow_clients_are_counted_and_do_not_disturb_others(server: Server, digits: list[bytes]) -> None:
    found = asyncio.run(slow_clients(server.port, digits, 40, 20, 9.5, 1))
    assert set(found["during"]) == {"200"}
    assert found["closed_after"]
    assert found["reasons"]['reason="request-timeout"'] == 20
    assert found["reasons"]['reason="not-read"'] == 10
    assert found["reasons"]['reason="no-request"'] == 10


@pytest.mark.campaign
def test_a_thousand_slow_clients(tmp_path: Path, digits: list[bytes]) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    with running_server(tmp_path) as server:
        found = asyncio.run(slow_clients(server.port, digits, 1000, 100))
    print(found)
    assert set(found["during"]) == {"200"}
    assert found["closed_after"] < 10
    assert found["during"]["200"]["p99"] <= 2 * found["before"]["200"]["p99"]


def test_requests_of_all_kinds_do_not_grow_the_memory(server: Server, digits: list[bytes]) -> None:
    found = asyncio.run(soak(server.port, server.process.pid, digits, 3))
    assert set(found["statuses"]) <= {"200", "404", "422", "503"}
    assert found["requests"] > 100
    assert found["last_mb"] - found["first_mb"] < 30


@pytest.mark.campaign
def test_an_hour_of_use(tmp_path: Path, digits: list[bytes]) -> None:
    with running_server(tmp_path) as server:
        found = asyncio.run(soak(server.port, server.process.pid, digits, SOAK_SECONDS))
    print(found)
    assert set(found["statuses"]) <= {"200", "404", "422", "503"}
    assert found["mb_per_100000"] < 1
