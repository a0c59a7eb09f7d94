"""Run folders: the files that one training run writes, as typed values.

This package does not depend on networks, datasets or training, and imports neither torch nor NumPy.
"""

from penstroke.runs.evaluations import Evaluation, list_evaluations, read_evaluation, save_evaluation
from penstroke.runs.find import (
    MODEL_SUFFIXES,
    is_run,
    latest,
    list_runs,
    model_file,
    of_job,
    open_run,
    skipped,
    to_resume,
)
from penstroke.runs.record import DataSource, ErrorInfo, Resumption, RunRecord, State, read_record, write_record
from penstroke.runs.run import HOME, MODEL, Run, create

__all__ = [
    "HOME",
    "MODEL",
    "MODEL_SUFFIXES",
    "DataSource",
    "ErrorInfo",
    "Evaluation",
    "Resumption",
    "Run",
    "RunRecord",
    "State",
    "create",
    "is_run",
    "latest",
    "list_evaluations",
    "list_runs",
    "model_file",
    "of_job",
    "open_run",
    "read_evaluation",
    "read_record",
    "save_evaluation",
    "skipped",
    "to_resume",
    "write_record",
]
