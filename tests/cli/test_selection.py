"""``penstroke train`` with --keep, --patience and --track."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.small import files_below

Penstroke = Callable[..., Any]
SHORT = ["train", "--data", "mnist5k", "--channels", "2", "3", "--hidden", "8", "--batch-size", "200", "--threads", "1"]


def test_the_best_epoch_is_kept_and_named(
    penstroke: Penstroke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # The learning rate is so high that the loss falls only by chance.
    options = ["--validation", "0.1", "--keep", "best", "--patience", "1", "--epochs", "9", "--lr", "300"]
    done = penstroke(*SHORT, *options, "--no-test-each-epoch")
    assert done.code == 0, done.err
    record = json.loads(Path("runs/book/run.json").read_text())
    assert record["state"] == "finished"
    assert record["kept_epoch"] == len(record["epochs"]) - 1 < 8
    assert f"kept: the weights of epoch {record['kept_epoch']}, which has the lowest validation loss" in done.out
    found = penstroke("train", "--resume", "runs/book", "--json")
    assert "nothing to resume" in found.err
    assert found.json["kept_epoch"] == record["kept_epoch"]
    assert found.json["recipe"]["keep"] == "best"


def test_selection_without_validation_and_unusable_trackers_leave_nothing(
    penstroke: Penstroke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    cases = [
        (["--keep", "best"], "keep is 'best' but there are no validation images to select by"),
        (["--patience", "2"], "patience is 2 but there are no validation images to select by"),
        (["--keep", "worst"], "--keep is 'worst', which is unknown.\n  Known: average, best, last."),
        (["--track", "wandb"], "--track is 'wandb', which is unknown.\n  Known: mlflow, tensorboard."),
        (["--track", "mlflow"], "MLFLOW_TRACKING_URI is not set.\n  Start `mlflow server`"),
    ]
    for options, message in cases:
        done = penstroke(*SHORT, *options)
        assert (done.code, message in done.err) == (2, True), done
    assert not files_below(tmp_path)


def test_a_training_is_tracked(penstroke: Penstroke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = penstroke(*SHORT, "--epochs", "1", "--track", "tensorboard", "--track", "tensorboard")
    assert done.code == 0, done.err
    assert len(list(Path("runs/book/tensorboard").glob("events.*"))) == 1
