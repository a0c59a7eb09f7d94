"""``penstroke test``: the figures, what is stored and drawn, checks, and which run is taken."""

import csv
import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstroke import Classifier, runs
from penstroke.data import Dataset, disputed, fingerprint
from penstroke.errors import MissingExtraError, StorageError
from penstroke.evaluation import corruption_errors, read_report, robustness
from penstroke.models.description import Calibration

Penstroke = Callable[..., Any]


@pytest.fixture
def own_home(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a copy of ``home``."""
    shutil.copytree(home / "runs", tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_default_is_the_latest_run_with_its_own_data(penstroke: Penstroke, at_home: Path) -> None:
    done = penstroke("test", "--no-plots")
    assert done.code == 0
    assert "runs/book on mnist5k:" in done.out
    found = penstroke("test", "runs/book", "--no-plots", "--json").json
    assert {"run", "data", "total", "correct", "accuracy", "accuracy_ci95", "loss", "per_class"} <= found.keys()
    assert found["total"] == 1000
    assert found["abstained"] == 0
    assert found["accuracy"] == found["correct"] / 1000 > 0.85
    low, high = found["accuracy_ci95"]
    assert low < found["accuracy"] < high
    recorded = json.loads((at_home / "runs/book/run.json").read_text())["epochs"][-1]["test"]
    assert found["correct"] == recorded["correct"]
    assert found["loss"] == pytest.approx(recorded["loss"], rel=1e-6)


def test_the_evaluation_is_stored_in_the_run(penstroke: Penstroke, at_home: Path, sample: Dataset) -> None:
    found = penstroke("test", "--no-plots", "--json").json
    run = runs.Run(at_home / "runs/book")
    assert runs.list_evaluations(run) == ["mnist5k"]
    stored = runs.read_evaluation(run, "mnist5k")
    assert stored.log_probs.shape == (1000, 10)
    assert np.array_equal(stored.labels, sample.test.labels)
    assert (stored.log_probs.argmax(1) == stored.labels).sum() == found["correct"]
    assert stored.values["loss"] == found["loss"]
    assert stored.values["data"] == "mnist5k"
    assert len(stored.values["fingerprint"]) == 64
    assert read_report(run, "mnist5k").to_json().items() <= found.items()


def test_a_run_that_cannot_be_written_is_tested(
    penstroke: Penstroke, at_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*arguments: object) -> None:
        raise StorageError("Cannot write: read-only.")

    monkeypatch.setattr(runs, "save_evaluation", read_only)
    done = penstroke("test", "--no-plots")
    assert done.code == 0
    assert "note: the evaluation is not stored in the run: Cannot write: read-only." in done.err


def test_abstentions_are_reported(penstroke: Penstroke, at_home: Path, tmp_path: Path) -> None:
    known = Classifier.load("runs/book")
    calibration = Calibration(threshold=0.9, images=10, rejected=0, wrong=0)
    strict = dataclasses.replace(known.description, calibration=calibration)
    Classifier(known.backend, strict).save(tmp_path / "strict.safetensors")
    found = penstroke("test", tmp_path / "strict.safetensors", "--json").json
    assert 0 < found["abstained"] < 1000
    assert found["correct"] == penstroke("test", "--no-plots", "--json").json["correct"]
    assert (
        f"the model abstains on {found['abstained']} images" in penstroke("test", tmp_path / "strict.safetensors").out
    )


def test_newer_runs_without_a_model_are_reported(
    penstroke: Penstroke, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(home / "runs/book", "runs/book")
    runs.create("killed", {}, Path("runs/killed"))
    failed = runs.create("failed", {}, Path("runs/failed"))
    failed.update(state="failed", error={"kind": "model", "message": "Too little memory.", "remedy": ""})
    done = penstroke("test", "--no-plots")
    assert done.code == 0
    assert "runs/book on mnist5k:" in done.out
    assert "note: the newer run runs/failed is skipped: it failed: Too little memory" in done.err
    assert "note: the newer run runs/killed is skipped: it has no model" in done.err
    assert "skipped" not in penstroke("test", "runs/book", "--no-plots").err


def test_everything_is_printed(penstroke: Penstroke, at_home: Path) -> None:
    done, found = penstroke("test", "--no-plots"), penstroke("test", "--no-plots", "--json").json
    assert f"true class among the two most probable: {found['top2']}/1000" in done.out
    brier, error = found["brier"], found["calibration_error"]
    assert f"Brier score {brier:.4f}, expected calibration error {error:.4f}" in done.out
    for header in ("class  images  correct", "confusion matrix", "most frequent confusions", "most certain answers"):
        assert header in done.out
    worst = found["worst"][0]
    assert f"{worst['label']}          {worst['prediction']}       {worst['probability']:.4f}" in done.out
    assert found["corruptions"] is found["without_disputed"] is found["csv"] is found["check"] is None
    assert found["pictures"] == {}


def test_plots_are_drawn_in_the_run(penstroke: Penstroke, own_home: Path) -> None:
    found = penstroke("test", "--json").json
    assert found["pictures"] == {
        kind: f"runs/book/pictures/{kind}-mnist5k.png" for kind in ("confusion", "calibration", "mistakes")
    }
    assert all(Path(path).is_file() for path in found["pictures"].values())
    assert penstroke("test", "runs/book/model.safetensors", "--json").json["pictures"] == {}


def test_without_matplotlib_the_plots_are_omitted(
    penstroke: Penstroke, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*names: str) -> None:
        if "matplotlib" in names:
            raise MissingExtraError("train", "This needs the package matplotlib, which is not installed.")

    monkeypatch.setattr("penstroke.cli.test.require_extra", missing)
    done = penstroke("test")
    assert done.code == 0
    assert "note: the plots are not drawn: This needs the package matplotlib" in done.err


def test_plots_that_cannot_be_written_are_a_note(
    penstroke: Penstroke, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (own_home / "runs/book/pictures").rename(own_home / "old") if (own_home / "runs/book/pictures").exists() else None
    (own_home / "runs/book/pictures").touch()
    done = penstroke("test")
    assert done.code == 0
    assert "note: the plots are not drawn: Cannot write" in done.err


def test_a_row_is_written_for_each_image(penstroke: Penstroke, own_home: Path, sample: Dataset) -> None:
    found = penstroke("test", "--no-plots", "--csv", "new/rows.csv", "--json").json
    assert found["csv"] == "new/rows.csv"
    with open("new/rows.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["label"]) for row in rows] == sample.test.labels.tolist()
    assert sum(row["correct"] == "True" for row in rows) == found["correct"]
    report = read_report(runs.Run(Path("runs/book")), "mnist5k")
    probabilities = [[float(row[f"p_{digit}"]) for digit in range(10)] for row in rows]
    assert np.allclose(probabilities, report.probabilities, rtol=1e-8)


def test_a_csv_file_that_cannot_be_written_is_an_error(penstroke: Penstroke, own_home: Path) -> None:
    (own_home / "file").touch()
    done = penstroke("test", "--no-plots", "--csv", "file/rows.csv")
    assert done.code == 4
    assert "Cannot write" in done.err


@pytest.mark.parametrize(("share", "code"), [("0.5", 0), ("0.9999", 5)])
def test_an_accuracy_is_demanded(penstroke: Penstroke, at_home: Path, share: str, code: int) -> None:
    done = penstroke("test", "--no-plots", "--require-accuracy", share)
    assert done.code == code
    assert "runs/book on mnist5k:" in done.out
    assert ("--require-accuracy demands 99.99 %" in done.err) == bool(code)
    found = penstroke("test", "--no-plots", "--require-accuracy", share, "--json")
    assert found.code == code
    assert found.json["check"] == {"required_accuracy": float(share), "passed": not code}


@pytest.mark.parametrize("share", ["98.5", "-0.1", "nan"])
def test_a_demand_is_a_fraction(penstroke: Penstroke, at_home: Path, share: str) -> None:
    done = penstroke("test", "--require-accuracy", share)
    assert done.code == 2
    assert "it must be from 0 to 1" in done.err


def test_disputed_labels_are_left_out(
    penstroke: Penstroke, at_home: Path, sample: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = penstroke("test", "--no-plots", "--without-disputed")
    assert done.code == 2
    assert "--without-disputed applies only to MNIST's test images, not to those of mnist5k" in done.err
    wrong = read_report(runs.Run(Path("runs/book")), "mnist5k").mistakes[:3].tolist()
    monkeypatch.setattr(disputed, "MNIST_TEST", fingerprint(sample.test))
    monkeypatch.setattr(disputed, "MNIST_DISPUTED", (*wrong, *{0, 1, 2, 3, 4, 5, 6}.difference(wrong)))
    found = penstroke("test", "--no-plots", "--without-disputed", "--json").json
    removed = found["without_disputed"]["removed"]
    assert found["without_disputed"]["total"] == 1000 - removed
    assert found["without_disputed"]["disagrees"] >= 3
    assert found["without_disputed"]["correct"] == found["correct"] - removed + found["without_disputed"]["disagrees"]
    assert f"without {removed} images of disputed labels: " in penstroke("test", "--no-plots", "--without-disputed").out


def test_corrupted_images_are_measured(
    penstroke: Penstroke, own_home: Path, sample: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(robustness, "CORRUPTIONS", {"rotate": None, "stripe": None})
    done = penstroke("test", "--corruptions")
    assert done.code == 0
    assert "note: corruption 2 of 2: stripe" in done.err
    assert "relative to book undefined" in done.out
    assert Path("runs/book/pictures/corruptions-mnist5k.png").is_file()
    stored = runs.read_evaluation(runs.Run(Path("runs/book")), "mnist5k").values["corruptions"]
    expected = corruption_errors(Classifier.load("runs/book"), sample.test, ["rotate", "stripe"])
    assert [row["errors"] for row in stored["families"]] == [list(each.errors) for each in expected.families]
    assert penstroke("test", "--no-plots", "--json").json["corruptions"] is None
    assert runs.read_evaluation(runs.Run(Path("runs/book")), "mnist5k").values["corruptions"] == stored


def test_data_of_other_classes_are_an_error(penstroke: Penstroke, own_home: Path) -> None:
    from PIL import Image

    for part in ("train", "test"):
        for name in ("7", "cat"):
            folder = own_home / "data" / part / name
            folder.mkdir(parents=True)
            for number in range(3):
                Image.fromarray(np.full((28, 28), 40 * number, np.uint8)).save(folder / f"{number}.png")
    done = penstroke("test", "--data", own_home / "data")
    assert done.code == 3
    assert "class 'cat', which is not one of the model's 10" in done.err
    for part in ("train", "test"):
        shutil.rmtree(own_home / "data" / part / "cat")
        shutil.copytree(own_home / "data" / part / "7", own_home / "data" / part / "3")
    found = penstroke("test", "--no-plots", "--data", own_home / "data", "--json").json
    assert [row["total"] for row in found["per_class"]] == [0, 0, 0, 3, 0, 0, 0, 3, 0, 0]
    assert found["per_class"][0]["recall"] is None
    assert "undefined" in penstroke("test", "--no-plots", "--data", own_home / "data").out
