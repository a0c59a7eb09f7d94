"""Finding runs: by path, the latest one, the one to resume."""

from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path

from penstroke.errors import ModelError, RunError
from penstroke.runs.record import FILE, RunRecord
from penstroke.runs.run import HOME, Run
from penstroke.storage.untrusted import is_plain

MODEL_SUFFIXES = (".safetensors", ".onnx")
"""Endings of model files and of exported ONNX files."""


def is_run(path: Path) -> bool:
    """Return whether ``path`` is a run folder."""
    return is_plain(path / FILE)


def open_run(path: Path) -> Run:
    """Return the run at ``path``.

    Raises:
        RunError: the folder does not exist or is not a run folder.
    """
    remedy = "Name a run folder made by `penstroke train`, or omit it to use the latest one in ./runs."
    if is_run(path):
        return Run(path)
    try:
        path.stat()
    except (OSError, ValueError) as error:
        raise RunError(f"The run folder {path} does not exist.", f"{_suggestion(path)}{remedy}") from error
    raise RunError(f"{path} is not a run folder: it has no {FILE}.", remedy)


def _suggestion(path: Path) -> str:
    """Return a question that names the run in ``./runs`` whose name is most similar to that of ``path``, or nothing."""
    names = [run.path.name for run in list_runs()]
    matches = get_close_matches(path.name, names, n=1)
    return f"Did you mean {HOME / matches[0]}? " if matches else ""


def list_runs(home: Path = HOME) -> list[Run]:
    """Return the runs in ``home`` with a valid ``run.json``, oldest first."""
    return [entry.run for entry in _list_entries(home) if entry.record]


def latest(home: Path = HOME) -> Run:
    """Return the newest run in ``home`` that has a model.

    Raises:
        RunError: no run has a model; the message names the newest runs without a model.
    """
    usable = [entry.run for entry in _list_entries(home) if not entry.problem]
    if usable:
        return usable[-1]
    others = "".join(f" {run.path}: {problem}." for run, problem in skipped(home)[:3])
    raise RunError(
        f"{home}/ has no run with a model.{others}",
        "Make one with `penstroke train`, or name a run folder or a model file.",
    )


def skipped(home: Path = HOME) -> list[tuple[Run, str]]:
    """Return the runs that ``latest`` skips, newest first, each with the reason as a phrase.

    These are the runs that are newer than the latest run with a model, or all runs if none has a model.
    """
    result = []
    for entry in reversed(_list_entries(home)):
        if not entry.problem:
            break
        result.append((entry.run, entry.problem))
    return result


def to_resume(path: Path | None = None, home: Path = HOME) -> Run:
    """Return the run at ``path``, or the latest one in ``home`` that is not finished, or the latest one.

    Raises:
        RunError: no run exists, or the run at ``path`` has no recipe, such as one of imported weights.
    """
    if path is not None:
        run = open_run(path)
        if not run.is_training:
            raise RunError(f"The run {path} has no recipe: there is no training to resume.")
        return run
    trainings = [run for run in list_runs(home) if run.is_training]
    if not trainings:
        raise RunError(f"{home}/ has no run to resume.", "Start one with `penstroke train`.")
    return next((run for run in reversed(trainings) if not run.finished), trainings[-1])


def of_job(job: str, home: Path = HOME) -> Run | None:
    """Return the latest run in ``home`` of a launch of several processes, or None.

    Args:
        job: name of the launch.
        home: folder of the runs.
    """
    return next((run for run in reversed(list_runs(home)) if run.record.job == job), None)


def model_file(source: str | Path) -> Path:
    """Return the path of a model file or an ONNX file.

    Args:
        source: a run folder, or the file.

    Raises:
        RunError: the run does not exist.
        ModelError: the run has no model.
    """
    path = Path(source)
    if path.suffix in MODEL_SUFFIXES or is_plain(path):
        return path
    run = open_run(path)
    if not is_plain(run.model_path):
        resumable = run.is_training and run.checkpoints()
        remedy = f"Continue it with `penstroke train --resume {path}`." if resumable else "Use another run."
        raise ModelError(f"The run {path} has no model: it ended before one was written.", remedy)
    return run.model_path


@dataclass(frozen=True)
class _Entry:
    """A folder with a ``run.json``."""

    created: str
    run: Run
    record: RunRecord | None
    """None if ``run.json`` is invalid."""
    problem: str
    """Why the run cannot be tested; empty if it can."""


def _list_entries(home: Path) -> list[_Entry]:
    """Return the runs in ``home``, including damaged ones, oldest first."""
    try:
        paths = sorted(home.iterdir())
    except OSError:
        return []
    return sorted((_inspect(Run(path)) for path in paths if is_run(path)), key=lambda entry: entry.created)


def _inspect(run: Run) -> _Entry:
    try:
        record = run.record
    except RunError as error:
        return _Entry(_modified(run.path / FILE), run, None, f"it is damaged: {error.message.rstrip('.')}")
    return _Entry(record.created, run, record, "" if is_plain(run.model_path) else _missing_model_reason(record))


def _missing_model_reason(record: RunRecord) -> str:
    if record.state == "failed":
        message = record.error["message"].rstrip(".") if record.error else "for an unknown reason"
        return f"it failed: {message}"
    if record.state == "running":
        return "it has no model: it is still running, or it was killed before a model was written"
    return "its model file is missing"


def _modified(path: Path) -> str:
    """Return when a file was last changed, in the format of ``RunRecord.created``."""
    try:
        seconds = path.stat().st_mtime
    except OSError:
        seconds = 0.0
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")
