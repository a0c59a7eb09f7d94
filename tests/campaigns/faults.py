"""An error at every disk operation, once and persistently: the last checkpoint is intact, the error has a remedy."""

import errno
import shutil
from pathlib import Path
from typing import Any

from campaigns.plans import Count, Fail
from campaigns.tiny import leftovers, outcome, recipe, train_or_resume
from penstroke import runs
from penstroke.errors import RunError, StorageError
from penstroke.storage import disk
from penstroke.training.checkpoint import latest

KINDS = (errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS, errno.EMFILE)


def at_every_operation(folder: Path, step: int = 1, kinds: tuple[int, ...] = KINDS) -> dict[str, Any]:
    """Make every ``step``-th disk operation of a training run fail in each way, then resume the training."""
    count = Count()
    with disk.watched(count):
        expected = outcome(train_or_resume(folder / "uninterrupted", recipe()))
    found = {
        "operations": len(count.kinds), "kinds": len(kinds), "trials": 0, "ignored": 0, "wrong error": 0,
        "checkpoint lost": 0, "unequal": 0, "leftovers": 0,
    }  # fmt: skip
    for at in range(1, len(count.kinds) + 1, step):
        for number in kinds:
            for lasting in (False, True):
                home = folder / "faulty"
                home.mkdir()
                _trial(home, Fail(at, number, lasting), expected, found)
                shutil.rmtree(home)
    return found


def _trial(home: Path, plan: Fail, expected: dict[str, Any], found: dict[str, Any]) -> None:
    written: list[Path] = []
    found["trials"] += 1
    try:
        with disk.watched(plan), disk.watched(lambda operation: _note(operation, written)):
            train_or_resume(home, recipe())
        found["ignored"] += 1  # an error while leftovers are removed does not end a training run
    except StorageError as error:
        lines = len(f"{error.message}{error.remedy}".splitlines())
        found["wrong error"] += not (error.exit_code == 4 and error.remedy and lines == 1)
        if not plan.lasting:
            found["leftovers"] += bool(leftovers(home))
    except Exception as error:  # noqa: BLE001 - any other error is what the trial looks for
        print(f"  operation {plan.at}, error number {plan.number}: {type(error).__name__} {error}")
        found["wrong error"] += 1
    try:
        run = runs.to_resume(home=home)
        if not run.finished:
            reports: list[str] = []
            last = latest(run, reports.append)
            # The last rename may be the failed operation. The checkpoint renamed before it must exist and be intact.
            promised = written[-2].name if len(written) > 1 else ""
            found["checkpoint lost"] += bool(reports) or (last.folder.name if last else "") < promised
    except RunError:
        found["checkpoint lost"] += bool(written)  # a run that was not created has no checkpoints
    run = train_or_resume(home, recipe())
    found["unequal"] += outcome(run) != expected
    found["leftovers"] += bool(leftovers(run.path))


def _note(operation: disk.Operation, written: list[Path]) -> None:
    target = operation.target
    if target and target.parent.name == "checkpoints" and not target.name.startswith("."):
        written.append(target)
