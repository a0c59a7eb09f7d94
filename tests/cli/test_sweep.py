"""``penstroke sweep``, ``penstroke train --seeds`` and ``penstroke tune`` on the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Penstroke = Callable[..., Any]
COMMITTEES = ("runs/book-seeds/committee", "runs/book-seeds/seed-0+runs/book-seeds/seed-1")
SMALL = ("--data", "mnist5k", "--epochs", 1, "--batch-size", 50, "--jobs", 1, "--threads", 1)


def test_seeds_are_trained_and_summarised(
    penstroke: Penstroke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = penstroke("train", "--seeds", 2, "--channels", 4, 8, *SMALL, "--json")
    assert done.code == 0, done.err
    (row,) = done.json["rows"]
    assert row["seeds"] == 2
    assert row["worst"] <= row["accuracy"] <= row["best"]
    assert [run["run"] for run in done.json["runs"]] == ["runs/book-seeds/seed-0", "runs/book-seeds/seed-1"]
    assert Path(done.json["figure"]).is_file()
    again = penstroke("train", "--seeds", 2, "--channels", 4, 8, *SMALL)
    assert "2 of 2 trainings in runs/book-seeds are done and are not repeated" in again.err
    assert "95 % interval" in again.out
    assert "book-seeds/figure.png" in again.out
    assert done.json["committee"] is None
    joined = penstroke("train", "--seeds", 2, "--channels", 4, 8, *SMALL, "--committee", "--json")
    assert joined.json["committee"] == "runs/book-seeds/committee"
    tests = [penstroke("test", run, "--json", "--no-plots").json for run in COMMITTEES]
    assert tests[0]["correct"] == tests[1]["correct"]
    assert tests[0]["total"] == 1000
    other = penstroke("train", "--seeds", 2, "--channels", 4, 9, *SMALL)
    assert other.code == 4
    assert "another recipe" in other.err


def test_a_range_test_suggests_a_learning_rate(penstroke: Penstroke, tmp_path: Path) -> None:
    words = ("sweep", "--find-lr", "--optimizer", "sgd", "--channels", 2, 4, "--data", "mnist5k", "--images", 500)
    done = penstroke(*words, "--out", tmp_path / "lr", "--json")
    assert done.code == 0, done.err
    assert done.json["suggested"] == pytest.approx(done.json["lowest"] / 10, rel=0.05)
    assert (tmp_path / "lr/find-lr.csv").read_text().startswith("lr,loss,smoothed\n")
    assert (tmp_path / "lr/find-lr.png").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sweep"], "--vary is missing"),
        (["sweep", "--vary", "lr"], "must name a field and its values"),
        (["train", "--committee"], "--committee applies only to several trainings"),
        (["train", "--committee", "--seeds", "1"], "a committee has at least two members"),
        (["sweep", "--vary", "lr=1", "--seeds", "0"], "--seeds is 0: it must be from 1 to 1000"),
        (["sweep", "--vary", "lr=1", "--images", "0"], "--images is 0: it must be at least 1"),
        (["sweep", "--find-lr", "--vary", "lr=1", "--seeds", "2"], "--vary, --seeds: not together with --find-lr"),
        (["sweep", "fast", "--vary", "lr=1"], "No accuracy would be measured"),
        (["train", "--seeds", "2", "--resume"], "--resume: not together with --seeds"),
        (["train", "--seeds", "2", "--no-tune"], "--no-tune: not together with --seeds"),
        (["train", "--jobs", "2"], "--jobs applies only to several trainings"),
        (["tune"], "--range is missing"),
        (["tune", "--range", "lr=1"], "at least two different values"),
        (["tune", "--range", "lr=1..2", "--test-each-epoch"], "does not use the test split"),
    ],
)
def test_invalid_words_are_rejected(words: list[str], message: str, penstroke: Penstroke, tmp_path: Path,
                                    monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    done = penstroke(*words)
    assert done.code == 2
    assert message in done.err
    assert not list(tmp_path.iterdir())


def test_a_missing_extra_is_named(penstroke: Penstroke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    done = penstroke("tune", "--range", "lr=0.1..1", "--json")
    assert done.code == 2
    assert 'pip install "penstroke[tune]"' in json.loads(done.out)["error"]["remedy"]
