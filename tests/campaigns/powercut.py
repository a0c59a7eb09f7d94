"""The disk after a power cut: each legal state of it loads the last promised checkpoint or a newer one, never a third.

What POSIX promises is all that is relied on. A file's bytes are safe when it was synced; a name (made, renamed,
removed) when its folder was. Of the rest any part may be on the disk, in any order: writes whole, cut anywhere, or as
zeros of the right length; of changes of names, any subset.
"""

import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from campaigns.plans import Count
from campaigns.tiny import Watch, data, go_on, outcome, recipe
from penstroke import disk, runs
from penstroke.disk import Operation
from penstroke.errors import RunError
from penstroke.runs import Run
from penstroke.training import Progress, Sink
from penstroke.training.checkpoint import Pace, latest
from penstroke.training.recorder import train_run


@dataclass(eq=False)
class File:
    """A file: what is safe, and what was written since it was last synced."""

    safe: bytes = b""
    pending: list[bytes] = field(default_factory=list)

    def after_cut(self, luck: random.Random) -> bytes:
        """Return what may be on the disk."""
        content = self.safe
        for part in self.pending:
            match luck.randrange(4):
                case 0:
                    break
                case 1:
                    return content + part[: luck.randrange(len(part) + 1)]
                case 2:
                    content += bytes(len(part))
                case 3:
                    content += part
        return content


@dataclass(eq=False)
class Folder:
    """A folder: names as programs see them, those that are safe, and the changes since it was last synced."""

    names: "dict[str, File | Folder]" = field(default_factory=dict)
    safe: "dict[str, File | Folder]" = field(default_factory=dict)
    pending: "list[dict[str, File | Folder | None]]" = field(default_factory=list)

    def change(self, names: "dict[str, File | Folder | None]") -> None:
        """Change names, all at once; None takes one away."""
        self.pending.append(names)
        self._apply(self.names, names)

    def sync(self) -> None:
        """Make all changes of names safe."""
        self.safe, self.pending = dict(self.names), []

    def after_cut(self, luck: random.Random) -> "dict[str, File | Folder]":
        """Return the names that may be on the disk."""
        found = dict(self.safe)
        share = luck.choice((0.0, 0.3, 0.7, 1.0))
        for names in self.pending:
            if luck.random() < share:
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
    """A model of the disk below ``home``, brought up to date by each operation."""

    def __init__(self, home: Path) -> None:
        self.home, self.root = home, Folder()

    def folder(self, path: Path) -> Folder:
        """Return the folder that has this path now."""
        found = self.root
        for name in path.relative_to(self.home).parts:
            inner = found.names[name]
            assert isinstance(inner, Folder)
            found = inner
        return found

    def apply(self, operation: Operation) -> None:
        """Do what the operation does."""
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
                assert operation.target.parent == path.parent, "renames stay within a folder"
                within.change({name: None, operation.target.name: within.names[name]})
            case "make_folder":
                within.change({name: Folder()})
            case "unlink" | "remove_folder":
                within.change({name: None})

    def lay_out(self, target: Path, luck: random.Random) -> None:
        """Write a state that may be on the disk after a power cut to ``target``."""

        def write(folder: Folder, place: Path) -> None:
            place.mkdir()
            for name, what in folder.after_cut(luck).items():
                if isinstance(what, Folder):
                    write(what, place / name)
                else:
                    (place / name).write_bytes(what.after_cut(luck))

        write(self.root, target)


@dataclass
class Promises(Sink):
    """Keeps the contents of each checkpoint as it was written, and which one must survive from now on."""

    run: Run
    kept: dict[str, dict[str, bytes]] = field(default_factory=dict)
    latest: str = ""

    def stepped(self, progress: Progress) -> None:
        for folder in self.run.generations()[:1]:
            self.latest = folder.name
            self.kept[folder.name] = {path.name: path.read_bytes() for path in folder.iterdir()}


def states(folder: Path, count: int, finish: int = 0, seed: int = 0) -> dict[str, Any]:
    """Cut the power ``count`` times, spread evenly over the operations of a training, and look what can be loaded.

    ``finish`` of the states are trained to their end, too, and compared with the unbroken run.
    """
    operations = Count()
    with disk.watched(operations):
        wanted = outcome(go_on(folder / "unbroken", recipe()))
    home, trial, luck = folder / "home", folder / "trial", random.Random(seed)
    home.mkdir()
    optimizers = folder / "optimizers"
    model, promises = Disk(home), Promises(Run(home / "run"))
    each = -(-count // len(operations.kinds))
    found = {"operations": len(operations.kinds), "states": 0, "lost": 0, "third": 0, "finished": 0, "unequal": 0}
    to_finish = set(luck.sample(range(each * len(operations.kinds)), finish))

    def cut(operation: Operation) -> None:
        if not operation.path.is_relative_to(home):
            return  # a state that is being trained to its end
        model.apply(operation)
        for _ in range(each):
            model.lay_out(trial, luck)
            _check(trial, promises, found)
            if found["states"] in to_finish:
                found["finished"] += 1
                if optimizers.exists():  # in a state that is finished, nothing is left to train
                    shutil.copy(optimizers, trial)
                found["unequal"] += outcome(go_on(trial, recipe())) != wanted
            found["states"] += 1
            shutil.rmtree(trial)

    with disk.watched(cut):
        train_run(recipe(), data(), "cpu", home / "run", (Watch(optimizers), promises), Pace(steps=4))
    return found


def _check(home: Path, promises: Promises, found: dict[str, Any]) -> None:
    """Count a state that lost what was promised, or holds what never was."""
    said: list[str] = []
    try:
        run = runs.to_resume(home=home)
        if run.finished:
            found["third"] += run.model_path.read_bytes() != promises.run.model_path.read_bytes()
            return
        last = latest(run, said.append)
    except (RunError, FileNotFoundError):
        found["lost"] += bool(promises.latest)
        return
    found["lost"] += (last.folder.name if last else "") < promises.latest
    # Not even set aside: what has a checkpoint's name is whole.
    found["third"] += bool(said)
    if last:
        content = {path.name: path.read_bytes() for path in last.folder.iterdir()}
        found["third"] += content != promises.kept.get(last.folder.name, content)
        found["lost"] += run.metrics.size < last.context["metrics"]
