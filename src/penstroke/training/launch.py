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
        restarts: number of times that the launcher of this machine started its processes again.
        machines: number of machines.
        kept_store: whether the launcher keeps the store in which processes find each other, with the addresses of the
            processes before, when it starts processes again. ``TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1`` makes a new one.
    """

    world: World = World()  # noqa: RUF009 - frozen
    local_rank: int = 0
    job: str | None = None
    restarts: int = 0
    machines: int = 1
    kept_store: bool = False

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
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "TORCHELASTIC_RESTART_COUNT", "GROUP_WORLD_SIZE")
    rank, size, local_rank, restarts, machines = (_number(environment, name) for name in names)
    # Without --rdzv-id, torchrun calls each launch "none"; the process that started this one identifies it.
    name = environment.get("TORCHELASTIC_RUN_ID", "none")
    job = name if name != "none" else f"{socket.gethostname()}-{os.getppid()}"
    kept = environment.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    return Launch(World(rank, size), local_rank, job, restarts, machines, kept)


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
