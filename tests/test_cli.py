"""The command line's contract: exit codes, JSON, results on stdout, all else on stderr, no traceback for a user."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from PIL import Image
from test_convnet import Transcription
from trained import dataset, files_below

from penstroke import cli, runs


class Outcome(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Penstroke = Callable[..., Outcome]


@pytest.fixture
def penstroke(capsys: pytest.CaptureFixture[str]) -> Penstroke:
    """Return a function that runs the command line in this process."""

    def call(*words: object) -> Outcome:
        before = signal.getsignal(signal.SIGTERM)
        try:
            cli.main([str(word) for word in words])
        except SystemExit as stop:
            said = capsys.readouterr()
            return Outcome(int(stop.code or 0), said.out, said.err)
        finally:
            signal.signal(signal.SIGTERM, before)
        raise AssertionError("main must exit")

    return call


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with one finished run on the bundled sample, and pictures of ten digits."""
    folder = tmp_path_factory.mktemp("home")
    command = ["train", "--data", "mnist5k", "--batch-size", "25", "--epochs", "1", "--out", str(folder / "runs/book")]
    done = subprocess.run([sys.executable, "-m", "penstroke", *command], capture_output=True, text=True, check=True)
    (folder / "train.out").write_text(done.stdout)
    (folder / "train.err").write_text(done.stderr)
    test = dataset().test
    for digit in range(10):
        image = test.images[(test.labels == digit).nonzero()[0, 0], 0].numpy()
        Image.fromarray(image).save(folder / f"{digit}.png")
        Image.fromarray(255 - image).resize((300, 300), Image.Resampling.BICUBIC).save(folder / f"{digit}-paper.jpg")
    return folder


@pytest.fixture
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(home)
    return home


def test_train_says_progress_on_stderr_and_results_on_stdout(home: Path) -> None:
    out, err = (home / "train.out").read_text(), (home / "train.err").read_text()
    assert "epoch 1 [250/4000 (6 %)] training loss" in err
    assert "epoch 1 [4000/4000 (100 %)] training loss" in err
    assert "epoch 1: training loss" in out
    assert "/1000 right (" in out
    assert "test image 0: prediction" in out
    assert "run: " in out
    assert {"curves.png", "sample.png"} <= {path.name for path in (home / "runs/book/pictures").iterdir()}


def test_train_json_follows_the_contract(penstroke: Penstroke, tmp_path: Path) -> None:
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


