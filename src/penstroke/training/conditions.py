"""The conditions of a training run: those of every result, and the number of processes; and when they change."""

from typing import Any

from penstroke.data import Dataset, training_fingerprint
from penstroke.errors import RunError
from penstroke.recipes import Recipe
from penstroke.runs import Run
from penstroke.runtime import differences, environment
from penstroke.training.checkpoint import Checkpoint
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


def changed_conditions(run: Run, checkpoint: Checkpoint, data: Dataset, conditions: dict[str, Any]) -> list[str]:
    """Return the conditions because of which a resumed training run may differ from an uninterrupted one.

    Raises:
        RunError: the images differ.
    """
    if checkpoint.context["images"] != training_fingerprint(data):
        raise RunError(
            f"The training images are not those that {run.path} was trained on.",
            "Restore the images, or train a new run.",
        )
    missing = int(checkpoint.context["metrics"]) - run.metrics.size
    shorter = [f"{run.metrics.path.name} lacks {missing} bytes"] if missing > 0 else []
    return differences(checkpoint.context["conditions"], conditions) + shorter
