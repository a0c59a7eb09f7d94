"""What ``torchrun`` tells a process that it starts. Does not depend on torch."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from penstroke.errors import UsageError
from penstroke.training.world import World


@dataclass(frozen=True)
class Launch:
    """The launch that this process belongs to.

    Args:
        world: rank of this process and number of processes.
        local_rank: number of this process on its machine, from 0.
        job: name of the launch, the same after a restart; None for a process that ``torchrun`` did not start.
        restarts: number of times that all processes were started again.
    """

    world: World = World()  # noqa: RUF009 - frozen
    local_rank: int = 0
    job: str | None = None
    restarts: int = 0

    @property
    def leads(self) -> bool:
        """Whether this process writes files and prints."""
        return self.world.rank == 0


def launch(environment: Mapping[str, str] = os.environ) -> Launch:
    """Return the launch of this process, from the environment variables that ``torchrun`` sets.

    Args:
        environment: the environment variables.

    Raises:
        UsageError: one of them is missing or is not a number.
    """
    if "WORLD_SIZE" not in environment or "RANK" not in environment:
        return Launch()
    rank, size, local_rank = (_number(environment, name) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    restarts = _number(environment, "TORCHELASTIC_RESTART_COUNT")
    # Without --rdzv-id, torchrun calls each launch "none"; the process that started this one identifies it.
    name = environment.get("TORCHELASTIC_RUN_ID", "none")
    job = name if name != "none" else f"{socket.gethostname()}-{os.getppid()}"
    return Launch(World(rank, size), local_rank, job, restarts)


def _number(environment: Mapping[str, str], name: str) -> int:
    """Return a variable as a number; 0 if it is not set.

    Raises:
        UsageError: it is not a number.
    """
    value = environment.get(name, "0")
    if not value.isdecimal():
        raise UsageError(
            f"The environment variable {name} is {value!r}; it must be a number.",
            "Start the processes with torchrun, or unset RANK and WORLD_SIZE.",
        )
    return int(value)
