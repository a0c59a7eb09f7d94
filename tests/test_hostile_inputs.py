"""The small forms of the campaigns: kept inputs, fuzzing by chance, a race of processes, mutated pictures."""

import json
import os
import random
from pathlib import Path

import pytest
from campaigns import fetch_race, picture_fuzz, supply_chain
from campaigns.guided import by_chance
from campaigns.idx_fuzz import large
from campaigns.model_kinds import good
from campaigns.targets import CORPUS, TARGETS

from penstroke import cli
from penstroke.data.idx import read_idx
from penstroke.errors import DataError


@pytest.mark.parametrize(("name", "runs"), [("idx", 3000), ("run", 300), ("model", 300)])
def test_kept_inputs_and_mutations_bring_nothing_but_our_error(name: str, runs: int) -> None:
    figures = by_chance(name, runs, seed=1)
    assert not figures["wrong"]
    assert figures["refused"] > figures["taken"] > 0


def test_the_corpus_is_small_and_belongs_to_targets() -> None:
    files = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert {path.parent.name for path in files} == set(TARGETS)
    assert sum(path.stat().st_size for path in files) < 300_000


def test_what_is_made_to_take_long_is_refused_at_once() -> None:
    said = {name: found["said"] for name, found in large(1 << 20).items()}
    assert all(said.values())
    # Member by member would take long, whatever the machine.
    assert all("bytes follow its end" in said[name] for name in ("empty members", "members of a byte"))


def test_a_pipe_and_a_device_are_no_data(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(DataError, match="it is a pipe, a device or a socket"):
            read_idx(path)


def test_processes_that_fetch_at_once_survive_the_death_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PENSTROKE_MIRROR", "PENSTROKE_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    figures = fetch_race.race(rounds=2, processes=4)
    assert figures["wrong"] == []
    assert figures["killed"] == 1
    assert figures["results"] == {"right": 7}


def test_a_body_cut_at_any_byte_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTROKE_DATA", "")  # set back after what the trial makes of it
    assert fetch_race.cuts(bytes(range(60))) == {"tried": 120, "wrong": []}


def test_mutated_pictures_bring_nothing_but_our_error() -> None:
    figures = picture_fuzz.fuzz(170, seed=1)
    assert not figures["wrong"]
    assert figures["outcomes"]["refused"] > 30
    assert figures["outcomes"]["fitted"] > 15


def test_of_a_thousand_pictures_the_three_broken_are_named_and_the_rest_answered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.safetensors").write_bytes(good(size=28))
    pictures = picture_fuzz.on_the_disk(tmp_path, count=1000, broken=3)
    code = cli.run(["predict", str(tmp_path / "model.safetensors"), *map(str, pictures), "--json"])
    answers = json.loads(capsys.readouterr().out)
    assert code == DataError.exit_code
    assert [answer["file"] for answer in answers] == [str(path) for path in pictures]
    assert [str(path) in answers[i]["error"]["message"] for i, path in enumerate(pictures[:3])] == [True] * 3
    assert all(answer["label"] in "0123456789" for answer in answers[3:])


def test_bombs_folders_and_addresses_are_refused_by_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.safetensors").write_bytes(good(size=28))
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(picture_fuzz.bomb(10_000))
    named = picture_fuzz.on_the_disk(tmp_path, count=1, broken=0)[0].rename(tmp_path / "picture.txt")
    words = [bomb, tmp_path, "https://example.org/a.png", named]
    code = cli.run(["predict", str(tmp_path / "model.safetensors"), *map(str, words), "--json"])
    big, folder, address, fine = json.loads(capsys.readouterr().out)
    assert code == DataError.exit_code
    assert "50 megapixels are allowed" in big["error"]["message"]
    assert "is a folder" in folder["error"]["message"]
    assert "is a web address" in address["error"]["message"]
    assert fine["label"] is not None


def test_mutations_are_the_same_for_the_same_seed() -> None:
    data = picture_fuzz.seeds()["PNG"]
    assert picture_fuzz.mutate(data, random.Random(3)) == picture_fuzz.mutate(data, random.Random(3))


def test_an_audit_without_an_answer_is_not_passed() -> None:
    clean = {"name": "a", "version": "1", "vulns": []}
    holed = {"name": "b", "version": "2", "vulns": [{"id": "CVE-1"}]}
    skipped = {"name": "c", "skip_reason": "not found"}
    cases = [([clean], 1, 0), ([clean, skipped], 2, 3), ([clean, holed, skipped], 3, 5), ([clean], 2, 3)]
    for parts, pinned, code in cases:
        judged = supply_chain.judge(json.dumps({"dependencies": parts}), "", pinned)
        assert judged[0] == code
        assert judged[1].startswith("passed" if code == 0 else "NOT PASSED")
    assert supply_chain.judge("", "ConnectionError: no network", 1) == (
        supply_chain.NO_ANSWER,
        "NOT PASSED: the index of known holes gave no answer (ConnectionError: no network)",
    )
