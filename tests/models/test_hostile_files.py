"""Hostile model files, run folders and state dicts of every kind: the short form of ``campaigns.model_files``."""

from pathlib import Path

import pytest
from campaigns.model_files import accepted, all_kinds, by_limits, mutated
from campaigns.model_kinds import good
from campaigns.watch import breaches, watched

from penstroke.errors import ModelError
from penstroke.inference import Classifier
from penstroke.models import unpickle
from penstroke.models.third_party import load_third_party


def test_every_kind_is_rejected_in_time_without_side_effects(tmp_path: Path) -> None:
    outcomes = list(all_kinds(tmp_path))
    assert len(outcomes) > 90
    assert not [(outcome.kind, outcome.wrong) for outcome in outcomes if outcome.wrong]
    for outcome in outcomes:
        assert "Traceback" not in outcome.message
        assert "Error" not in outcome.message, outcome


def test_unusual_valid_files_are_accepted(tmp_path: Path) -> None:
    outcomes = list(accepted(tmp_path))
    assert outcomes
    assert not [(outcome.kind, outcome.wrong) for outcome in outcomes if outcome.wrong]


def test_files_that_only_limits_can_stop_are_rejected(tmp_path: Path) -> None:
    memory, seconds = by_limits(tmp_path)
    assert not memory.wrong + seconds.wrong
    assert f"more than {unpickle.MEMORY >> 20} MiB of memory" in memory.message
    assert f"takes more than {unpickle.SECONDS:g} s" in seconds.message


def test_mutations_of_a_valid_file_are_rejected_or_loaded(tmp_path: Path) -> None:
    figures = mutated(500, tmp_path, seed=1)
    assert not figures["wrong"]
    assert figures["rejected"] > 300
    assert figures["loaded"] > 0


def test_the_watch_detects_breaches(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "a").write_bytes(b"")
    with watched() as events:
        (inside / "a").open().close()
        assert not breaches(events, inside)
        outside.open().close()
        eval("1 + 1")  # reported as `compile` and `exec`
    assert [breach.split()[0] for breach in breaches(events, inside)] == ["opened", "compile", "exec"]


def test_links_within_a_folder_are_followed(tmp_path: Path) -> None:
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "model.safetensors").write_bytes(good())
    (tmp_path / "best.safetensors").symlink_to("book/model.safetensors")
    (tmp_path / "latest").symlink_to("book")
    assert Classifier.load(tmp_path / "best.safetensors").description.classes[0] == "0"
    assert Classifier.load(tmp_path / "latest" / "model.safetensors").description.classes[0] == "0"


def test_the_process_that_opens_third_party_weights_is_restricted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "vulnerable.py"
    # Simulates a vulnerability of weights_only: the program runs a command after it is locked.
    text = Path(unpickle.__file__).read_text(encoding="utf-8")
    attack = f"import os; os.system('touch {tmp_path}/mark')"
    changed = text.replace("    try:\n        content = save(", f"    try:\n        {attack}\n        content = save(")
    assert changed != text
    program.write_text(changed)
    monkeypatch.setattr(unpickle, "__file__", str(program))
    (tmp_path / "a.pth").write_bytes(b"x")
    with pytest.raises(ModelError, match="needs more permissions than a file of tensors does"):
        load_third_party(tmp_path / "a.pth")
    assert not (tmp_path / "mark").exists()
