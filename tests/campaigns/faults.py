"""A fault at every operation on the disk, once and lasting: the last checkpoint is whole, and the error is ours."""

import errno
import shutil
from pathlib import Path
from typing import Any

from campaigns.plans import Count, Fail
from campaigns.tiny import go_on, litter, outcome, recipe
from penstroke import disk, runs
from penstroke.errors import RunError, StorageError
from penstroke.training.checkpoint import latest

KINDS = (errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS, errno.EMFILE)


def at_every_operation(folder: Path, step: int = 1, kinds: tuple[int, ...] = KINDS) -> dict[str, Any]:
    """Let every ``step``-th operation of a training fail in each way, and the training go on after that."""
    count = Count()
    with disk.watched(count):
        wanted = outcome(go_on(folder / "unbroken", recipe()))
    found = {
        "operations": len(count.kinds), "kinds": len(kinds), "trials": 0, "passed over": 0, "wrong error": 0,
        "checkpoint lost": 0, "unequal": 0, "littered": 0,
    }  # fmt: skip
    for at in range(1, len(count.kinds) + 1, step):
        for number in kinds:
            for lasting in (False, True):
                home = folder / "faulty"
                home.mkdir()
                _trial(home, Fail(at, number, lasting), wanted, found)
                shutil.rmtree(home)
    return found


def _trial(home: Path, plan: Fail, wanted: dict[str, Any], found: dict[str, Any]) -> None:
    written: list[Path] = []
    found["trials"] += 1
    try:
        with disk.watched(plan), disk.watched(lambda operation: _note(operation, written)):
            go_on(home, recipe())
        found["passed over"] += 1  # a fault of tidying up ends no training
    except StorageError as fault:
        lines = len(f"{fault.message}{fault.remedy}".splitlines())
        found["wrong error"] += not (fault.exit_code == 4 and fault.remedy and lines == 1)
        if not plan.lasting:
            found["littered"] += bool(litter(home))
    except Exception as fault:  # noqa: BLE001 - it is what the trial looks for
        print(f"  operation {plan.at}, fault {plan.number}: {type(fault).__name__} {fault}")
        found["wrong error"] += 1
    try:
        run = runs.to_resume(home=home)
        if not run.finished:
            said: list[str] = []
            last = latest(run, said.append)
            # The last rename may be the operation that failed; what got its name before is there, and whole.
            promised = written[-2].name if len(written) > 1 else ""
            found["checkpoint lost"] += bool(said) or (last.folder.name if last else "") < promised
    except RunError:
        found["checkpoint lost"] += bool(written)  # a run that never began has none
    run = go_on(home, recipe())
    found["unequal"] += outcome(run) != wanted
    found["littered"] += bool(litter(run.path))


def _note(operation: disk.Operation, written: list[Path]) -> None:
    target = operation.target
    if target and target.parent.name == "checkpoints" and not target.name.startswith("."):
        written.append(target)
