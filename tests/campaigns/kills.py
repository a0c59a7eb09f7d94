"""SIGKILL at random moments of a training, and at every operation on the disk: the end is the unbroken run's."""

import random
import shutil
import time
from pathlib import Path
from typing import Any

from campaigns.children import KILLED, ended, forked
from campaigns.plans import Count, Die
from campaigns.tiny import go_on, litter, outcome, recipe
from penstroke import disk, runs
from penstroke.recipes import OPTIMIZERS, Recipe


def recipes_of_all_optimizers() -> list[Recipe]:
    """Return a recipe for each optimizer."""
    rates = {"adadelta": 0.5, "muon": 0.05, "sgd": 0.05}
    return [recipe(optimizer=name, lr=rates.get(name, 0.002), momentum=0.5, epochs=6) for name in OPTIMIZERS]


def at_random(folder: Path, kills: int, optimizers: int = len(OPTIMIZERS), seed: int = 0) -> dict[str, Any]:
    """Kill trainings at random moments until that was done ``kills`` times, each training going on until its end."""
    random.seed(seed)
    done = trainings = damaged = unequal = littered = 0
    whats = recipes_of_all_optimizers()[:optimizers]
    wanted, seconds = [], []
    for number, what in enumerate(whats):
        home = folder / f"unbroken-{number}"
        home.mkdir()
        begun = time.perf_counter()
        assert ended(forked(lambda home=home, what=what: go_on(home, what))) == 0  # type: ignore[misc]
        seconds.append(time.perf_counter() - begun)
        wanted.append(outcome(runs.to_resume(home=home)))
    while done < kills:
        number = trainings % len(whats)
        home = folder / "killed"
        home.mkdir()
        code = KILLED
        while code == KILLED:
            # Early enough that most trainings are killed more than once, late enough that they get on.
            moment = random.uniform(0, 1.3 * seconds[number]) if done < kills else None
            code = ended(forked(lambda: go_on(home, whats[number])), moment)  # noqa: B023 - called at once
            done += code == KILLED
        damaged += code != 0 or any("rejected" in path.name for path in home.rglob("*"))
        unequal += code == 0 and outcome(runs.to_resume(home=home)) != wanted[number]
        littered += bool(litter(runs.to_resume(home=home).path))
        trainings += 1
        shutil.rmtree(home)
    return {"kills": done, "trainings": trainings, "unreadable": damaged, "unequal": unequal, "littered": littered}


def at_every_operation(folder: Path, step: int = 1) -> dict[str, Any]:
    """Kill a training before every ``step``-th operation on the disk, and let it go on."""
    count = Count()
    with disk.watched(count):
        wanted = outcome(go_on(folder / "unbroken", recipe()))
    found = {"operations": len(count.kinds), "kills": 0, "unreadable": 0, "unequal": 0, "littered": 0}
    for at in range(1, len(count.kinds) + 1, step):
        home = folder / f"at-{at}"
        home.mkdir()

        def dying(home: Path = home, at: int = at) -> None:
            with disk.watched(Die(at)):
                go_on(home, recipe())

        found["kills"] += ended(forked(dying)) == KILLED
        code = ended(forked(lambda home=home: go_on(home, recipe())))  # type: ignore[misc]
        found["unreadable"] += code != 0 or any("rejected" in path.name for path in home.rglob("*"))
        found["unequal"] += code == 0 and outcome(runs.to_resume(home=home)) != wanted
        # A folder that was killed before it was a run is none, and the next free name is taken.
        found["littered"] += bool(litter(runs.to_resume(home=home).path))
        shutil.rmtree(home)
    return found
