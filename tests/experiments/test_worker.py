"""Worker processes: they end with the program that started them, and a run is trained by one of them at a time."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from penstroke import recipes, runs
from penstroke.errors import RunError
from penstroke.experiments import worker
from penstroke.experiments.source import Source


def test_a_worker_that_waits_for_an_answer_ends_when_its_input_is_closed(tmp_path: Path) -> None:
    recipe = recipes.book(epochs=2, batch_size=50, hidden=4, validation=0.2, test_each_epoch=False)
    task = {
        "recipe": recipe.to_json(),
        "path": str(tmp_path / "run"),
        "source": Source("mnist5k", 300).to_json(),
        "device": "cpu",
        "threads": 1,
        "epochs": True,
    }
    with subprocess.Popen(
        [sys.executable, "-m", "penstroke.experiments.worker"], stdin=-1, stdout=-1, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(task) + "\n")
        process.stdin.flush()
        assert "epoch" in json.loads(process.stdout.readline())
        process.stdin.close()
        try:
            assert process.wait(timeout=60) == 0
        finally:
            process.kill()


def test_a_run_that_another_process_begins_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "PATIENCE", 0.2)
    recipe = recipes.book(epochs=1, batch_size=50, hidden=4)
    task = {"recipe": recipe.to_json(), "path": str(tmp_path / "run"), "device": "cpu", "epochs": False}
    task["source"] = Source("mnist5k", 300).to_json()
    with worker.reserved(tmp_path / "run"), pytest.raises(RunError, match="is being trained by another process"):
        worker.train_one(task, [])
    assert not (tmp_path / "run").exists()
    worker.train_one(task, [])
    assert runs.Run(tmp_path / "run").finished
