"""The conditions of a training run: those of every result, and the number of processes."""

from typing import Any

from penstroke.errors import RunError
from penstroke.recipes import Recipe
from penstroke.runtime import environment
from penstroke.training.world import World

PROCESSES = "processes"


def training_conditions(device: str, world: World) -> dict[str, Any]:
    """Return the conditions that a training depends on, ready for JSON.

    Args:
        device: name of the device.
        world: the processes of the training.
    """
    return environment(device) | {PROCESSES: world.size}


def check_processes(recipe: Recipe, before: dict[str, Any], world: World) -> None:
    """Check that a training whose batches depend on the number of processes continues with the same number.

    Args:
        recipe: the recipe of the run.
        before: the conditions of its checkpoint.
        world: the processes that continue it.

    Raises:
        RunError: the number is another one.
    """
    known = before.get(PROCESSES, 1)
    if recipe.scaling != "none" and known != world.size:
        raise RunError(
            f"The batches of this run depend on the number of processes (scaling is {recipe.scaling}): it was trained "
            f"in {known}, and would be continued in {world.size}.",
            f"Start {known}, or train a new run with scaling none, which any number of processes continues.",
        )
