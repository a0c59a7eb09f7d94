"""``penstroke train``: recipes, output, exit codes and signals."""

import importlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from penstroke import recipes, runs, runtime

Penstroke = Callable[..., Any]

SHORT = ["--data", "mnist5k", "--epochs", "1", "--batch-size", "500", "--threads", "1"]


def test_progress_is_on_stderr_and_results_are_on_stdout(home: Path) -> None:
    out, err = (home / "train.out").read_text(), (home / "train.err").read_text()
    assert "epoch 1 [250/4000 (6 %)] training loss" in err
    assert "epoch 1 [4000/4000 (100 %)] training loss" in err
    assert "epoch 1: training loss" in out
    assert "/1000 correct (" in out
    assert "test image 0: prediction" in out
    assert "run: " in out
    assert "not measured" not in out
    assert (home / "runs/book/pictures/sample.png").is_file()


@pytest.mark.parametrize("shortest", [0.0, 1e6])
def test_curves_are_drawn_after_a_long_training(
    shortest: float, penstroke: Penstroke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.import_module("penstroke.cli.train"), "CURVES_FROM", shortest)
    done = penstroke("train", "fast", *SHORT, "--out", tmp_path / "a")
    assert done.code == 0, done.err
    drawn = tmp_path / "a/pictures/curves.png"
    if shortest == 0:
        assert f"curves: {drawn}\n" in done.out
        with Image.open(drawn) as picture:
            assert picture.format == "PNG"
    else:
        assert "curves:" not in done.out
        assert not (tmp_path / "a/pictures").exists()


