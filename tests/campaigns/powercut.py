"""Simulated power cuts: in each legal state of the disk, the last promised checkpoint or a newer one is loaded.

Only what POSIX guarantees is assumed. The content of a file is safe after the file is synced; a name (created, renamed
or removed) after its folder is synced. Of everything else any part may be on the disk: writes that are complete, cut at
any byte or replaced by zeros, and any subset of the changes of names.
"""

import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from campaigns.plans import Count
from campaigns.tiny import EVERY_4_STEPS, Watch, data, outcome, recipe, train_or_resume
from penstroke import runs
from penstroke.errors import RunError
from penstroke.runs import Run
from penstroke.storage import disk
from penstroke.storage.disk import Operation
from penstroke.training import Callback, Progress
from penstroke.training.checkpoint import latest
from penstroke.training.recorder import train_run


@dataclass(eq=False)
class File:
    """A file: its durable content, and the writes since its last sync."""

    safe: bytes = b""
    pending: list[bytes] = field(default_factory=list)

    def after_cut(self, generator: random.Random) -> bytes:
        """Return content that may be on the disk after a power cut."""
        content = self.safe
        for part in self.pending:
            match generator.randrange(4):
                case 0:
                    break
                case 1:
                    return content + part[: generator.randrange(len(part) + 1)]
                case 2:
                    content += bytes(len(part))
                case 3:
                    content += part
        return content


@dataclass(eq=False)
class Folder:
    """A folder: its names as visible to programs, its durable names, and the changes since its last sync."""

    names: "dict[str, File | Folder]" = field(default_factory=dict)
    safe: "dict[str, File | Folder]" = field(default_factory=dict)
    pending: "list[dict[str, File | Folder | None]]" = field(default_factory=list)

    def change(self, names: "dict[str, File | Folder | None]") -> None:
        """Change several names atomically; None removes a name."""
        self.pending.append(names)
        self._apply(self.names, names)

    def sync(self) -> None:
        """Make all changes of names durable."""
        self.safe, self.pending = dict(self.names), []

    def after_cut(self, generator: random.Random) -> "dict[str, File | Folder]":
        """Return names that may be on the disk after a power cut."""
        found = dict(self.safe)
        share = generator.choice((0.0, 0.3, 0.7, 1.0))
        for names in self.pending:
            if generator.random() < share:
                self._apply(found, names)
        return found

    @staticmethod
    def _apply(table: "dict[str, File | Folder]", names: "dict[str, File | Folder | None]") -> None:
        for name, what in names.items():
            if what is None:
                table.pop(name, None)
            else:
                table[name] = what


class Disk:
    """A model of the disk below ``home``, updated by each operation."""

    def __init__(self, home: Path) -> None:
        self.home, self.root = home, Folder()

    def folder(self, path: Path) -> Folder:
        """Return the folder at a path."""
        found = self.root
        for name in path.relative_to(self.home).parts:
            inner = found.names[name]
            assert isinstance(inner, Folder)
            found = inner
        return found

    def apply(self, operation: Operation) -> None:
        """Apply an operation to the model."""
        path, name = operation.path, operation.path.name
        if operation.kind == "sync_folder":
            self.folder(path).sync()
            return
        within = self.folder(path.parent)
        match operation.kind:
            case "create":
                within.change({name: File()})
            case "append" if name not in within.names:
                within.change({name: File()})
            case "write" | "sync":
                file = within.names[name]
                assert isinstance(file, File)
                file.pending.append(operation.content)
                if operation.kind == "sync":
                    file.safe, file.pending = file.safe + b"".join(file.pending), []
            case "rename":
                assert operation.target
                assert operation.target.parent == path.parent, "a rename does not change the folder"
                within.change({name: None, operation.target.name: within.names[name]})
            case "make_folder":
                within.change({name: Folder()})
            case "unlink" | "remove_folder":
                within.change({name: None})

    def write_state(self, target: Path, generator: random.Random) -> None:
        """Write a state that may be on the disk after a power cut to ``target``."""

        def write(folder: Folder, path: Path) -> None:
            path.mkdir()
            for name, what in folder.after_cut(generator).items():
                if isinstance(what, Folder):
                    write(what, path / name)
                else:
                    (path / name).write_bytes(what.after_cut(generator))

        write(self.root, target)


@dataclass
class Promises(Callback):
    """Stores the content of each checkpoint as written, and the one that must survive from now on."""

    run: Run
    kept: dict[str, dict[str, bytes]] = field(default_factory=dict)
    latest: str = ""

    def on_step_end(self, progress: Progress) -> None:
        for folder in self.run.checkpoints()[:1]:
            self.latest = folder.name
            self.kept[folder.name] = {path.name: path.read_bytes() for path in folder.iterdir()}


def states(folder: Path, count: int, finish: int = 0, seed: int = 0) -> dict[str, Any]:
    """Cut the power ``count`` times, distributed evenly over the operations of a training run, and load each state.

    From ``finish`` of the states the training is resumed to its end, and compared with the uninterrupted run.
    """
    operations = Count()
    with disk.watched(operations):
        expected = outcome(train_or_resume(folder / "uninterrupted", recipe()))
    home, trial, generator = folder / "home", folder / "trial", random.Random(seed)
    home.mkdir()
    optimizers = folder / "optimizers"
    model, promises = Disk(home), Promises(Run(home / "run"))
    each = -(-count // len(operations.kinds))
    found = {"operations": len(operations.kinds), "states": 0, "lost": 0, "invalid": 0, "finished": 0, "unequal": 0}
    to_finish = set(generator.sample(range(each * len(operations.kinds)), finish))

    def cut(operation: Operation) -> None:
        if not operation.path.is_relative_to(home):
            return  # an operation of a resumed training run
        model.apply(operation)
        for _ in range(each):
            model.write_state(trial, generator)
            _check(trial, promises, found)
            if found["states"] in to_finish:
                found["finished"] += 1
                if optimizers.exists():  # a finished state does not write it
                    shutil.copy(optimizers, trial)
                found["unequal"] += outcome(train_or_resume(trial, recipe())) != expected
            found["states"] += 1
            shutil.rmtree(trial)

    with disk.watched(cut):
        train_run(
            recipe(),
            data(),
            device="cpu",
            out=home / "run",
            callbacks=(Watch(optimizers), promises),
            interval=EVERY_4_STEPS,
        )
    return found


def _check(home: Path, promises: Promises, found: dict[str, Any]) -> None:
    """Count a state that lost a promised checkpoint, or contains data that was never written."""
    reports: list[str] = []
    try:
        run = runs.to_resume(home=home)
        if run.finished:
            found["invalid"] += run.model_path.read_bytes() != promises.run.model_path.read_bytes()
            return
        last = latest(run, reports.append)
    except (RunError, FileNotFoundError):
        found["lost"] += bool(promises.latest)
        return
    found["lost"] += (last.folder.name if last else "") < promises.latest
    # No checkpoint is set aside either: a folder with the name of a checkpoint is complete.
    found["invalid"] += bool(reports)
    if last:
        content = {path.name: path.read_bytes() for path in last.folder.iterdir()}
        found["invalid"] += content != promises.kept.get(last.folder.name, content)
        found["lost"] += run.metrics.size < last.context["metrics"]
