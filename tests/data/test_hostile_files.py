"""Short forms of the campaigns on data: fuzzing of IDX files, a race of downloading processes, truncated downloads."""

import os
from pathlib import Path

import pytest
from campaigns import fetch_race
from campaigns.guided import by_chance
from campaigns.idx_fuzz import large
from campaigns.targets import CORPUS, TARGETS

from penstroke.data.idx import read_idx
from penstroke.errors import DataError


def test_the_corpus_and_its_mutations_raise_only_penstroke_errors() -> None:
    figures = by_chance("idx", 3000, seed=1)
    assert not figures["wrong"]
    assert figures["rejected"] > figures["accepted"] > 0


def test_the_corpus_is_small_and_belongs_to_the_targets() -> None:
    files = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert {path.parent.name for path in files} == set(TARGETS)
    assert sum(path.stat().st_size for path in files) < 300_000


def test_files_that_are_constructed_to_take_long_are_rejected_early() -> None:
    messages = {name: found["message"] for name, found in large(1 << 20).items()}
    assert all(messages.values())
    # Reading one member after the other would take long on any machine.
    assert all("bytes follow its end" in messages[name] for name in ("empty members", "members of a byte"))


def test_a_pipe_and_a_device_are_rejected(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(DataError, match="is a pipe, a device or a socket"):
            read_idx(path)


def test_processes_that_download_at_once_continue_after_the_first_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PENSTROKE_MIRROR", "PENSTROKE_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    figures = fetch_race.race(rounds=2, processes=4)
    assert figures["wrong"] == []
    assert figures["killed"] == 1
    assert figures["results"] == {"right": 7}


def test_a_body_truncated_at_any_byte_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PENSTROKE_OFFLINE", raising=False)
    monkeypatch.setenv("PENSTROKE_DATA", "")  # so that the value that `cuts` sets is undone
    assert fetch_race.cuts(bytes(range(60))) == {"tried": 120, "wrong": []}
