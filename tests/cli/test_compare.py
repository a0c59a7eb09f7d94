"""``penstroke compare``: models on the same images, recipes over seeds, and what cannot be compared."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstroke import recipes, runs
from penstroke.data import Dataset, fingerprint

Penstroke = Callable[..., Any]


@pytest.fixture
def folder(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a folder with a copy of the trained run, without the evaluations that other tests stored in it."""
    shutil.copytree(home / "runs/book", tmp_path / "runs/book", ignore=shutil.ignore_patterns("evaluations"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(name: str, recipe: recipes.Recipe, errors: int, sample: Dataset, shift: int = 0) -> runs.Run:
    """Return a run with a stored evaluation that has ``errors`` mistakes, and a model that is never loaded."""
    data: Any = {"source": "mnist5k", "name": "mnist5k"}
    run = runs.create(name, {}, Path("runs") / name, recipe, data=data)
    run.update(state="finished")
    run.model_path.write_bytes(b"")
    labels = sample.test.labels
    guesses = labels.copy()
    wrong = (np.arange(errors) + shift) % len(labels)
    guesses[wrong] = (guesses[wrong] + 1) % 10
    log_probs = np.full((len(labels), 10), np.log(0.01), np.float32)
    log_probs[np.arange(len(labels)), guesses] = np.log(0.91)
    values = {"data": "mnist5k", "fingerprint": fingerprint(sample.test), "classes": list(sample.test.classes)}
    runs.save_evaluation(run, "mnist5k", log_probs, labels, values)
    return run


def test_two_models_are_measured_and_compared(penstroke: Penstroke, folder: Path) -> None:
    done = penstroke("compare", "runs/book", "ready")
    assert done.code == 0
    assert "mnist5k, 1000 test images" in done.out
    assert "ready is more accurate than runs/book on these 1000 images (p < 0.0001)." in done.out
    assert "train each with the same 6 or more seeds" in done.out
    assert "note: measuring ready on mnist5k (2 of 2)" in done.err
    assert runs.list_evaluations(runs.Run(folder / "runs/book")) == ["mnist5k"]
    found = penstroke("compare", "runs/book", "ready", "--json").json
    assert found["compared"] == "models"
    assert found["comparisons"][0]["better"] == "ready"
    assert [row["runs"] for row in found["entrants"]] == [["runs/book"], ["ready"]]


def test_stored_evaluations_are_used_unless_the_model_is_newer(
    penstroke: Penstroke, folder: Path, sample: Dataset
) -> None:
    made("other", recipes.fast(), 100, sample)
    first = penstroke("compare", "runs/book", "runs/other", "--json")
    assert "measuring runs/book" in first.err
    second = penstroke("compare", "runs/book", "runs/other", "--json")
    assert "measuring" not in second.err
    assert first.json == second.json
    model = folder / "runs/book/model.safetensors"
    later = (folder / "runs/book/evaluations/mnist5k/report.json").stat().st_mtime_ns + 10**9
    os.utime(model, ns=(later, later))
    assert "measuring runs/book" in penstroke("compare", "runs/book", "runs/other").err


def test_recipes_are_compared_over_their_seeds(
    penstroke: Penstroke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample: Dataset
) -> None:
    monkeypatch.chdir(tmp_path)
    for seed in range(7):
        made(f"a-{seed}", recipes.fast(seed=seed), 20 + seed, sample)
        made(f"b-{seed}", recipes.fast(seed=seed, lr=0.1), 40 + seed % 2, sample)
    made("again", recipes.fast(seed=3), 90, sample)
    names = sorted(str(path) for path in Path("runs").iterdir())
    done = penstroke("compare", *names)
    assert done.code == 0
    assert "note: runs/again is left out: it has the recipe and the seed of another run" in done.err
    names.remove("runs/again")
    assert "fast (lr 0.15) is more accurate than fast (lr 0.1) (p = 0.016)." in done.out
    assert "sign-flip test of 7 seeds" in done.out
    found = penstroke("compare", *names, "--json").json
    assert found["compared"] == "recipes"
    assert [row["seeds"] for row in found["entrants"]] == [list(range(7))] * 2
    assert found["entrants"][0]["correct"] == [980 - seed for seed in range(7)]
    assert found["comparisons"][0]["pairs"] == 7
    few = penstroke("compare", *[name for name in names if name[-1] in "01"])
    assert "a two-sided sign-flip test needs 6 seeds, and they have 2 in common." in few.out


def test_runs_of_one_recipe_are_compared_as_models(
    penstroke: Penstroke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample: Dataset
) -> None:
    monkeypatch.chdir(tmp_path)
    for seed in range(3):
        made(f"a-{seed}", recipes.fast(seed=seed), 30, sample, shift=seed)
    found = penstroke("compare", "runs/a-0", "runs/a-1", "runs/a-2", "--json").json
    assert found["compared"] == "models"
    assert len(found["comparisons"]) == 3
    assert {row["better"] for row in found["comparisons"]} == {None}


def test_what_cannot_be_compared_is_an_error(
    penstroke: Penstroke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample: Dataset
) -> None:
    monkeypatch.chdir(tmp_path)
    made("a", recipes.fast(), 20, sample)
    made("b", recipes.fast(seed=1), 20, sample)
    made("c", recipes.book(), 20, sample)
    cases = [
        ([], 2, "RUN is missing: two or more runs are compared."),
        (["runs/a"], 2, "runs/a is alone: two or more runs are compared."),
        (["runs/a", "./runs/a"], 2, "runs/a is given more than once."),
        (["runs/a", "runs/nowhere"], 4, "The run folder runs/nowhere does not exist."),
        (["runs/a", "runs/b", "runs/c"], 2, "fast (seeds 0, 1) and book (seeds 0) have 1 seed in common"),
        (["runs/a", "runs/b", "runs/c", "ready"], 2, "ready has no recipe"),
    ]
    for words, code, message in cases:
        done = penstroke("compare", *words)
        assert (done.code, message in done.err) == (code, True), done
        assert penstroke("compare", *words, "--json").json["error"]["message"]


def test_models_of_other_classes_are_rejected(
    penstroke: Penstroke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample: Dataset
) -> None:
    monkeypatch.chdir(tmp_path)
    made("a", recipes.fast(), 20, sample)
    other = made("b", recipes.book(), 20, sample)
    stored = runs.read_evaluation(other, "mnist5k")
    letters = stored.values | {"classes": list("abcdefghij")}
    runs.save_evaluation(other, "mnist5k", stored.log_probs, stored.labels, letters)
    done = penstroke("compare", "runs/a", "runs/b")
    assert done.code == 4
    assert "runs/a and runs/b have different classes: 0, 1, 2" in done.err
