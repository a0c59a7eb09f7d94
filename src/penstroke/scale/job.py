"""A job: the prediction of many pictures into one folder, which the same command continues after any interruption.

The folder has ``job.json``, written first, which identifies the job; a Parquet file for each part, written completely
or not at all; and ``manifest.json``, written last. A part is finished when its file exists; nothing else is kept about
the progress. This module does not depend on how parts are predicted, and imports PyArrow where files are read.
"""

import hashlib
import json
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstroke import __version__, storage
from penstroke.errors import RunError
from penstroke.scale.inputs import Input
from penstroke.scale.parts import Part, digest, divide
from penstroke.storage.untrusted import read_json, reason

if TYPE_CHECKING:
    from penstroke.scale.rows import PartFile

FORMAT = 1
"""Version of the files of a job."""
JOB, MANIFEST = "job.json", "manifest.json"
ATTEMPTED = ".attempts"
"""Ending of the hidden file that counts the attempts at a part."""
_REMEDY = "Choose another folder with --output, or repeat the command that the folder belongs to."
_WORDS = {
    "format": "format",
    "penstroke": "version of Penstroke",
    "model_sha256": "model, whose SHA-256",
    "max_pixels": "size limit of a picture in pixels",
    "images": "number of pictures",
    "files": "number of files",
    "part_size": "part size",
    "inputs_sha256": "list of files with their names and sizes, whose SHA-256",
}
"""What identifies a job, and what messages call it."""


@dataclass(frozen=True)
class Task:
    """What a process needs to know to predict any part of a job.

    Args:
        job: identity of the job, which the files of the parts state.
        model: run folder, model file, ONNX file or ``ready``.
        model_sha256: SHA-256 of the file of the model.
        folder: the folder that relative names of files refer to.
        output: the folder of the job.
        max_pixels: pictures with more pixels are rejected before they are decoded.
    """

    job: str
    model: str
    model_sha256: str
    folder: str
    output: str
    max_pixels: int


@dataclass(frozen=True)
class Manifest:
    """The content of a finished folder.

    Args:
        job: identity of the job.
        model: the model, as it was given.
        classes: class names, in the order of the columns.
        parts: the files, in the order of the inputs.
    """

    job: dict[str, Any]
    model: str
    classes: tuple[str, ...]
    parts: tuple["PartFile", ...]

    @property
    def rows(self) -> int:
        """Number of rows of all files."""
        return sum(part.rows for part in self.parts)

    @property
    def abstained(self) -> int:
        """Number of rows in which the model abstains."""
        return sum(part.abstained for part in self.parts)

    @property
    def errors(self) -> int:
        """Number of rows whose picture could not be used."""
        return sum(part.errors for part in self.parts)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            **self.job,
            "model": self.model,
            "classes": list(self.classes),
            "rows": self.rows,
            "abstained": self.abstained,
            "errors": self.errors,
            "parts": [part.to_json() for part in self.parts],
        }


Execute = Callable[[Task, Sequence[Part]], Generator["PartFile"]]
"""Predicts parts, at least one, and yields what was written for each as soon as it is finished, in any order."""


