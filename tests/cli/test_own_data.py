"""Options for your own data: they are restored by --resume and by experiments, and reach every process."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from penstroke import recipes
from penstroke.data import load
from penstroke.runs import Run
from penstroke.training import Callback, Progress, StopTraining
from penstroke.training.recorder import train_run

Penstroke = Callable[..., Any]
SMALL = ("--epochs", 1, "--batch-size", 4, "--channels", 2, 2, "--hidden", 4)


def make_pictures(root: Path, each: int = 10) -> Path:
    """Write noisy pictures of two classes, a third of them wider than the others."""
    random = np.random.default_rng(0)
    for name in "ab":
        (root / name).mkdir(parents=True)
        for number in range(each):
            pixels = random.integers(0, 255, (16, 24 if number % 3 == 0 else 16), np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    return root


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of two classes with a broken picture, in an empty current folder."""
    monkeypatch.chdir(tmp_path)
    root = make_pictures(tmp_path / "pictures")
    (root / "a" / "broken.png").write_bytes(b"no picture")
    return root


class StopAfter(Callback):
    """Stops a training after a step."""

    def on_step_end(self, progress: Progress) -> None:
        raise StopTraining


def test_resume_restores_how_the_data_were_read(penstroke: Penstroke, broken: Path) -> None:
    data = load(broken, size=(12, 10), skip_broken=True)
    recipe = recipes.book(epochs=1, batch_size=4, channels=(2, 2), hidden=4)
    run, _ = train_run(recipe, data, device="cpu", out=Path("run"), callbacks=[StopAfter()])
    assert not run.finished
    other = penstroke("train", "--resume", "run", "--size", "12")
    assert other.code == 2
    assert "size 12x10 -> 12x12" in other.err
    done = penstroke("train", "--resume", "run")
    assert done.code == 0, done.err
    assert "a/broken.png" in done.err
    record = Run(Path("run")).record
    assert record.data
    assert record.data["options"] == {"size": [12, 10], "skip_broken": True}
    assert penstroke("test", "run", "--json").json["total"] == 4


def test_seeds_have_the_options_and_continue_with_them(penstroke: Penstroke, broken: Path) -> None:
    words = ("train", "book", "--data", broken, "--out", "seeds", "--jobs", 1, *SMALL)
    done = penstroke(*words, "--seeds", 1, "--size", "12x10", "--skip-broken")
    assert done.code == 0, done.err
    assert json.loads(Path("seeds/experiment.json").read_text())["options"] == {"size": [12, 10], "skip_broken": True}
    record = Run(Path("seeds/seed-0")).record
    assert record.data
    assert record.data["options"] == {"size": [12, 10], "skip_broken": True}
    again = penstroke(*words, "--seeds", 1)
    assert again.code == 0, again.err
    assert "1 of 1 trainings" in again.err
    other = penstroke(*words, "--seeds", 1, "--size", "9")
    assert other.code == 4
    assert "20 images of" not in other.err
    assert "(12x10), and this one uses 16 images of pictures (9x9)" in other.err
    about = Path("seeds/experiment.json")
    about.write_text(json.dumps(json.loads(about.read_text()) | {"options": {"size": "x"}}))
    assert "is damaged: the options of its data" in penstroke(*words, "--seeds", 1).err


