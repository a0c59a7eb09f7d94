"""Recipe general, the default for data of one's own: chosen, budgeted, resumed, measured and exported."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.shapes import draw_shapes
from penstroke.runs import Run

Penstroke = Callable[..., Any]
SMALL = ("--size", 14, "--channels", 16, 16, 16)


@pytest.fixture
def shapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of drawn shapes, in an empty current folder."""
    monkeypatch.chdir(tmp_path)
    draw_shapes(tmp_path / "shapes", 30, seed=0)
    return tmp_path / "shapes"


def test_a_folder_is_trained_with_general_and_this_is_the_first_line(penstroke: Penstroke, shapes: Path) -> None:
    done = penstroke("train", "--data", shapes, "--epochs", 2, *SMALL)
    assert done.code == 0, done.err
    assert done.err.splitlines()[0] == "note: recipe general, the default for pictures of your own"
    assert "image" in done.err
    recipe = Run(Path("runs/general")).recipe()
    assert recipe.name == "general"
    assert recipe.epochs == 2
    assert recipe.flat()["mirror"] is recipe.augmentation.flip is True
    tested = penstroke("test", "--json")
    assert tested.json["total"] == 18
    other = penstroke("train", "book", "--data", shapes, "--size", 14, "--epochs", 1, "--channels", 2, 2, "--hidden", 4)
    assert other.code == 0, other.err
    assert "the default for" not in other.err


@pytest.mark.parametrize("data", [(), ("--data", "mnist5k")])
def test_book_is_the_default_for_digits(penstroke: Penstroke, data: tuple[str, ...], tmp_path: Path) -> None:
    done = penstroke("train", *data, "--out", tmp_path / "run", "--epochs", 0)
    assert "The recipe 'book' is invalid" in done.err


def test_the_number_of_epochs_is_reported_and_recorded(
    penstroke: Penstroke, shapes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from penstroke.recipes import recipe

    monkeypatch.setattr(recipe, "REFERENCE_IMAGES", 0.022)
    done = penstroke("train", "--data", shapes, *SMALL)
    assert done.code == 0, done.err
    assert "note: 2 epochs of 1 steps, for 66 training images" in done.err
    assert len(Run(Path("runs/general")).record.epochs) == 2


def test_a_budget_chooses_width_and_epochs(penstroke: Penstroke, shapes: Path) -> None:
    done = penstroke("train", "--data", shapes, "--size", 8, "--batch-size", 33, "--budget", "4s")
    assert done.code == 0, done.err
    (note,) = (line for line in done.err.splitlines() if "for each epoch" in line)
    recipe = Run(Path("runs/general")).recipe()
    assert note.startswith(f"note: {recipe.epochs} epochs, channels {recipe.flat()['channels'][0]} ")
    for words in (("--epochs", 3), ("--channels", 16, 16, 16, 16), ("--resume",), ("--seeds", 2)):
        rejected = penstroke("train", "--data", shapes, "--budget", "4s", *words)
        assert rejected.code == 2
        assert "not together with" in rejected.err
    for text in ("0s", "10", "m", "-3m"):
        assert "--budget is" in penstroke("train", "--data", shapes, f"--budget={text}").err


def test_sweeps_use_the_adapted_recipe(penstroke: Penstroke, shapes: Path) -> None:
    words = ("sweep", "--data", shapes, "--vary", "crop=0,0.1", "--epochs", 1, "--jobs", 1, "--out", "crops", *SMALL)
    done = penstroke(*words, "--json")
    assert done.code == 0, done.err
    assert [row["seeds"] for row in done.json["rows"]] == [1, 1]
    assert Run(Path("crops/crop-0_seed-0")).recipe().augmentation.flip is True
    again = penstroke(*words)
    assert "2 of 2 trainings in crops are done" in again.err


@pytest.mark.parametrize("format_", ["onnx", "torch", "npz", "web"])
def test_the_model_is_exported_in_each_format(penstroke: Penstroke, shapes: Path, format_: str) -> None:
    trained = penstroke("train", "--data", shapes, "--epochs", 2, *SMALL, "--out", "run")
    assert trained.code == 0, trained.err
    done = penstroke("export", "run", "--to", format_, "--out", "exported", "--json")
    assert done.code == 0, done.err
    assert Path("exported").exists() or Path(done.json["file"]).exists()