def test_a_short_training_does_not_import_matplotlib(tmp_path: Path) -> None:
    code = f"""
import atexit, sys
from penstroke.cli import main
slow = ("matplotlib", "scipy.stats", "sklearn", "pandas", "skimage", "requests", "torch._dynamo")
atexit.register(lambda: print("slow:", [name for name in slow if name in sys.modules]))
main(["train", "fast", *{SHORT!r}])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "slow: []" in done.stdout
    assert runs.open_run(tmp_path / "runs/fast").finished
    assert not (tmp_path / "runs/fast/pictures").exists()


def test_json_has_the_documented_keys(penstroke: Penstroke, tmp_path: Path) -> None:
    done = penstroke("train", "--data", "mnist5k", "--batch-size", 500, "--out", tmp_path / "a", "--json")
    assert done.code == 0
    found = done.json
    assert {"run", "recipe", "data", "epochs", "seconds"} <= found.keys()
    assert [row["epoch"] for row in found["epochs"]] == [1, 2]
    for row in found["epochs"]:
        assert {"epoch", "train_loss", "test", "seconds"} <= row.keys()
        assert row["test"].keys() == {"loss", "correct", "total", "accuracy"}
    assert found["recipe"]["batch_size"] == 500
    assert found["data"]["name"] == "mnist5k"
    assert Path(found["run"]).is_dir()


def test_fields_of_the_recipe_are_options(
    penstroke: Penstroke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured = []
    monkeypatch.setattr(
        runtime, "configure", lambda threads, *, tune: configured.append({"threads": threads, "tune": tune})
    )
    done = penstroke(
        "train", "book", "--data", "mnist5k", "--epochs", 1, "--batch-size", 250, "--optimizer", "adamw", "--lr", 0.002,
        "--schedule", "one-cycle", "--channels", 4, 8, "--hidden", 16, "--validation", 0.1, "--validation-seed", 3,
        "--no-test-each-epoch", "--mean", 0.1, "--seed", 5, "--threads", 1, "--no-tune", "--out", tmp_path / "a",
        "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    recipe = done.json["recipe"]
    assert (recipe["network"]["channels"], recipe["network"]["hidden"]) == ([4, 8], 16)
    assert (recipe["optimizer"], recipe["seed"], recipe["schedule"]) == ("adamw", 5, "one-cycle")
    assert (recipe["validation"], recipe["validation_seed"], recipe["mean"]) == (0.1, 3, 0.1)
    assert done.json["epochs"][0]["test"] is None
    assert done.json["epochs"][0]["validation"]["total"] == 400
    assert configured == [{"threads": 1, "tune": False}]


def test_options_override_the_configuration_file(penstroke: Penstroke, tmp_path: Path) -> None:
    config = tmp_path / "recipe.toml"
    config.write_text('recipe = "fast"\nepochs = 3\nhidden = 24\nlr = 0.1\n')
    done = penstroke("train", "--config", config, *SHORT, "--out", tmp_path / "a", "--json")
    assert done.code == 0, done.err
    found = recipes.Recipe.from_json(done.json["recipe"])
    assert found == recipes.fast(hidden=24, lr=0.1, epochs=1, batch_size=500)


def test_an_error_in_the_configuration_file_names_its_line(penstroke: Penstroke, tmp_path: Path) -> None:
    config = tmp_path / "recipe.toml"
    config.write_text("epochs = 3\nbatch_size = 0\n")
    done = penstroke("train", "--config", config)
    assert done.code == 2
    assert f"{config} is invalid: batch_size is 0" in done.err
    assert "line 2" in done.err


def test_the_use_of_the_sample_instead_of_mnist_is_reported(
    penstroke: Penstroke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTROKE_DATA", str(tmp_path / "empty"))
    monkeypatch.setenv("PENSTROKE_OFFLINE", "1")
    done = penstroke("train", "--batch-size", 500, "--epochs", 1, "--out", tmp_path / "a")
    assert done.code == 0
    assert "sample" in done.err
    assert "mnist5k" in done.out
    stored = json.loads((tmp_path / "a" / "run.json").read_text())
    assert stored["data"]["name"] == "mnist5k"
    assert any("sample" in note for note in stored["data"]["notes"])
    strict = penstroke("train", "--data", "mnist", "--out", tmp_path / "b")
    assert strict.code == 3
    assert "PENSTROKE_OFFLINE" in strict.err
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("words", [["fast"], ["--no-test-each-epoch"], ["--no-test-each-epoch", "--validation", "0.1"]])
def test_a_run_that_was_not_tested_is_reported(words: list[str], penstroke: Penstroke, tmp_path: Path) -> None:
    """Figures of the validation split are not figures of the test set."""
    done = penstroke("train", *words, *SHORT, "--out", tmp_path / "a")
    assert done.code == 0, done.err
    assert f"not measured on test images yet: penstroke test {tmp_path / 'a'}" in done.out


def test_an_existing_folder_and_a_network_that_has_not_learned_are_reported(
    penstroke: Penstroke, tmp_path: Path
) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    done = penstroke("train", "fast", "--data", "mnist5k", "--lr", "999", "--out", taken)
    assert done.code == 0
    assert f"{taken} exists and is not changed; this run is {taken}-2" in done.err
    assert "has not learned" in done.err
    assert f"not measured on test images yet: penstroke test {taken}-2" in done.out


def test_too_little_memory_is_not_a_bug(penstroke: Penstroke, tmp_path: Path) -> None:
    sizes = ("--channels", 50_000, 16, "--batch-size", 4000)  # 540 GB of activations
    done = penstroke("train", "--data", "mnist5k", *sizes, "--out", tmp_path / "large")
    assert done.code == 4
    assert "memory" in done.err
    assert runs.open_run(tmp_path / "large").record.state == "failed"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_a_valid_unfinished_run(number: signal.Signals, code: int, tmp_path: Path) -> None:
    options = ["--data", "mnist5k", "--epochs", "500", "--threads", "1", "--no-test-each-epoch"]
    command = [sys.executable, "-m", "penstroke", "train", *options]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stderr
        for line in process.stderr:
            if "training loss" in line:
                break
        sent = time.monotonic()
        process.send_signal(number)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == code
    assert "run: runs/book (unfinished" in out
    assert "not measured" not in out
    assert time.monotonic() - sent < 30
    found = json.loads((tmp_path / "runs/book/run.json").read_text())
    assert found["state"] == "unfinished"
    done = subprocess.run(
        [sys.executable, "-m", "penstroke", "test", "--json"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "runs/book is unfinished" in done.stderr
    assert json.loads(done.stdout)["total"] == 1000


def test_a_reader_that_closes_the_pipe_does_not_stop_the_training(tmp_path: Path) -> None:
    command = f"{sys.executable} -m penstroke train --data mnist5k --epochs 1 --threads 1 2>&1 | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.count("\n") == 1
    assert not done.stderr
    assert json.loads((tmp_path / "runs/book/run.json").read_text())["state"] == "finished"


def test_more_threads_than_cores_are_reported(
    penstroke: Penstroke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr(runtime, "configure", lambda *arguments, **options: None)
    few = penstroke("train", *SHORT[:-1], 2, "--out", tmp_path / "a")
    many = penstroke("train", *SHORT[:-1], 3, "--out", tmp_path / "b")
    assert (few.code, many.code) == (0, 0)
    assert "threads" not in few.err
    assert "note: 3 threads on 2 cores slow the training down\n" in many.err
