"""``train --resume``: after signals, kills and full disks."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from campaigns.plans import Fail
from support.small import files_below

from penstroke import recipes, runs
from penstroke.storage import disk

Penstroke = Callable[..., Any]

TRAIN = ["train", "--data", "mnist5k", "--batch-size", "25", "--epochs", "2", "--channels", "4", "8", "--threads", "1"]


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "penstroke", *map(str, words)]


def stopped(folder: Path, *numbers: signal.Signals, words: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Train in a process, and send signals after the third line of progress."""
    with subprocess.Popen(
        command(*(words or TRAIN)), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr
        seen = 0
        for line in process.stderr:
            seen += "training loss" in line
            if seen == 3:
                break
        for number in numbers:
            process.send_signal(number)
        out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def figures(run: Path) -> tuple[list[str], list[object]]:
    """Return the metrics and the results of a run, without times."""
    text = (run / "metrics.jsonl").read_text()
    rows = json.loads((run / "run.json").read_text())["epochs"]
    return re.sub(r'"(test_)?seconds": [^,}]+', "", text).splitlines(), [
        (row["train_loss"], row["test"]) for row in rows
    ]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run of the same training without interruption."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    subprocess.run(command(*TRAIN), cwd=folder, check=True, capture_output=True)
    return folder / "runs/book"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_after_a_signal_the_training_resumes_where_it_stopped(
    number: signal.Signals,
    code: int,
    uninterrupted: Path,
    tmp_path: Path,
    penstroke: Penstroke,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done = stopped(tmp_path, number)
    assert done.returncode == code
    assert "continue with `penstroke train --resume runs/book`" in done.stderr
    assert "from the beginning" not in done.stderr
    assert "Traceback" not in done.stderr
    run = runs.Run(tmp_path / "runs/book")
    (newest, *_) = run.checkpoints()
    steps = len(list(run.rows("step")))
    assert newest.name == f"0001-{steps:06}", "the checkpoint is of the last step"
    monkeypatch.chdir(tmp_path)
    again = penstroke("train", "--resume", "--json")
    assert again.code == 0, again.err
    assert f"after epoch 1, step {steps}" in again.err
    assert again.json["finished"]
    assert again.json["run"] == "runs/book"
    assert figures(run.path) == figures(uninterrupted)
    assert [row["epoch"] for row in again.json["epochs"]] == [1, 2]
    for words in (["--resume"], ["--resume", "runs/book"], ["--resume=runs/book"], ["--resume", "--threads", "1"]):
        third = penstroke("train", *words)
        assert third.code == 0
        assert "is finished: there is nothing to resume" in third.err
    assert penstroke("train", "--resume", "--json").json["epochs"] == again.json["epochs"]


def test_a_killed_training_resumes_at_its_last_checkpoint(
    uninterrupted: Path, tmp_path: Path, penstroke: Penstroke, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = stopped(tmp_path, signal.SIGKILL, words=(*TRAIN, "--checkpoint-every", "7"))
    assert done.returncode == -signal.SIGKILL
    monkeypatch.chdir(tmp_path)
    again = penstroke("train", "book", "--resume", "runs/book", "--epochs", 2, "--checkpoint-every", "never")
    assert again.code == 0, again.err
    assert re.search(r"after epoch 1, step \d+", again.err)
    assert figures(tmp_path / "runs/book") == figures(uninterrupted)


def test_a_resumed_training_keeps_its_interval_between_checkpoints(
    uninterrupted: Path, tmp_path: Path, penstroke: Penstroke, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training run that is killed every few seconds makes progress."""
    stopped(tmp_path, signal.SIGKILL, words=(*TRAIN, "--checkpoint-every", "5"))
    run = runs.Run(tmp_path / "runs/book")
    assert run.record.checkpoint_every == "5"
    first = run.checkpoints()[0].name
    done = stopped(tmp_path, signal.SIGKILL, words=("train", "--resume"))
    assert done.returncode == -signal.SIGKILL
    assert run.checkpoints()[0].name > first
    monkeypatch.chdir(tmp_path)
    assert penstroke("train", "--resume").code == 0
    assert figures(run.path) == figures(uninterrupted)


def test_a_training_without_checkpoints_restarts_from_the_beginning(
    uninterrupted: Path, tmp_path: Path, penstroke: Penstroke
) -> None:
    done = stopped(tmp_path, signal.SIGINT, words=(*TRAIN, "--checkpoint-every", "never"))
    assert done.returncode == 130
    assert "from the beginning: it has no checkpoint" in done.stderr
    again = penstroke("train", "--resume", tmp_path / "runs/book")
    assert again.code == 0, again.err
    assert "has no checkpoint" in again.err
    assert figures(tmp_path / "runs/book") == figures(uninterrupted)


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    done = stopped(tmp_path, signal.SIGINT, signal.SIGTERM)
    assert done.returncode in (130, 143), done
    assert "Traceback" not in done.stderr


def started(penstroke: Penstroke, folder: Path) -> None:
    """Leave a run behind whose disk was full at one of its checkpoints."""
    with disk.watched(Fail(60, 28)):
        done = penstroke(*TRAIN, "--checkpoint-every", 5, "--out", folder)
    assert done.code == 4
    assert re.fullmatch(r"penstroke: Cannot write .*: No space left on device\.", _last(done.err, 2))
    assert "penstroke train --resume" in _last(done.err, 1)
    assert "Traceback" not in done.err


def _last(text: str, number: int) -> str:
    return text.splitlines()[-number]


def test_a_full_disk_ends_with_one_message_and_the_run_resumes_when_there_is_space(
    penstroke: Penstroke, uninterrupted: Path, tmp_path: Path
) -> None:
    started(penstroke, tmp_path / "run")
    assert runs.Run(tmp_path / "run").record.state == "failed"
    done = penstroke("train", "--resume", tmp_path / "run")
    assert done.code == 0, done.err
    assert figures(tmp_path / "run") == figures(uninterrupted)
    assert runs.Run(tmp_path / "run").record.error is None


def test_changes_to_a_resumed_run_are_listed_and_rejected(penstroke: Penstroke, tmp_path: Path) -> None:
    started(penstroke, tmp_path / "run")
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
        (["--resume"], 4, "runs/ has no run to resume"),
        (["--resume", "nowhere"], 4, "nowhere"),
        (["--resume=nowhere"], 4, "nowhere"),
    ],
)
def test_a_run_that_cannot_be_resumed_prints_one_error(
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
    assert "has no recipe" in penstroke("train", "--resume", "runs/weights").err


def test_the_latest_unfinished_run_is_resumed_before_a_later_finished_one(
    tmp_path: Path, penstroke: Penstroke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, state in (("a", "finished"), ("b", "running"), ("c", "finished")):
        runs.create(name, {}, tmp_path / "runs" / name, recipes.book()).update(state=state)
    done = penstroke("train", "--resume")
    assert done.code == 4
    assert "runs/b" in done.err, "it is the run to resume, whose data is unknown"


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
def test_an_invalid_run_is_rejected(file: str, content: object, tmp_path: Path, penstroke: Penstroke) -> None:
    conditions = {"device": "cpu", "threads": 1, "flush_denormal": True}
    run = runs.create("a", conditions, tmp_path / "a", recipes.book(), data={"source": "mnist5k"})
    (run.path / file).write_text(json.dumps(content))
    done = penstroke("train", "--resume", run.path)
    assert done.code in (2, 4)
    assert "Traceback" not in done.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_run_that_became_read_only_is_named(tmp_path: Path, penstroke: Penstroke) -> None:
    started(penstroke, tmp_path / "run")
    (tmp_path / "run").chmod(0o500)
    done = penstroke("train", "--resume", tmp_path / "run")
    (tmp_path / "run").chmod(0o700)
    assert done.code == 4
    assert "Permission denied" in done.err
