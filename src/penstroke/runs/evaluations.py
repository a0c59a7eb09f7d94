"""Evaluations: the log-probabilities and labels of one model on one split, stored in the run.

``RUN/evaluations/NAME/`` holds ``predictions.safetensors`` (``log_probs`` and ``labels``) and ``report.json``. Equal
evaluations have equal bytes.
"""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstroke import storage
from penstroke.errors import RunError, StorageError
from penstroke.runs.record import DAMAGED, read_object
from penstroke.runs.run import Run
from penstroke.storage.untrusted import open_contained, reason

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float32, Int64

FORMAT = 1
MAX_BYTES = 1 << 30
"""Maximum size of a file of predictions in bytes."""
PREDICTIONS = "predictions.safetensors"
REPORT = "report.json"


@dataclass(frozen=True)
class Evaluation:
    """A stored evaluation of ``n`` images."""

    log_probs: 'Float32[np.ndarray, "n classes"]'
    """Log-probabilities, float32."""
    labels: 'Int64[np.ndarray, "n"]'
    """Indices of the true classes."""
    values: dict[str, Any]
    """Name and fingerprint of the data, number of images, classes, and other stored values."""


def save_evaluation(
    run: Run,
    name: str,
    log_probs: 'Float32[np.ndarray, "n classes"]',
    labels: 'Int64[np.ndarray, "n"]',
    values: dict[str, Any],
) -> Path:
    """Store an evaluation in the run and return its folder. An evaluation of the same name is replaced.

    Args:
        run: the run of the model.
        name: name of the data; characters that are unsuitable for a folder are replaced.
        log_probs: log-probabilities, float32 [n, classes].
        labels: indices of the true classes, int64 [n].
        values: name and fingerprint of the data, number of images, classes; JSON values.

    Raises:
        StorageError: the evaluation cannot be written, or ``values`` is not finite. An existing one is unchanged.
    """
    import numpy as np
    from safetensors.numpy import save

    tensors = {"log_probs": np.ascontiguousarray(log_probs), "labels": np.ascontiguousarray(labels)}
    assert _is_consistent(tensors), "log_probs is float32 [n, classes] and labels is int64 [n]"
    folder = _folder(run, name)
    try:
        report = json.dumps({"format": FORMAT, **values}, indent=2, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise StorageError(f"Cannot write {folder}: the report contains NaN or infinity.") from error
    storage.make_folder(folder.parent)
    # Without metadata the bytes are reproducible: safetensors writes several metadata keys in random order.
    content = {PREDICTIONS: save(tensors), REPORT: f"{report}\n".encode()}
    storage.write_folder(folder, content, replace=True)
    return folder


def read_evaluation(run: Run, name: str) -> Evaluation:
    """Return a stored evaluation.

    Args:
        run: the run of the model.
        name: the name of the evaluation.

    Raises:
        RunError: the evaluation does not exist, is damaged, or was written by a newer version.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    folder = _folder(run, name)
    if not folder.is_dir():
        raise RunError(f"The run {run.path} has no evaluation {name!r}.", "Make it with `penstroke test`.")
    values = read_object(folder / REPORT)
    written = values.pop("format", FORMAT)
    if written != FORMAT:
        raise RunError(f"{folder} has the format {written!r}; it must be {FORMAT}.", "Upgrade Penstroke.")
    path = folder / PREDICTIONS
    try:
        with open_contained(path) as file:
            if os.fstat(file.fileno()).st_size > MAX_BYTES:
                raise ValueError(f"it has more than {MAX_BYTES} bytes")
            content = file.read()
        tensors = load(content)
        if not _is_consistent(tensors):
            raise ValueError("it must hold log_probs, float32 [n, classes], and labels, int64 [n]")
        log_probs, labels = tensors["log_probs"], tensors["labels"]
        if ((labels < 0) | (labels >= log_probs.shape[1])).any() or (log_probs != log_probs).any():
            raise ValueError("it has a label that is not a class, or a log-probability that is not a number")
    except OSError as error:
        raise RunError(f"{path} cannot be read: {reason(error)}.", DAMAGED) from error
    except SafetensorError as error:
        raise RunError(f"{path} is not a safetensors file, or is damaged.", DAMAGED) from error
    except ValueError as error:
        raise RunError(f"{path} is invalid: {error}.", DAMAGED) from error
    return Evaluation(log_probs, labels, values)


def list_evaluations(run: Run) -> list[str]:
    """Return the names of the evaluations of a run, sorted."""
    folder = run.path / "evaluations"
    paths = folder.iterdir() if folder.is_dir() else ()
    return sorted(path.name for path in paths if not path.name.startswith(".") and (path / REPORT).is_file())


def _folder(run: Run, name: str) -> Path:
    """Return the folder of an evaluation, which is always directly below ``evaluations``."""
    plain = re.sub(r"[^\w.+ -]", "_", name)[:50].strip(". ")
    return run.path / "evaluations" / (plain or "unnamed")


def _is_consistent(tensors: "dict[str, np.ndarray[Any, Any]]") -> bool:
    """Return whether ``tensors`` are those of an evaluation: names, dtypes and shapes."""
    if tensors.keys() != {"log_probs", "labels"}:
        return False
    log_probs, labels = tensors["log_probs"], tensors["labels"]
    kinds = (log_probs.dtype.name, labels.dtype.name) == ("float32", "int64")
    return kinds and log_probs.ndim == 2 and labels.shape == log_probs.shape[:1]
