"""``run.json``: the state and the results of a run, as one typed value with one reader and one writer."""

import dataclasses
from pathlib import Path
from typing import Any, Literal, NotRequired

from pydantic import ConfigDict, Field, ValidationError, with_config
from pydantic.dataclasses import dataclass
from typing_extensions import TypedDict  # pydantic does not accept the one of typing before Python 3.12

from penstroke import storage
from penstroke.errors import RunError
from penstroke.storage.untrusted import read_json, reason

FILE = "run.json"
State = Literal["running", "finished", "unfinished", "failed", "imported"]
"""``running`` is also the state of a run whose process was killed."""
DAMAGED = "The run is damaged; use another one."
_LENIENT = ConfigDict(extra="allow")


@with_config(_LENIENT)
class DataSource(TypedDict):
    """The training data of a run."""

    source: str
    """The source to load the data from: the name of a card, or the absolute path of a folder."""
    name: NotRequired[str]
    requested: NotRequired[str]
    """The name or path that the user gave, such as ``auto``."""
    notes: NotRequired[list[str]]
    options: NotRequired[dict[str, Any]]
    """``size`` (width and height) and ``skip_broken``, if they were given."""
    outliers: NotRequired[dict[str, Any]]
    """``folder``, ``images`` and ``sha256`` of the pictures that show none of the classes, if there are any."""
    corrections: NotRequired[dict[str, Any]]
    """``folder``, ``images`` and ``sha256`` of the pictures that were trained on in addition, if there are any."""
    fingerprint: NotRequired[str]
    """SHA-256 of the train split: see ``data.fingerprint``."""


@with_config(_LENIENT)
class InitSource(TypedDict):
    """The model whose weights a run starts from."""

    source: str
    """``ready`` or the absolute path of a run or model file; empty for a model in memory."""
    sha256: str
    """Hash of its weights."""
    freeze: float
    """Fraction of the training in which the loaded layers do not change."""
    loaded: list[str]
    """Layers that start from its weights."""
    new: list[str]
    """Layers that start from random weights."""
    mean: NotRequired[list[float]]
    """Pixel mean of the model, if it is kept."""
    std: NotRequired[list[float]]
    """Pixel standard deviation, likewise."""


@with_config(_LENIENT)
class ErrorInfo(TypedDict):
    """The error that ended a failed run."""

    kind: str
    message: str
    remedy: str


@with_config(_LENIENT)
class Resumption(TypedDict):
    """One resumption of a run."""

    after: str | None
    """Epoch and step of the checkpoint; None without one."""
    when: str
    """Time, ISO 8601."""
    differ: list[str]
    """Conditions that differ from those before the interruption."""


@dataclass(frozen=True, kw_only=True, config=ConfigDict(strict=True, extra="forbid"))
class RunRecord:
    """The content of ``run.json``. Fields that are None or empty are left out of the file."""

    state: State
    created: str
    """Time, ISO 8601 in UTC."""
    data: DataSource | None = None
    init: InitSource | None = None
    epochs: list[dict[str, Any]] = Field(default_factory=list)
    """One row per finished epoch: losses, test results, seconds."""
    seconds: float | None = None
    """Duration of the training."""
    kept_epoch: int | None = None
    """The epoch whose weights the model has, if it is not the last one."""
    error: ErrorInfo | None = None
    resumed: list[Resumption] = Field(default_factory=list)
    imported: dict[str, Any] | None = None
    """For third-party weights: their kind and file."""
    members: list[dict[str, Any]] = Field(default_factory=list)
    """Of a committee: the name of the run of each member, and the SHA-256 of its model file."""
    checkpoint_every: str | None = None
    """The interval between checkpoints, as given by the user: ``auto``, ``never``, ``500``, ``30s``."""
    job: str | None = None
    """Name of the launch of several processes, which continues this run after a restart."""
    unknown: dict[str, Any] = Field(default_factory=dict)
    """Keys written by a newer version; they are kept when the record is written again."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        values = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        unknown = values.pop("unknown")
        return unknown | {name: value for name, value in values.items() if value not in (None, [])}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "RunRecord":
        """Return the record with the given JSON values. Unknown keys are accepted.

        Raises:
            ValueError: a key is missing or a value is invalid; the message lists every problem.
        """
        names = {item.name for item in dataclasses.fields(cls)} - {"unknown"}
        known = {name: value for name, value in values.items() if name in names}
        unknown = {name: value for name, value in values.items() if name not in names}
        try:
            return cls(**known, unknown=unknown)
        except ValidationError as error:
            problems = [
                f"{'.'.join(map(str, problem['loc']))}: {problem['msg'].lower()}"
                for problem in error.errors(include_url=False, include_context=False, include_input=False)
            ]
            raise ValueError("; ".join(problems)) from error


def read_record(folder: Path) -> RunRecord:
    """Return the record of the run in ``folder``.

    Raises:
        RunError: ``run.json`` is missing or invalid.
    """
    path = folder / FILE
    values = read_object(path)
    try:
        return RunRecord.from_json(values)
    except ValueError as error:
        raise RunError(f"{path} is invalid: {error}.", DAMAGED) from error


def write_record(folder: Path, record: RunRecord) -> None:
    """Write the record of the run in ``folder``; the old one is replaced atomically.

    Raises:
        StorageError: the record cannot be written.
    """
    storage.write_json(folder / FILE, record.to_json())


def read_object(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file of a run.

    Raises:
        RunError: the file is missing, is not JSON or holds another value.
    """
    try:
        value = read_json(path)
    except OSError as error:
        raise RunError(f"{path} cannot be read: {reason(error)}.", DAMAGED) from error
    except ValueError as error:
        raise RunError(f"{path} is invalid: {error}.", DAMAGED) from error
    if not isinstance(value, dict):
        raise RunError(f"{path} holds a {type(value).__name__}; it must hold a JSON object.", DAMAGED)
    return value
