"""Hostile model files, run folders and state dicts of every kind: the small form of ``campaigns.model_files``."""

import os
from pathlib import Path

import pytest
from campaigns.model_files import all_kinds, by_limits, mutated
from campaigns.model_kinds import good
from campaigns.watch import breaches, watched

from penstroke import runs
from penstroke.errors import ModelError
from penstroke.inference import Classifier
from penstroke.models import unpickle
from penstroke.models.foreign import load_foreign


def test_every_kind_is_refused_in_time_and_touches_nothing_else(tmp_path: Path) -> None:
    outcomes = list(all_kinds(tmp_path))
    assert len(outcomes) > 90
    assert not [(outcome.kind, outcome.wrong) for outcome in outcomes if outcome.wrong]
    for outcome in outcomes:
        assert "Traceback" not in outcome.said
        assert "Error" not in outcome.said, outcome


def test_what_only_limits_can_stop_is_stopped(tmp_path: Path) -> None:
    memory, seconds = by_limits(tmp_path)
    assert not memory.wrong + seconds.wrong
    assert f"more than {unpickle.MEMORY >> 20} MiB of memory" in memory.said
    assert f"takes more than {unpickle.SECONDS:g} s" in seconds.said


def test_mutations_of_a_right_file_are_refused_or_loaded(tmp_path: Path) -> None:
    figures = mutated(500, tmp_path, seed=1)
    assert not figures["wrong"]
    assert figures["refused"] > 300
    assert figures["loaded"] > 0


def test_the_watch_sees_what_must_not_be(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "a").write_bytes(b"")
    with watched() as events:
        (inside / "a").open().close()
        assert not breaches(events, inside)
        outside.open().close()
        eval("1 + 1")  # what is evaluated is told as `compile` and `exec`
    assert [what.split()[0] for what in breaches(events, inside)] == ["opened", "compile", "exec"]


def test_links_within_a_folder_are_followed(tmp_path: Path) -> None:
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "model.safetensors").write_bytes(good())
    (tmp_path / "best.safetensors").symlink_to("book/model.safetensors")
    (tmp_path / "latest").symlink_to("book")
    assert Classifier.load(tmp_path / "best.safetensors").description.classes[0] == "0"
    assert Classifier.load(tmp_path / "latest" / "model.safetensors").description.classes[0] == "0"


def test_a_folder_of_hostile_runs_is_listed_without_them(tmp_path: Path) -> None:
    (tmp_path / "good").mkdir()
    (tmp_path / "good" / "run.json").write_text('{"created": "2026"}')
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe" / "run.json")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "run.json").symlink_to("../good/run.json")
    assert [run.path.name for run in runs.list_runs(tmp_path)] == ["good"]
    assert runs.list_runs(tmp_path / "good" / "run.json") == []
    with pytest.raises(ModelError, match="has no model"):
        Classifier.load(tmp_path / "pipe" / ".." / "good")


def test_a_name_too_long_for_any_file_is_a_missing_run() -> None:
    with pytest.raises(ValueError, match="no run folder"):
        Classifier.load("a" * 5000)


def test_the_process_that_opens_foreign_weights_can_do_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "hole.py"
    # As if weights_only had a hole: the program itself tries to run a command once it is locked.
    text = Path(unpickle.__file__).read_text(encoding="utf-8")
    hole = f"import os; os.system('touch {tmp_path}/mark')"
    program.write_text(
        text.replace("    try:\n        content = save(", f"    try:\n        {hole}\n        content = save(")
    )
    monkeypatch.setattr(unpickle, "__file__", str(program))
    (tmp_path / "a.pth").write_bytes(b"x")
    with pytest.raises(ModelError, match="asks for more than a file of tensors needs"):
        load_foreign(tmp_path / "a.pth")
    assert not (tmp_path / "mark").exists()
