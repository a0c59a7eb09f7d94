"""How often checkpoints are written."""

import pytest

from penstroke.errors import UsageError
from penstroke.training import CheckpointInterval


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("auto", CheckpointInterval()),
        ("never", CheckpointInterval(never=True)),
        ("0", CheckpointInterval(never=True)),
        ("0s", CheckpointInterval(never=True)),
        ("500", CheckpointInterval(steps=500)),
        ("30s", CheckpointInterval(seconds=30.0)),
        ("2.5s", CheckpointInterval(seconds=2.5)),
        ("0.000000001s", CheckpointInterval(seconds=1e-9)),
        ("100s", CheckpointInterval(seconds=100.0)),
    ],
)
def test_text_is_parsed_and_restored(text: str, expected: CheckpointInterval) -> None:
    assert CheckpointInterval.parse(text) == expected
    assert CheckpointInterval.parse(str(expected)) == expected


@pytest.mark.parametrize("text", ["", "-1", "5m", "s", "1e3", "auto ", "٣", "1.5", "9999999999"])
def test_other_text_is_rejected(text: str) -> None:
    with pytest.raises(UsageError, match=r"checkpoint_every is .*must be a number of steps"):
        CheckpointInterval.parse(text)


def test_the_automatic_interval_keeps_its_share() -> None:
    assert CheckpointInterval(steps=5).due(5, 0, 0)
    assert not CheckpointInterval(steps=5).due(4, 1e9, 0)
    assert CheckpointInterval(seconds=30).due(1, 30, 9)
    assert not CheckpointInterval(seconds=30).due(10**9, 29, 0)
    assert not CheckpointInterval(never=True).due(10**9, 1e9, 0)
    assert CheckpointInterval().due(1, 10, 0.1)
    assert not CheckpointInterval().due(10**9, 9.9, 0)
    assert not CheckpointInterval().due(1, 49, 1.0), "a checkpoint that takes 1 s is due every 50 s"
    assert CheckpointInterval().due(1, 50, 1.0)
