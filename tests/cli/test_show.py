"""``penstroke show``: test images, the preparation of pictures, and the curves of a training run."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from penstroke import Classifier, runs
from penstroke.models.description import Calibration
from penstroke.pictures import preprocess

Penstroke = Callable[..., Any]


def test_test_images_are_drawn(penstroke: Penstroke, at_home: Path, tmp_path: Path) -> None:
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
    outside = penstroke("show", "--index", 1000)
    assert outside.code == 2
    assert "--index is 1000: there are 1000 test images" in outside.err


def test_show_and_predict_abstain_on_the_same_images(penstroke: Penstroke, at_home: Path, tmp_path: Path) -> None:
    known = Classifier.load("runs/book")
    calibration = Calibration(threshold=1.0, images=10, rejected=0, wrong=0)
    strict = dataclasses.replace(known.description, calibration=calibration)
    model = tmp_path / "strict.safetensors"
    Classifier(known.backend, strict).save(model)
    shown = penstroke("show", model, "--out", tmp_path / "a.png", "--json").json["samples"][0]
    assert shown["abstained"]
    assert shown["prediction"] is None
    assert "test image 0: no prediction (" in penstroke("show", model, "--out", tmp_path / "a.png").out


def test_the_preparation_of_a_picture_is_drawn(
    penstroke: Penstroke, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("seven.png").write_bytes((home / "7-paper.jpg").read_bytes())
    assert "seven-stages.png" in penstroke("show", "seven.png").out
    with Image.open("seven-stages.png") as drawn:
        assert drawn.width > 600
    assert penstroke("show", "seven.png", "--json").json["run"] == "ready"
    Path("words.png").write_text("words")
    assert penstroke("show", "words.png").code == 3
    assert penstroke("show", "seven.png", "--out", "other.png").code == 0
    assert Path("other.png").is_file()


def test_the_preparation_for_a_model_of_things_is_drawn(penstroke: Penstroke, at_home: Path, tmp_path: Path) -> None:
    known = Classifier.load("runs/book")
    for preprocessing in ("letterbox", "crop"):
        described = dataclasses.replace(known.description, preprocessing=preprocessing)
        model = tmp_path / f"{preprocessing}.safetensors"
        Classifier(known.backend, described).save(model)
        done = penstroke("show", model, "7-paper.jpg", "--out", tmp_path / "stages.png")
        assert done.code == 0, done.err
        found = penstroke("predict", model, "7-paper.jpg", "--json")
        assert found.json[0]["probabilities"] == pytest.approx(
            Classifier.load(model).predict(preprocess("7-paper.jpg", preprocessing, (1, 28, 28))).probabilities
        )
        with Image.open(tmp_path / "stages.png") as drawn:
            assert drawn.width > 600


def test_a_picture_may_follow_the_run(penstroke: Penstroke, at_home: Path, tmp_path: Path) -> None:
    for words in (("runs/book", "7.png"), ("runs/book", "--json", "7.png"), ("7.png",)):
        done = penstroke("show", *words, "--out", tmp_path / "stages.png", "--json")
        assert done.code == 0, done.err
        assert done.json == {"file": "7.png", "run": "runs/book", "picture": str(tmp_path / "stages.png")}
    latest = penstroke("show", "7.png", "--out", tmp_path / "new/folder/stages.png")
    assert latest.code == 0
    assert latest.err == "note: model runs/book, the latest run\n"
    assert (tmp_path / "new/folder/stages.png").is_file()
    missing = penstroke("show", "runs/misspelt", "7.png")
    assert missing.code == 4
    assert "runs/misspelt" in missing.err


def test_the_curves_of_a_training_are_drawn(
    penstroke: Penstroke, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(home / "runs/book", "runs/book")
    drawn = Path("runs/book/pictures/curves.png")
    drawn.unlink(missing_ok=True)
    for words in ((), ("runs/book",)):
        done = penstroke("show", *words, "--curves")
        assert done.code == 0, done.err
        assert done.out == f"picture: {drawn}\n"
        with Image.open(drawn) as picture:
            assert picture.format == "PNG"
        drawn.unlink()
    done = penstroke("show", "--curves", "--out", "other.png", "--json")
    assert done.json == {"run": "runs/book", "picture": "other.png"}
    assert Path("other.png").is_file()
    assert not drawn.exists()


def test_curves_need_a_run_with_metrics(
    penstroke: Penstroke, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    imported = runs.create("imported", {}, imported={"kind": "a test", "file": "x.pt"})
    shutil.copy(home / "runs/book/model.safetensors", imported.model_path)
    imported.update(state="imported")
    for words, code, message in (
        ((), 4, "runs/imported has no metrics: it was imported"),
        (("runs/imported",), 4, "runs/imported has no metrics"),
        ((imported.model_path,), 4, "is not a run folder"),
        (("runs/misspelt",), 4, "The run folder runs/misspelt does not exist"),
        ((home / "7.png",), 4, "is not a run folder"),
        (("runs/imported", home / "7.png"), 2, "--curves does not apply to the picture"),
        (("--out", "x.jpg"), 2, "it must end in .png"),
    ):
        done = penstroke("show", *words, "--curves")
        assert done.code == code, done
        assert message in done.err
        assert not done.out
    assert penstroke("show", "--curves", "--json").json["error"]["kind"] == "run"
    assert not (imported.path / "pictures").exists()


def test_a_model_without_mistakes_is_not_an_error(
    penstroke: Penstroke, at_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstroke.cli.show._mistakes", lambda classifier, split: [])
    done = penstroke("show", "--wrong", "--count", 9)
    assert done.code == 0, done.err
    assert done.out == "no mistakes: all 1000 test images are classified correctly\n"
    found = penstroke("show", "runs/book", "--wrong", "--json")
    assert found.json == {"run": "runs/book", "picture": None, "samples": []}
    explicit = penstroke("show", "--wrong", "--index", 0)
    assert explicit.code == 2
    assert "--index is 0: there are 0 wrongly classified test images" in explicit.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["7.png", "--index", 0], "--index applies only to test images, not to the picture 7.png"),
        (["7.png", "--count", 1], "--count applies only to test images"),
        (["runs/book", "7.png", "--wrong"], "--wrong applies only to test images"),
        (["7.png", "--data", "mnist5k"], "--data applies only to test images"),
        (["--curves", "--index", 0, "--count", 1], "--index and --count apply only to test images, not to --curves"),
        (["--curves", "--wrong"], "--wrong applies only to test images, not to --curves"),
    ],
)
def test_options_for_test_images_do_not_apply_to_other_drawings(
    words: list[object], message: str, penstroke: Penstroke, at_home: Path
) -> None:
    done = penstroke("show", *words)
    assert done.code == 2
    assert message in done.err
    assert "Omit --" in done.err
