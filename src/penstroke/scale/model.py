"""The file of a model, by which all processes of a job check that they have the same one."""

import hashlib
from pathlib import Path

from penstroke.errors import ModelError
from penstroke.inference.backends import choose_backend
from penstroke.inference.source import model_path
from penstroke.storage.untrusted import open_plain, reason


def model_sha256(source: str | Path) -> str:
    """Return the SHA-256 (hexadecimal) of the file that computes a model on the CPU.

    Raises:
        RunError, ModelError: see ``Classifier.load``; also if the file cannot be read.
    """
    path = choose_backend(model_path(source)).path
    try:
        with open_plain(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"The model file {path} cannot be read: {reason(error)}.", "Check the path.") from error
