"""Evaluations are stored completely, with equal bytes for equal content, and read back or rejected."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from campaigns.plans import Fail
from safetensors.numpy import save
from support.small import files_below

from penstroke import runs
from penstroke.errors import RunError, StorageError
from penstroke.runs import Run, list_evaluations, read_evaluation, save_evaluation
from penstroke.storage import disk

VALUES = {"data": "mnist", "fingerprint": "abc", "n": 3, "classes": ["0", "é"]}
LABELS = np.array([0, 1, 0])


def log_probs(seed: int = 0) -> np.ndarray[Any, Any]:
    return -np.random.default_rng(seed).random((3, 2), np.float32)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return runs.create("a", {}, tmp_path / "a")


def test_what_was_stored_is_read_back(run: Run) -> None:
    assert list_evaluations(run) == []
    folder = save_evaluation(run, "mnist", log_probs(), LABELS, VALUES)
    assert folder == run.path / "evaluations" / "mnist"
    assert files_below(folder).keys() == {"predictions.safetensors", "report.json"}
    found = read_evaluation(run, "mnist")
    assert np.array_equal(found.log_probs, log_probs())
    assert np.array_equal(found.labels, LABELS)
    assert (found.log_probs.dtype.name, found.labels.dtype.name) == ("float32", "int64")
    assert found.values == VALUES
    assert list_evaluations(run) == ["mnist"]


def test_evaluations_are_listed_without_other_files(run: Run) -> None:
    for name in ("b", "a"):
        folder = save_evaluation(run, name, log_probs(), LABELS, VALUES)
    folder.with_name("empty").mkdir()
    partial = folder.with_name(".c.99.partial")
    partial.mkdir()
    (partial / "report.json").write_text("{}")
    assert list_evaluations(run) == ["a", "b"]


def test_an_evaluation_of_no_images_is_stored(run: Run) -> None:
    save_evaluation(run, "none", np.empty((0, 10), np.float32), np.empty(0, np.int64), {})
    assert read_evaluation(run, "none").log_probs.shape == (0, 10)


def test_equal_evaluations_have_equal_bytes(run: Run) -> None:
    first, second = (
        files_below(save_evaluation(run, name, values, LABELS, VALUES))
        for name, values in (("a", log_probs()), ("b", np.asfortranarray(log_probs())))
    )
    assert first == second


def test_an_evaluation_of_the_same_name_is_replaced(run: Run) -> None:
    save_evaluation(run, "mnist", log_probs(), LABELS, VALUES)
    save_evaluation(run, "mnist", log_probs(1), LABELS, {"n": 4})
    found = read_evaluation(run, "mnist")
    assert np.array_equal(found.log_probs, log_probs(1))
    assert found.values == {"n": 4}
    assert [path.name for path in (run.path / "evaluations").iterdir()] == ["mnist"]


def test_a_full_disk_keeps_the_old_evaluation(run: Run) -> None:
    save_evaluation(run, "mnist", log_probs(), LABELS, VALUES)
    before = files_below(run.path)
    for at in range(1, 9):  # the ninth operation renames the old folder
        with disk.watched(Fail(at, 28)), pytest.raises(StorageError, match="No space left"):
            save_evaluation(run, "mnist", log_probs(1), LABELS, VALUES)
        assert files_below(run.path) == before


def test_a_report_with_nan_is_not_stored(run: Run) -> None:
    with pytest.raises(StorageError, match="contains NaN or infinity"):
        save_evaluation(run, "mnist", log_probs(), LABELS, {"loss": float("nan")})
    assert list_evaluations(run) == []


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("my data (1)", "my data _1_"),
        ("../../up", "_.._up"),
        ("/", "_"),
        ("..", "unnamed"),
        ("", "unnamed"),
        (".hidden", "hidden"),
        ("čeština", "čeština"),
        ("a\0b\n", "a_b_"),
        ("x" * 300, "x" * 50),
    ],
)
def test_any_name_gives_a_folder_in_the_run(name: str, folder: str, run: Run) -> None:
    assert save_evaluation(run, name, log_probs(), LABELS, VALUES) == run.path / "evaluations" / folder
    assert read_evaluation(run, name).values == VALUES
    assert list_evaluations(run) == [folder]


def test_a_missing_evaluation_is_an_error(run: Run) -> None:
    with pytest.raises(RunError, match=r"has no evaluation 'mnist'\. Make it with `penstroke test`\."):
        read_evaluation(run, "mnist")


@pytest.mark.parametrize(
    "tensors",
    [
        {},
        {"log_probs": log_probs()},
        {"log_probs": log_probs(), "labels": LABELS, "more": LABELS},
        {"log_probs": log_probs().astype(np.float64), "labels": LABELS},
        {"log_probs": log_probs(), "labels": LABELS.astype(np.int32)},
        {"log_probs": log_probs(), "labels": LABELS[:2]},
        {"log_probs": log_probs().ravel(), "labels": LABELS},
        {"log_probs": log_probs(), "labels": np.array([0, 1, 2])},
        {"log_probs": log_probs(), "labels": np.array([0, 1, -1])},
        {"log_probs": log_probs() * np.float32(np.nan), "labels": LABELS},
    ],
)
def test_predictions_that_are_invalid_are_rejected(tensors: dict[str, Any], run: Run) -> None:
    folder = save_evaluation(run, "mnist", log_probs(), LABELS, VALUES)
    (folder / "predictions.safetensors").write_bytes(save(tensors))
    with pytest.raises(RunError, match=r"predictions\.safetensors is invalid: it (must hold|has a label)"):
        read_evaluation(run, "mnist")


@pytest.mark.parametrize("content", [b"", b"\0" * 8, b"\xff" * 100, save({"labels": LABELS})[:-1], b"{}" * 50])
def test_a_damaged_file_of_predictions_is_rejected(content: bytes, run: Run) -> None:
    folder = save_evaluation(run, "mnist", log_probs(), LABELS, VALUES)
    (folder / "predictions.safetensors").write_bytes(content)
    with pytest.raises(RunError, match=r"predictions\.safetensors is (invalid|not a safetensors file, or is damaged)"):
        read_evaluation(run, "mnist")


def test_a_file_of_predictions_that_is_too_large_is_rejected(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    save_evaluation(run, "mnist", log_probs(), LABELS, VALUES)
    monkeypatch.setattr("penstroke.runs.evaluations.MAX_BYTES", 100)
    with pytest.raises(RunError, match="more than 100 bytes"):
        read_evaluation(run, "mnist")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_pipes_and_links_to_other_folders_are_rejected(run: Run) -> None:
    folder = save_evaluation(run, "mnist", log_probs(), LABELS, VALUES)
    path = folder / "predictions.safetensors"
    path.rename(run.path / "outside")
    path.symlink_to(run.path / "outside")
    with pytest.raises(RunError, match="cannot be read: it is a link"):
        read_evaluation(run, "mnist")
    path.unlink()
    with pytest.raises(RunError, match="cannot be read: No such file"):
        read_evaluation(run, "mnist")
    os.mkfifo(path)
    with pytest.raises(RunError, match="cannot be read: it is a pipe"):
        read_evaluation(run, "mnist")


@pytest.mark.parametrize("report", ["", "[]", "{", '{"format": 2}', '{"format": "1"}', '{"n": NaN}'])
def test_a_report_that_is_invalid_or_newer_is_rejected(report: str, run: Run) -> None:
    folder = save_evaluation(run, "mnist", log_probs(), LABELS, VALUES)
    (folder / "report.json").write_text(report)
    with pytest.raises(RunError) as caught:
        read_evaluation(run, "mnist")
    if "2" in report:
        assert caught.value.remedy == "Upgrade Penstroke."


def test_a_report_is_readable_json(run: Run) -> None:
    folder = save_evaluation(run, "mnist", log_probs(), LABELS, VALUES)
    assert json.loads((folder / "report.json").read_text(encoding="utf-8")) == {"format": 1} | VALUES
