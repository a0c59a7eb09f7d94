"""Where a model comes from: the latest run, a run, a model file, an ONNX file, the bundled model, or several of them.

``penstroke.runs`` is imported where it is needed: the bundled model does not need it, and its import takes 0.07 s.
"""

import os
from pathlib import Path

from penstroke.errors import ModelError, RunError, UsageError
from penstroke.models import bundled
from penstroke.models.description import Description
from penstroke.models.files import read_description
from penstroke.models.onnx_files import read_onnx


def is_bundled(source: str | Path) -> bool:
    """Return whether ``source`` is the name of the bundled model, and not a run folder of that name."""
    if str(source) != bundled.NAME:
        return False
    if not Path(source).is_dir():
        return True
    from penstroke import runs

    return not runs.is_run(Path(source))


def default_source() -> Path:
    """Return the folder of the latest run in ``./runs`` that has a model, or else the name of the bundled model."""
    from penstroke import runs

    try:
        return runs.latest().path
    except RunError:
        return Path(bundled.NAME)


def members_of(source: str | Path) -> list[str]:
    """Return the members of a committee, such as ``runs/a+runs/b``; nothing for one model.

    Raises:
        UsageError: a name is missing, or one is given more than once.
    """
    text = str(source)
    if "+" not in text or os.path.exists(text):  # noqa: PTH110 - False, not an error, for a name that is too long
        return []
    members = text.split("+")
    if not all(members):
        raise UsageError(f"{text} lacks a name before or after a plus sign.", "Write runs/a+runs/b, without spaces.")
    if repeated := [name for name in members if members.count(name) > 1]:
        raise UsageError(f"{repeated[0]} is given more than once in {text}.", "Name different models.")
    return members


def model_path(source: str | Path) -> Path:
    """Return the path of a model file or ONNX file.

    Args:
        source: run folder, model file, ONNX file, or ``ready`` for the bundled model.

    Raises:
        RunError: the run does not exist.
        ModelError: the run has no model, or the source is a committee, which has no single file.
    """
    if is_bundled(source):
        return bundled.WEIGHTS
    if members_of(source):
        raise ModelError(
            f"{source} has several models, and one file is needed here.",
            f'Save it as one: Classifier.load("{source}").save("committee.safetensors").',
        )
    from penstroke import runs

    return runs.model_file(source)


def describe(path: Path) -> Description:
    """Return the description in a model file or an ONNX file.

    Raises:
        ModelError: the file is missing, damaged or invalid.
    """
    return read_onnx(path)[0] if path.suffix == ".onnx" else read_description(path)