def test_every_field_of_the_recipe_is_an_option(penstroke: Penstroke, tmp_path: Path) -> None:
    done = penstroke(
        "train", "book", "--data", "mnist5k", "--epochs", 1, "--batch-size", 250, "--optimizer", "adamw", "--lr", 0.002,
        "--schedule", "one-cycle", "--channels", 4, 8, "--hidden", 16, "--validation", 0.1, "--no-test-each-epoch",
        "--seed", 5, "--threads", 1, "--no-tune", "--out", tmp_path / "a", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    recipe = done.json["recipe"]
    assert (recipe["network"]["channels"], recipe["network"]["hidden"]) == ([4, 8], 16)
    assert (recipe["optimizer"], recipe["seed"], recipe["schedule"]) == ("adamw", 5, "one-cycle")
    assert done.json["epochs"][0]["test"] is None
    assert done.json["epochs"][0]["validation"]["total"] == 400


def test_the_fall_back_to_the_sample_is_said_aloud(
    penstroke: Penstroke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTROKE_DATA", str(tmp_path / "empty"))
    monkeypatch.setenv("PENSTROKE_OFFLINE", "1")
    done = penstroke("train", "--batch-size", 500, "--epochs", 1, "--out", tmp_path / "a")
    assert done.code == 0
    assert "sample" in done.err
    assert "mnist5k" in done.out
    kept = json.loads((tmp_path / "a" / "run.json").read_text())
    assert kept["data"]["name"] == "mnist5k"
    assert any("sample" in note for note in kept["data"]["notes"])
    strict = penstroke("train", "--data", "mnist", "--out", tmp_path / "b")
    assert strict.code == 3
    assert "PENSTROKE_OFFLINE" in strict.err
    assert not (tmp_path / "b").exists()


def test_test_takes_the_latest_run_and_its_own_data(penstroke: Penstroke, at_home: Path) -> None:
    done = penstroke("test")
    assert done.code == 0
    assert "runs/book on mnist5k:" in done.out
    found = penstroke("test", "runs/book", "--json").json
    assert {"run", "data", "total", "correct", "accuracy", "accuracy_ci95", "loss", "per_class"} <= found.keys()
    assert found["total"] == 1000
    assert found["accuracy"] == found["correct"] / 1000 > 0.85
    low, high = found["accuracy_ci95"]
    assert low < found["accuracy"] < high
    recorded = json.loads((at_home / "runs/book/run.json").read_text())["epochs"][-1]["test"]
    assert found["correct"] == recorded["correct"]
    assert found["loss"] == pytest.approx(recorded["loss"], rel=1e-6)


def test_show_writes_a_picture_and_draws_it(penstroke: Penstroke, at_home: Path, tmp_path: Path) -> None:
    done = penstroke("show")
    assert done.code == 0
    assert "@" in done.out
    assert "test image 0: prediction" in done.out
    assert "picture: runs/book/pictures/sample.png" in done.out
    grid = penstroke("show", "runs/book", "--count", 6, "--index", 3, "--out", tmp_path / "six.png", "--json").json
    assert [row["index"] for row in grid["samples"]] == [3, 4, 5, 6, 7, 8]
    with Image.open(tmp_path / "six.png") as picture:
        assert picture.format == "PNG"
    wrong = penstroke("show", "--wrong", "--count", 4, "--json").json
    assert all(row["prediction"] != row["truth"] for row in wrong["samples"])
    assert penstroke("show", "--index", 1000).code == 2
    assert penstroke("show", "--index", -1).code == 2
    assert penstroke("show", "--count", 0).code == 2


def test_predict_reads_white_on_black_and_ink_on_paper(penstroke: Penstroke, at_home: Path) -> None:
    pictures = [f"{digit}{kind}" for digit in range(10) for kind in (".png", "-paper.jpg")]
    done = penstroke("predict", "runs/book", *pictures, "--json")
    assert done.code == 0
    right = 0
    for name, row in zip(pictures, done.json, strict=True):
        assert {"file", "label", "probability", "probabilities", "abstained"} <= row.keys()
        assert row["file"] == name
        assert len(row["probabilities"]) == 10
        assert sum(row["probabilities"]) == pytest.approx(1, abs=1e-4)
        right += row["label"] == name[0]
    assert right >= 15
    said = penstroke("predict", pictures[0])
    assert said.out.startswith("0.png: ")


def test_broken_pictures_are_named_and_the_rest_answered(penstroke: Penstroke, at_home: Path) -> None:
    (at_home / "broken.png").write_bytes((at_home / "1.png").read_bytes()[:60])
    (at_home / "text.jpg").write_text("hello")
    done = penstroke("predict", "1.png", "broken.png", "text.jpg", "none.png", "--json")
    assert done.code == 3
    rows = done.json
    assert rows[0]["label"] is not None
    assert [row.get("error", {}).get("kind") for row in rows] == [None, "data", "data", "data"]
    said = penstroke("predict", "1.png", "broken.png")
    assert said.code == 3
    assert "1.png: " in said.out
    assert "broken.png" in said.err
    assert penstroke("predict", "none.png").code == 3


@pytest.mark.parametrize("name", ["blank", "solid", "one", "huge"])
def test_pictures_without_a_symbol_get_no_answer(penstroke: Penstroke, at_home: Path, name: str) -> None:
    size = {"one": (1, 1), "huge": (20_000, 20_000)}.get(name, (90, 90))
    Image.new("L", size, 0 if name == "solid" else 255).save(at_home / f"{name}.png")
    done = penstroke("predict", f"{name}.png", "--json")
    if name in ("one", "huge"):
        assert done.code == 3
        assert done.json["error"]["kind"] == "data"
        assert done.json["error"]["remedy"]
    else:
        assert done.code == 0
        assert done.json[0]["abstained"]
        assert done.json[0]["label"] is None


def test_import_makes_a_run_that_scores(penstroke: Penstroke, tmp_path: Path) -> None:
    torch.save(Transcription(True).state_dict(), tmp_path / "mine.pth")
    done = penstroke("import", tmp_path / "mine.pth", "--out", tmp_path / "run", "--json")
    assert done.code == 0
    assert done.json["network"]["hidden"] == 64
    found = penstroke("test", tmp_path / "run", "--data", "mnist5k", "--json")
    assert found.code == 0
    assert found.json["total"] == 1000
    assert "may have been trained on them" in found.err


def test_data_verbs(penstroke: Penstroke) -> None:
    listed = {row["name"]: row for row in penstroke("data", "list", "--json").json}
    assert {"mnist", "mnist5k", "fashion-mnist", "kmnist", "qmnist", "emnist-letters"} <= listed.keys()
    assert listed["mnist5k"]["at_hand"]
    info = penstroke("data", "info", "mnist5k", "--json").json
    assert info["train"]["images"] == 4000
    assert "licence" in info
    assert penstroke("data", "fetch", "mnst").code == 2
    assert penstroke("data", "fly").code == 2


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "usage:"),
        (["tset"], 2, "Did you mean 'test'"),
        (["train", "bok"], 2, "Did you mean 'book'"),
        (["train", "--epoch", "3"], 2, "--epochs"),
        (["train", "--optimizer", "adm"], 2, "Did you mean 'adam'"),
        (["train", "--lr", "-1", "--epochs", "0"], 2, "epochs is 0"),
        (["train", "--lr", "abc"], 2, "--lr is 'abc', and must be a number"),
        (["train", "--epochs", "1.5"], 2, "must be a whole number"),
        (["train", "--ephocs", "1"], 2, "no option --ephocs.\n  Perhaps you meant --epochs"),
        (["test", "one", "two"], 2, "no place for two"),
        (["predict", "runs/misspelt", "7.png"], 4, "There is no run folder runs/misspelt"),
        (["train", "--threads", "0"], 2, "--threads is 0"),
        (["train", "--device", "gpu", "--data", "mnist5k"], 2, "Did you mean 'cuda'"),
        (["train", "--data", "mnsit"], 2, "Did you mean 'mnist'"),
        (["train", "--data", "./nowhere"], 3, "nowhere"),
        (["train", "--data", "mnist5k", "--kernel-sizes", "40", "3"], 4, "40x40 kernel"),
        (["test", "nowhere"], 4, "nowhere"),
        (["show", "--out", "x.jpg"], 2, ".png"),
        (["predict"], 2, "No picture"),
        (["import", "nowhere.pt"], 4, "no such file"),
        (["import"], 2, "FILE"),
        (["test", "--bogus"], 2, "--bogus"),
    ],
)
def test_a_wrong_command_gets_one_clear_message(
    words: list[str], code: int, said: str, penstroke: Penstroke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = penstroke(*words)
    assert done.code == code, done
    assert said in done.err + done.out
    assert "Traceback" not in done.err
    if words and "--json" not in words:
        error = penstroke(*words, "--json").json["error"]
        assert error.keys() == {"kind", "message", "remedy"}
    assert not files_below(tmp_path), "a command that fails leaves nothing"


def test_help_and_version_answer(penstroke: Penstroke) -> None:
    assert "verbs:" in penstroke("--help").out
    assert penstroke("--version").out.startswith("penstroke ")
    for verb in cli.VERBS:
        done = penstroke(verb, "--help")
        assert done.code == 0
        assert done.out.count("usage: ") == 1
        assert "None" not in done.out


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_a_valid_unfinished_run(number: signal.Signals, code: int, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "penstroke", "train", "--data", "mnist5k", "--epochs", "500", "--threads", "1"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stderr
        for line in process.stderr:
            if "training loss" in line:
                break
        sent = time.monotonic()
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == code
    assert time.monotonic() - sent < 30
    found = json.loads((tmp_path / "runs/book/run.json").read_text())
    assert found["state"] == "unfinished"
    done = subprocess.run(
        [sys.executable, "-m", "penstroke", "test", "runs/book", "--json"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["total"] == 1000


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m penstroke train --data mnist5k --epochs 1 --threads 1 2>&1 | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.count("\n") == 1
    assert not done.stderr
    assert json.loads((tmp_path / "runs/book/run.json").read_text())["state"] == "finished", "the training went on"


def test_what_went_wrong_without_an_error_is_said_aloud(penstroke: Penstroke, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    done = penstroke("train", "fast", "--data", "mnist5k", "--lr", "999", "--out", taken)
    assert done.code == 0
    assert f"{taken} exists" in done.err
    assert "has learnt nothing" in done.err
    assert f"not measured yet: penstroke test {taken}-2" in done.out
    run = runs.open_run(tmp_path / "taken-2")
    run.update(state="unfinished")
    assert "is unfinished" in penstroke("test", run.path).err


def test_too_little_memory_is_no_bug(penstroke: Penstroke, tmp_path: Path) -> None:
    sizes = ("--channels", 50_000, 16, "--batch-size", 4000)  # 540 GB of activations
    done = penstroke("train", "--data", "mnist5k", *sizes, "--out", tmp_path / "large")
    assert done.code == 4
    assert "memory of this machine is not enough" in done.err
    assert runs.open_run(tmp_path / "large").read()["state"] == "failed"
