"""``penstroke test``: the figures, the stored evaluation, and which run is taken."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstroke import Classifier, runs
from penstroke.data import Dataset
from penstroke.errors import StorageError
from penstroke.models.description import Calibration

Penstroke = Callable[..., Any]


def test_the_default_is_the_latest_run_with_its_own_data(penstroke: Penstroke, at_home: Path) -> None:
    done = penstroke("test")
    assert done.code == 0
    assert "runs/book on mnist5k:" in done.out
    found = penstroke("test", "runs/book", "--json").json
    assert {"run", "data", "total", "correct", "accuracy", "accuracy_ci95", "loss", "per_class"} <= found.keys()
    assert found["total"] == 1000
    assert found["abstained"] == 0
    assert found["accuracy"] == found["correct"] / 1000 > 0.85
    low, high = found["accuracy_ci95"]
    assert low < found["accuracy"] < high
    recorded = json.loads((at_home / "runs/book/run.json").read_text())["epochs"][-1]["test"]
    assert found["correct"] == recorded["correct"]
    assert found["loss"] == pytest.approx(recorded["loss"], rel=1e-6)


def test_the_evaluation_is_stored_in_the_run(penstroke: Penstroke, at_home: Path, sample: Dataset) -> None:
    found = penstroke("test", "--json").json
    run = runs.Run(at_home / "runs/book")
    assert runs.list_evaluations(run) == ["mnist5k"]
    stored = runs.read_evaluation(run, "mnist5k")
    assert stored.log_probs.shape == (1000, 10)
    assert np.array_equal(stored.labels, sample.test.labels)
    assert (stored.log_probs.argmax(1) == stored.labels).sum() == found["correct"]
    assert stored.values["loss"] == found["loss"]
    assert stored.values["data"] == "mnist5k"
    assert len(stored.values["fingerprint"]) == 64


def test_a_run_that_cannot_be_written_is_tested(
    penstroke: Penstroke, at_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*arguments: object) -> None:
        raise StorageError("Cannot write: read-only.")

    monkeypatch.setattr(runs, "save_evaluation", read_only)
    done = penstroke("test")
    assert done.code == 0
    assert "note: the evaluation is not stored in the run: Cannot write: read-only." in done.err


def test_abstentions_are_reported(penstroke: Penstroke, at_home: Path, tmp_path: Path) -> None:
    known = Classifier.load("runs/book")
    calibration = Calibration(threshold=0.9, images=10, rejected=0, wrong=0)
    strict = dataclasses.replace(known.description, calibration=calibration)
    Classifier(known.backend, strict).save(tmp_path / "strict.safetensors")
    found = penstroke("test", tmp_path / "strict.safetensors", "--json").json
    assert 0 < found["abstained"] < 1000
    assert found["correct"] == penstroke("test", "--json").json["correct"]
    assert (
        f"the model abstains on {found['abstained']} images" in penstroke("test", tmp_path / "strict.safetensors").out
    )


def test_newer_runs_without_a_model_are_reported(
    penstroke: Penstroke, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(home / "runs/book", "runs/book")
    runs.create("killed", {}, Path("runs/killed"))
    failed = runs.create("failed", {}, Path("runs/failed"))
    failed.update(state="failed", error={"kind": "model", "message": "Too little memory.", "remedy": ""})
    done = penstroke("test")
    assert done.code == 0
    assert "runs/book on mnist5k:" in done.out
    assert "note: the newer run runs/failed is skipped: it failed: Too little memory" in done.err
    assert "note: the newer run runs/killed is skipped: it has no model" in done.err
    assert "skipped" not in penstroke("test", "runs/book").err