@dataclass(frozen=True)
class Job:
    """The prediction of many pictures.

    Args:
        output: the folder.
        parts: all parts.
        task: what processes need to know.
        classes: class names of the model.
        identity: what tells this job from others, as plain JSON values.
    """

    output: Path
    parts: tuple[Part, ...]
    task: Task
    classes: tuple[str, ...]
    identity: dict[str, Any]

    @cached_property
    def images(self) -> int:
        """Number of pictures."""
        return sum(part.rows for part in self.parts)

    def run(
        self, execute: Execute, report: Callable[[int, int], None], note: Callable[[str], None] = lambda _: None
    ) -> Manifest:
        """Predict the parts that are not finished, and write the manifest.

        Args:
            execute: predicts parts.
            report: called with the number of finished pictures and their total, at first and after each part.
            note: called with notes for the user.

        Raises:
            RunError: the folder belongs to another job, or another process works on it.
            StorageError: the folder cannot be written.
            PenstrokeError: see ``execute``.
        """
        storage.make_folder(self.output)
        with storage.locked(self.output, f"Another process predicts into {self.output}."):
            self._claim()
            storage.clear_leftovers(self.output)
            for path in self.output.glob(f".*{ATTEMPTED}"):
                storage.remove_file(path)
            finished = {part.name: part for part in self._finished(note)}
            waiting = [part for part in self.parts if part.name not in finished]
            done = self.images - sum(part.rows for part in waiting)
            if finished:
                note(f"{self.output} is continued: {len(finished)} of {len(self.parts)} parts are finished")
            report(done, self.images)
            if waiting:
                with closing(execute(self.task, waiting)) as predicted:
                    for part in predicted:
                        finished[part.name] = part
                        done += part.rows
                        report(done, self.images)
            parts = tuple(finished[part.name] for part in self.parts)
            manifest = Manifest(self.identity, self.task.model, self.classes, parts)
            storage.write_json(self.output / MANIFEST, manifest.to_json())
            return manifest

    def _claim(self) -> None:
        """Write ``job.json``, or check that it is that of this job."""
        path = self.output / JOB
        try:
            known = read_json(path)
        except FileNotFoundError:
            if others := sorted(path.name for path in self.output.iterdir() if not path.name.startswith(".")):
                raise RunError(
                    f"{self.output} is not empty, and has no {JOB}: it has {others[0]}.", "Choose a new folder."
                ) from None
            storage.write_json(path, self.identity)
            return
        except (OSError, ValueError) as error:
            text = reason(error) if isinstance(error, OSError) else str(error)
            raise RunError(f"{path} is damaged: {text}.", _REMEDY) from error
        for key, words in _WORDS.items():
            theirs, own = known.get(key) if isinstance(known, dict) else None, self.identity[key]
            if theirs != own:
                raise RunError(
                    f"{self.output} is the folder of another job: its {words} is {_shown(theirs)}, and that of this "
                    f"command is {_shown(own)}.",
                    _REMEDY,
                )

    def _finished(self, note: Callable[[str], None]) -> "Iterator[PartFile]":
        """Yield the parts whose files exist; a damaged file is renamed, so that its part is predicted again."""
        from penstroke.scale.rows import read_part

        recorded = self._recorded()
        for part in self.parts:
            path = self.output / part.name
            try:
                found = read_part(path, self.task.job, part.rows)
                if found and recorded.get(part.name, found.sha256) != found.sha256:
                    raise ValueError(f"it differs from its SHA-256 in {MANIFEST}")
            except ValueError as error:
                note(f"{path} is predicted again: {error}; it was renamed to {storage.set_aside(path).name}")
            else:
                if found:
                    yield found

    def _recorded(self) -> dict[str, str]:
        """Return the hashes in the manifest of the finished job, by file; empty before the job is finished."""
        try:
            return {part["name"]: part["sha256"] for part in read_json(self.output / MANIFEST)["parts"]}
        except (OSError, ValueError, KeyError, TypeError):
            return {}


def plan_job(
    inputs: Iterable[Input], model: Path, output: Path, *, part_size: int | None = None, max_pixels: int
) -> Job:
    """Return a job; nothing is written.

    Args:
        inputs: pictures and arrays, in the order of the rows.
        model: run folder, model file, ONNX file or ``ready``.
        output: the folder; it need not exist.
        part_size: pictures of a part; None for the defaults of ``parts``.
        max_pixels: pictures with more pixels are rejected before they are decoded.

    Raises:
        RunError, ModelError: the model is missing or invalid.
    """
    from penstroke.inference.source import describe, is_bundled, model_path
    from penstroke.scale.model import model_sha256

    parts = tuple(divide(inputs, part_size))
    identity: dict[str, Any] = {
        "format": FORMAT,
        "penstroke": __version__,
        "model_sha256": model_sha256(model),
        "max_pixels": max_pixels,
        "images": sum(part.rows for part in parts),
        "files": len({name for part in parts for name in part.files}),
        "part_size": part_size,
        "inputs_sha256": digest(parts),
    }
    task = Task(
        job=hashlib.sha256(json.dumps(identity).encode()).hexdigest(),
        model=str(model) if is_bundled(model) else str(model.absolute()),
        model_sha256=identity["model_sha256"],
        folder=str(Path.cwd()),
        output=str(output.absolute()),
        max_pixels=max_pixels,
    )
    return Job(output, parts, task, describe(model_path(model)).classes, identity)


def _shown(value: Any) -> str:
    return "the default" if value is None else str(value)
