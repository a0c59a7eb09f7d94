"""``train --resume`` and signals, as a person meets them."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from campaigns.plans import Fail
from test_cli import Outcome, Penstroke, penstroke
from trained import files_below

from penstroke import disk, load, recipes, runs, runtime
from penstroke.cli import resuming
from penstroke.errors import UsageError
from penstroke.training.recorder import train_run

__all__ = ["penstroke"]

TRAIN = ["train", "--data", "mnist5k", "--batch-size", "25", "--epochs", "2", "--channels", "4", "8", "--threads", "1"]


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "penstroke", *map(str, words)]


def stopped(folder: Path, *numbers: signal.Signals, words: tuple[str, ...] = ()) -> Outcome:
    """Train in a process, and send signals after the third line of progress, each after what it sees of the last."""
    with subprocess.Popen(
        command(*TRAIN, *words), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr
        lines = 0
        for line in process.stderr:
            lines += "training loss" in line
            if lines == 3:
                break
        for number in numbers:
            process.send_signal(number)
        out, err = process.communicate(timeout=120)
    return Outcome(process.returncode, out, err)


def figures(run: Path) -> tuple[list[str], list[object]]:
    """Return the metrics of a run and what was measured, without times."""
    text = (run / "metrics.jsonl").read_text()
    rows = json.loads((run / "run.json").read_text())["epochs"]
    return re.sub(r'"(test_)?seconds": [^,}]+', "", text).splitlines(), [
        (row["train_loss"], row["test"]) for row in rows
    ]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runtime.prepare(threads=1)
    recipe = recipes.book(batch_size=25, network=recipes.ConvNetSpec(channels=(4, 8)))
    run, _ = train_run(recipe, load("mnist5k"), "cpu", tmp_path_factory.mktemp("unbroken") / "run")
    return run.path


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_after_a_signal_the_training_goes_on_where_it_stopped(
    number: signal.Signals,
    code: int,
    unbroken: Path,
    tmp_path: Path,
    penstroke: Penstroke,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done = stopped(tmp_path, number)
    assert done.code == code
    assert "go on with `penstroke train --resume runs/book`" in done.err
    assert "Traceback" not in done.err
    run = runs.Run(tmp_path / "runs/book")
    (newest, *_) = run.generations()
    steps = len(list(run.rows("step")))
    assert newest.name == f"0001-{steps:06}", "the checkpoint is of the very step"
    monkeypatch.chdir(tmp_path)
    again = penstroke("train", "--resume", "--json")
    assert again.code == 0, again.err
    assert f"goes on after epoch 1, step {steps}" in again.err
    assert again.json["finished"]
    assert again.json["run"] == "runs/book"
    assert figures(run.path) == figures(unbroken)
    assert [row["epoch"] for row in again.json["epochs"]] == [1, 2]
    for words in (["--resume"], ["--resume", "runs/book"], ["--resume=runs/book"]):
        third = penstroke("train", *words)
        assert third.code == 0
        assert "is finished: there is nothing to resume" in third.err
    assert penstroke("train", "--resume", "--json").json["epochs"] == again.json["epochs"]


def test_a_killed_training_goes_on_at_its_last_checkpoint(
    unbroken: Path, tmp_path: Path, penstroke: Penstroke, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = stopped(tmp_path, signal.SIGKILL, words=("--checkpoint-every", "7"))
    assert done.code == -signal.SIGKILL
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    again = penstroke("train", "book", "--resume", "runs/book", "--epochs", 2, "--checkpoint-every", "never")
    assert again.code == 0, again.err
    assert re.search(r"goes on after epoch 1, step \d+", again.err)
    assert figures(tmp_path / "runs/book") == figures(unbroken)


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    done = stopped(tmp_path, signal.SIGINT, signal.SIGTERM)
    assert done.code in (130, 143), done
    assert "Traceback" not in done.err


def begun(penstroke: Penstroke, folder: Path) -> None:
    """Leave a run behind whose disk was full at its second checkpoint."""
    with disk.watched(Fail(60, 28)):
        done = penstroke(*TRAIN, "--checkpoint-every", 5, "--out", folder)
    assert done.code == 4
    assert re.fullmatch(r"penstroke: Cannot write .*: No space left on device\.", _last(done.err, 2))
    assert re.fullmatch(r"  Free some room.* Then go on with `penstroke train --resume .*`\.", _last(done.err, 1))
    assert "Traceback" not in done.err


def _last(text: str, number: int) -> str:
    return text.splitlines()[-number]


def test_a_full_disk_ends_with_one_message_and_the_run_goes_on_when_there_is_room(
    penstroke: Penstroke, unbroken: Path, tmp_path: Path
) -> None:
    begun(penstroke, tmp_path / "run")
    assert runs.Run(tmp_path / "run").read()["state"] == "failed"
    done = penstroke("train", "--resume", tmp_path / "run")
    assert done.code == 0, done.err
    assert figures(tmp_path / "run") == figures(unbroken)
    assert "error" not in runs.Run(tmp_path / "run").read()


def test_changes_to_a_resumed_run_are_refused_with_the_list(penstroke: Penstroke, tmp_path: Path) -> None:
    begun(penstroke, tmp_path / "run")
    before = files_below(tmp_path)
    done = penstroke(
        "train", "fast", "--resume", tmp_path / "run", "--lr", 0.1, "--hidden", 9, "--data", "mnist", "--out", "x"
    )
    assert done.code == 2
    for change in ("recipe book -> fast", "lr 0.5 -> 0.1", "network.hidden 64 -> 9", "data mnist5k -> mnist", "out "):
        assert change in done.err
    assert files_below(tmp_path) == before


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--resume"], 4, "no run in runs/ to resume"),
        (["--resume", "nowhere"], 4, "nowhere"),
        (["--checkpoint-every", "often"], 2, "'often'"),
        (["--checkpoint-every", "-3"], 2, "--checkpoint-every"),
    ],
)
def test_what_cannot_be_resumed_gets_one_clear_message(
    words: list[str], code: int, said: str, penstroke: Penstroke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = penstroke("train", *words)
    assert done.code == code
    assert said in done.err
    assert "Traceback" not in done.err
    assert not files_below(tmp_path)


def test_an_imported_run_is_not_resumed(tmp_path: Path, penstroke: Penstroke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runs.create("weights", {}).update(state="imported")
    assert penstroke("train", "--resume").code == 4
    assert "was not trained here" in penstroke("train", "--resume", "runs/weights").err


def test_the_latest_unfinished_run_comes_before_a_later_finished_one(tmp_path: Path) -> None:
    from penstroke.recipes import book

    for name, state in (("a", "finished"), ("b", "running"), ("c", "finished")):
        runs.create(name, {}, tmp_path / name, book()).update(state=state)
    assert runs.to_resume(home=tmp_path).path.name == "b"
    runs.Run(tmp_path / "b").update(state="finished")
    assert runs.to_resume(home=tmp_path).path.name == "c"


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("run.json", {"state": "running"}),
        ("run.json", {"state": "running", "data": ["mnist5k"]}),
        ("environment.json", {"device": "cpu", "threads": "many", "flush_denormal": True}),
        ("environment.json", []),
        ("recipe.json", {}),
    ],
)
def test_a_run_that_makes_no_sense_is_refused(file: str, content: object, tmp_path: Path, penstroke: Penstroke) -> None:
    conditions = {"device": "cpu", "threads": 1, "flush_denormal": True}
    run = runs.create("a", conditions, tmp_path / "a", recipes.book(), data={"source": "mnist5k"})
    (run.path / file).write_text(json.dumps(content))
    done = penstroke("train", "--resume", run.path)
    assert done.code in (2, 4)
    assert "Traceback" not in done.err


def test_words_for_the_pace() -> None:
    assert resuming.pace("auto") == {}
    assert resuming.pace("500") == {"steps": 500}
    assert resuming.pace("0.5s") == {"seconds": 0.5}
    assert resuming.pace("never") == resuming.pace("0") == resuming.pace("0s") == {"never": True}
    for wrong in ("", "s", "5m", "-5", "1e3", "0.5", "٣"):
        with pytest.raises(UsageError, match="steps"):
            resuming.pace(wrong)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_run_that_became_read_only_is_named(tmp_path: Path, penstroke: Penstroke) -> None:
    begun(penstroke, tmp_path / "run")
    (tmp_path / "run").chmod(0o500)
    done = penstroke("train", "--resume", tmp_path / "run")
    (tmp_path / "run").chmod(0o700)
    assert done.code == 4
    assert "Permission denied" in done.err