def test_a_range_test_reads_a_size(penstroke: Penstroke, broken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from penstroke.experiments import find_lr
    from penstroke.training import start

    monkeypatch.setattr(find_lr, "STEPS", 20)
    shapes = []

    def started(recipe: Any, data: Any, train: Any, *more: Any) -> Any:
        shapes.append(train.images.shape)
        return start.build_start(recipe, data, train, *more)

    monkeypatch.setattr(find_lr, "build_start", started)
    words = ("--data", broken, "--size", 12, "--skip-broken", "--images", 12, *SMALL)
    done = penstroke("sweep", "book", "--find-lr", *words, "--out", "lr")
    assert done.code == 0, done.err
    assert shapes == [(12, 1, 12, 12)]


@pytest.mark.parametrize(
    "command",
    [("sweep", "book", "--vary", "lr=0.1"), ("sweep", "book", "--find-lr"), ("tune", "book", "--range", "lr=0.1..1")],
)
def test_broken_pictures_are_an_error_without_the_option(
    penstroke: Penstroke, broken: Path, command: tuple[str, ...]
) -> None:
    done = penstroke(*command, "--data", broken, *SMALL)
    assert done.code == 3
    assert "1 of 21 pictures cannot be read" in done.err
    assert "--skip-broken" in done.err


# ---- validation pictures without test pictures


@pytest.fixture
def without_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with train/ and val/, in an empty current folder."""
    monkeypatch.chdir(tmp_path)
    make_pictures(tmp_path / "pictures" / "train")
    make_pictures(tmp_path / "pictures" / "val", each=3)
    return tmp_path / "pictures"


def test_with_a_validation_split_all_training_pictures_are_trained_on(penstroke: Penstroke, without_test: Path) -> None:
    done = penstroke("train", "book", "--data", without_test, "--out", "run", "--no-test-each-epoch", *SMALL, "--json")
    assert done.code == 0, done.err
    assert "there is no test split: all training images are trained on" in done.err
    assert "the validation split of the data is not used: book has no validation" in done.err
    validated = penstroke(
        "train",
        "book",
        "--data",
        without_test,
        "--out",
        "other",
        "--no-test-each-epoch",
        *SMALL,
        "--validation",
        0.5,
        "--json",
    )
    assert "is not used" not in validated.err
    assert validated.json["epochs"][0]["validation"]["total"] == 6
    for words in (("test", "run"), ("show", "run"), ("report", "run"), ("compare", "run", "other")):
        failed = penstroke(*words)
        assert failed.code == 3, failed.err
        assert "'pictures' has no test split" in failed.err
        assert "--data FOLDER" in failed.err
    rejected = penstroke("train", "book", "--data", without_test, "--out", "third", *SMALL)
    assert rejected.code == 3
    assert "--no-test-each-epoch" in rejected.err


def test_info_describes_the_pictures(penstroke: Penstroke, without_test: Path) -> None:
    Image.new("RGB", (5, 40), "red").save(without_test / "train" / "a" / "tall.png")
    (without_test / "train" / "b" / "broken.png").write_bytes(b"")
    done = penstroke("data", "info", without_test, "--json")
    assert done.code == 0, done.err
    found = done.json
    assert found["train"]["images"] == 21
    assert found["train"]["per_class"] == {"a": 11, "b": 10}
    assert found["validation"] == {"images": 6, "per_class": {"a": 3, "b": 3}}
    assert found["test"] is None
    assert found["imbalance"] == 1.1
    assert list(found["broken"]) == [str(without_test / "train" / "b" / "broken.png")]
    assert found["pictures"] == {
        "pictures": 21,
        "sizes": 3,
        "commonest": [16, 16],
        "commonest_count": 12,
        "smallest": [5, 40],
        "largest": [24, 16],
        "resized": 9,
        "reduced": 9,
        "colour_share": 0.0476,
    }
    text = penstroke("data", "info", without_test, "--size", "48x40").out
    assert "21 training and 6 validation images of 3x40x48" in text
    assert "12 of 21 pictures have 16x16 pixels; there are 3 sizes from 5x40 to 24x16" in text
    assert "21 are resized, 0 of them are reduced" in text
    assert "pictures that cannot be read: 1; `train --skip-broken` leaves them out" in text
    assert ["class", "training", "images", "validation", "images"] in [line.split() for line in text.splitlines()]


def test_a_test_split_that_changed_with_the_pictures_is_an_error(
    penstroke: Penstroke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    root = make_pictures(tmp_path / "pictures")
    done = penstroke("train", "book", "--data", root, "--out", "run", "--no-test-each-epoch", *SMALL)
    assert done.code == 0, done.err
    assert penstroke("test", "run", "--no-plots", "--csv", "rows.csv").code == 0
    assert Path("rows.csv").read_text().splitlines()[1].split(",")[1].startswith(str(root))
    Image.new("L", (16, 16), 9).save(root / "a" / "new.png")
    shutil.rmtree("run/evaluations")  # stored results of both would be compared
    shutil.copytree("run", "copy")
    for words in (("test", "run"), ("test", "run", "--data", root), ("report", "run"), ("compare", "run", "copy")):
        failed = penstroke(*words)
        assert failed.code == 3, (words, failed.err)
        assert f"The pictures in {root} have changed since the model was trained" in failed.err
    (other := tmp_path / "other").mkdir()
    make_pictures(other / "test")
    make_pictures(other / "train")
    assert penstroke("test", "run", "--data", other, "--no-plots").code == 0
