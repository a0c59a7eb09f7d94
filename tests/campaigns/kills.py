"""SIGKILL at random times of a training run, and before every disk operation: the result equals that without kills."""

import random
import shutil
import time
from pathlib import Path
from typing import Any

from campaigns.children import KILLED, exit_code, forked
from campaigns.plans import Count, Kill
from campaigns.tiny import leftovers, outcome, recipe, train_or_resume
from penstroke import runs
from penstroke.recipes import OPTIMIZERS, Recipe
from penstroke.storage import disk


def recipes_of_all_optimizers() -> list[Recipe]:
    """Return a recipe for each optimizer, with momentum where it has one."""
    rates = {"adadelta": 0.5, "muon": 0.05, "sgd": 0.05}
    found = [recipe(optimizer=kind, lr=rates.get(kind, 0.002), epochs=6) for kind in OPTIMIZERS]
    return [what.replace(momentum=0.5) if "momentum" in what.to_json() else what for what in found]


def at_random(folder: Path, kills: int, optimizers: int = len(OPTIMIZERS), seed: int = 0) -> dict[str, Any]:
    """Kill training runs at random times, ``kills`` times in all, and resume each until it is finished."""
    random.seed(seed)
    done = trainings = unreadable = unequal = littered = 0
    trained_recipes = recipes_of_all_optimizers()[:optimizers]
    expected, seconds = [], []
    for number, what in enumerate(trained_recipes):
        home = folder / f"uninterrupted-{number}"
        home.mkdir()
        start = time.perf_counter()
        assert exit_code(forked(lambda home=home, what=what: train_or_resume(home, what))) == 0  # type: ignore[misc]
        seconds.append(time.perf_counter() - start)
        expected.append(outcome(runs.to_resume(home=home)))
    while done < kills:
        number = trainings % len(trained_recipes)
        home = folder / "killed"
        home.mkdir()
        code = KILLED
        while code == KILLED:
            # Most training runs are killed more than once, but make progress between two kills.
            delay = random.uniform(0, 1.3 * seconds[number]) if done < kills else None
            code = exit_code(forked(lambda: train_or_resume(home, trained_recipes[number])), delay)  # noqa: B023
            done += code == KILLED
        unreadable += code != 0 or any("rejected" in path.name for path in home.rglob("*"))
        unequal += code == 0 and outcome(runs.to_resume(home=home)) != expected[number]
        littered += bool(leftovers(runs.to_resume(home=home).path))
        trainings += 1
        shutil.rmtree(home)
    return {"kills": done, "trainings": trainings, "unreadable": unreadable, "unequal": unequal, "leftovers": littered}


def at_every_operation(folder: Path, step: int = 1) -> dict[str, Any]:
    """Kill a training run before every ``step``-th disk operation, and resume it."""
    count = Count()
    with disk.watched(count):
        expected = outcome(train_or_resume(folder / "uninterrupted", recipe()))
    found = {"operations": len(count.kinds), "kills": 0, "unreadable": 0, "unequal": 0, "leftovers": 0}
    for at in range(1, len(count.kinds) + 1, step):
        home = folder / f"at-{at}"
        home.mkdir()

        def interrupted(home: Path = home, at: int = at) -> None:
            with disk.watched(Kill(at)):
                train_or_resume(home, recipe())

        found["kills"] += exit_code(forked(interrupted)) == KILLED
        code = exit_code(forked(lambda home=home: train_or_resume(home, recipe())))  # type: ignore[misc]
        found["unreadable"] += code != 0 or any("rejected" in path.name for path in home.rglob("*"))
        found["unequal"] += code == 0 and outcome(runs.to_resume(home=home)) != expected
        # A folder whose process was killed before it became a run is ignored, and the next free name is used.
        found["leftovers"] += bool(leftovers(runs.to_resume(home=home).path))
        shutil.rmtree(home)
    return found
