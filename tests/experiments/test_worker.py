"""A worker process ends when the program that started it is gone."""

import json
import subprocess
import sys
from pathlib import Path

from penstroke import recipes
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
    ) as worker:
        assert worker.stdin
        assert worker.stdout
        worker.stdin.write(json.dumps(task) + "\n")
        worker.stdin.flush()
        assert "epoch" in json.loads(worker.stdout.readline())
        worker.stdin.close()
        try:
            assert worker.wait(timeout=60) == 0
        finally:
            worker.kill()
