"""Evaluations in runs: the report is restored, and errors on corrupted images stay as long as they belong to it."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from penstroke.data import Dataset
from penstroke.errors import RunError
from penstroke.evaluation import Report, evaluate, read_report, save_report
from penstroke.runs import Run, read_evaluation


@pytest.fixture
def run(sample_run: Run, tmp_path: Path) -> Run:
    shutil.copytree(sample_run.path, tmp_path / "run")
    return Run(tmp_path / "run")


@pytest.fixture
def report(small: Dataset) -> Report:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(len(small.test), 10)).astype(np.float32)
    return evaluate(lambda images: logits - np.logaddexp.reduce(logits, 1)[:, None], small.test, threshold=0.3)


def test_a_report_is_restored(run: Run, small: Dataset, report: Report) -> None:
    folder = save_report(run, small, report)
    found = read_report(run, folder.name)
    assert (found.classes, found.threshold) == (report.classes, 0.3)
    assert found.to_json() == report.to_json()
    assert read_evaluation(run, folder.name).values["corruptions"] is None


def test_errors_on_corrupted_images_are_kept_for_the_same_model(run: Run, small: Dataset, report: Report) -> None:
    folder = save_report(run, small, report, {"clean": 0.5})
    save_report(run, small, report)
    assert read_evaluation(run, folder.name).values["corruptions"] == {"clean": 0.5}
    save_report(run, small, dataclasses.replace(report, log_probs=report.log_probs[::-1].copy()))
    assert read_evaluation(run, folder.name).values["corruptions"] is None


def test_classes_come_from_the_rows_of_an_older_evaluation(run: Run, small: Dataset, report: Report) -> None:
    path = save_report(run, small, report) / "report.json"
    values = json.loads(path.read_text())
    del values["classes"], values["threshold"]
    path.write_text(json.dumps(values))
    found = read_report(run, path.parent.name)
    assert (found.classes, found.threshold) == (report.classes, 0.0)


@pytest.mark.parametrize(
    "damage", [{"classes": ["a"]}, {"classes": list(range(10))}, {"threshold": "high"}, {"classes": 5}]
)
def test_a_damaged_report_is_rejected(run: Run, small: Dataset, report: Report, damage: dict[str, object]) -> None:
    path = save_report(run, small, report) / "report.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    with pytest.raises(RunError, match="is invalid"):
        read_report(run, path.parent.name)
