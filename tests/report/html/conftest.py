"""Fixtures: a copy of a trained run, and its report."""

import shutil
from pathlib import Path

import pytest

from penstroke.data import Dataset
from penstroke.inference import Classifier
from penstroke.report.html import Request, Written, write_report
from penstroke.runs import Run


@pytest.fixture(scope="session")
def report_run(sample_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a copy of the trained run."""
    return Run(shutil.copytree(sample_run.path, tmp_path_factory.mktemp("report") / "book"))


@pytest.fixture(scope="session")
def written(report_run: Run, small: Dataset) -> Written:
    """Return the report of the run on ``small``."""
    path = report_run.path / "report.html"
    return write_report(Request(Classifier.load(report_run.path), small, path, report_run, 3, "book"))


@pytest.fixture(scope="session")
def html(written: Written) -> str:
    """Return the content of the report."""
    return Path(written.path).read_text(encoding="utf-8")
