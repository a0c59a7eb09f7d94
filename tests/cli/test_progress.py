"""The progress of decoding on stderr."""

import sys
from typing import Any

import pytest

from penstroke.cli import progress
from penstroke.data.transfer import PICTURES


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return a list with the time that the progress reads."""
    now = [0.0]
    monkeypatch.setattr("penstroke.cli.progress.time.monotonic", lambda: now[0])
    return now


def decode(clock: list[float], seconds: float) -> None:
    shown = progress.Downloads()
    for done in range(0, 101, 10):
        clock[0] += seconds / 10
        shown(PICTURES, done, 100)


@pytest.mark.parametrize(("seconds", "lines"), [(4.0, []), (20.0, ["30", "60", "90"])])
def test_long_decoding_prints_lines(
    clock: list[float], capsys: pytest.CaptureFixture[str], seconds: float, lines: list[str]
) -> None:
    decode(clock, seconds)
    assert capsys.readouterr().err.splitlines() == [f"{done} of 100 pictures decoded" for done in lines]


def test_decoding_draws_a_bar_on_a_terminal(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    bars: list[Any] = []

    class Bar:
        task_ids = (0,)

        def __init__(self) -> None:
            self.calls: list[str] = []
            bars.append(self)

        def __getattr__(self, name: str) -> Any:
            return lambda *_, **__: self.calls.append(name)

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(progress, "progress_bar", lambda _: Bar())
    decode(clock, 0.4)
    assert bars == []
    decode(clock, 2.0)
    assert [bar.calls[:2] + bar.calls[-2:] for bar in bars] == [["add_task", "start", "update", "stop"]]
