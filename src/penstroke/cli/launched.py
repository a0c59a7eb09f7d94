"""Processes that ``torchrun`` starts with the same command: their run, their device and their connection."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from penstroke.cli.output import mute_notes, warn
from penstroke.cli.seeds import check_inapplicable
from penstroke.training.launch import Launch, launch

if TYPE_CHECKING:
    from penstroke.runs import Run
    from penstroke.training import Callback, World


def checked_launch(budget: float | None) -> Launch:
    """Return the launch of this process. Processes other than that of rank 0 print no notes from now on.

    Raises:
        UsageError: there are several processes, and a budget.
    """
    launched = launch()
    if launched.world.size > 1:
        check_inapplicable("several processes", {"--budget": budget})
    if not launched.leads:
        mute_notes()
    return launched


def run_of_launch(launched: Launch, out: Path | None) -> "Run | None":
    """Return the run that this launch continues, for the process of rank 0, or None if it starts a run.

    A launch continues its run after a restart, and if it is started again with the same ``--rdzv-id``.

    Args:
        launched: the launch of this process.
        out: the folder for a new run, if given.
    """
    if launched.job is None or not launched.leads:
        return None
    from penstroke import runs

    run = runs.of_job(launched.job, out.parent if out else runs.HOME)
    return run if run and (launched.restarts or not run.finished) else None


def device_of_launch(name: str, launched: Launch) -> str:
    """Return the device of this process: each process of a machine uses a GPU of its own.

    Args:
        name: see ``runtime.choose_device``.
        launched: the launch of this process.

    Raises:
        UsageError: the device is unknown or is not available.
    """
    from penstroke import runtime

    device = str(runtime.choose_device(name))
    if launched.world.size > 1 and device != "cpu" and ":" not in device:
        return str(runtime.choose_device(f"{device}:{launched.local_rank}"))
    return device


@contextmanager
def connected(launched: Launch, device: str) -> "Iterator[tuple[World, list[Callback]]]":
    """Connect the processes of a launch within the block; yield the connection, and callbacks that it needs.

    Args:
        launched: the launch of this process.
        device: device of the training.

    Raises:
        ProcessError: a process cannot be reached.
    """
    if launched.world.size == 1:
        yield launched.world, []
        return
    from penstroke.runtime import choose_device
    from penstroke.training.distributed import joined
    from penstroke.training.watchdog import Watchdog

    if launched.machines > 1 and launched.kept_store:
        warn("a machine that starts again cannot join: set TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 for torchrun")
    watchdog = Watchdog()
    with joined(launched, choose_device(device)) as world, watchdog.watching():
        yield world, [watchdog]
