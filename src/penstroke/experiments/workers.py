"""A pool of processes that train runs; see ``worker`` for what they do. Does not depend on plans and tables."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Event
from typing import Any

from penstroke.errors import PenstrokeError, RunError
from penstroke.experiments.source import Source
from penstroke.recipes import Recipe

DIVERGED = "model"
"""Kind of the error of a training that failed because of its recipe, and would fail again."""
OnEpoch = Callable[[dict[str, Any]], bool]
"""Gets the results of an epoch, as in ``metrics.jsonl``, and returns whether to continue the training."""


@dataclass(frozen=True)
class Conditions:
    """How the runs of an experiment are trained.

    Args:
        jobs: number of processes; None uses one for each core on the CPU and one on another device.
        threads: threads of each process; None divides the cores among the processes.
        device: see ``fit``.
    """

    jobs: int | None = None
    threads: int | None = None
    device: str = "auto"

    def resolved(self, count: int) -> "Conditions":
        """Return conditions without None, for ``count`` trainings.

        Raises:
            UsageError: the device is not available.
        """
        from penstroke.runtime import choose_device

        device, cores = str(choose_device(self.device)), os.cpu_count() or 1
        jobs = min(self.jobs or (cores if device == "cpu" else 1), max(1, count))
        return Conditions(jobs, self.threads or max(1, cores // jobs), device)


class Workers:
    """Processes, each with a thread of this process that talks to it. Leaving the context ends them.

    A process that is training stops after its current step and writes a checkpoint.

    Args:
        conditions: without None, as ``Conditions.resolved`` returns them.
    """

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        threads = str(conditions.threads)
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
        command = [sys.executable, "-m", "penstroke.experiments.worker"]
        # A session of its own: Ctrl-C reaches this process alone, which then closes the pipes.
        options: dict[str, Any] = {"text": True, "env": environment, "start_new_session": True}
        self._processes = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options)
            for _ in range(conditions.jobs or 1)
        ]
        self._free: SimpleQueue[subprocess.Popen[str]] = SimpleQueue()
        for process in self._processes:
            self._free.put(process)
        self.threads = ThreadPoolExecutor(len(self._processes))
        self.closing = Event()

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.threads.shutdown(wait=False, cancel_futures=True)
        for process in self._processes:
            assert process.stdin
            process.stdin.close()
        for process in self._processes:
            process.wait()
        self.threads.shutdown()
        for process in self._processes:
            assert process.stdout
            process.stdout.close()

    def train(self, recipe: Recipe, path: Path, source: Source, on_epoch: OnEpoch | None = None) -> None:
        """Train or resume a run, in a process that is free. Call it from one of ``threads``.

        A training that diverges is not an error: its run has the state `failed`.

        Args:
            recipe: the recipe of the run.
            path: folder of the run.
            source: what the data are loaded from.
            on_epoch: called after each epoch. With it, the process waits for as long as another one trains the run.

        Raises:
            RunError: the process ended.
            PenstrokeError: the training failed for a reason other than its recipe, such as a full disk.
        """
        task = {
            "recipe": recipe.to_json(),
            "path": str(path),
            "source": source.to_json(),
            "device": self._conditions.device,
            "threads": self._conditions.threads,
            "epochs": on_epoch is not None,
        }
        process = self._free.get()
        answer = _ask(process, task, on_epoch)
        self._free.put(process)
        if answer is None:
            raise RunError(
                f"The process that trained {path} ended.",
                "Run the same command again to continue. If memory is short, use fewer processes (--jobs).",
            )
        error = answer["error"]
        if error and error["kind"] != DIVERGED:
            raise PenstrokeError.from_json(error)


def _ask(process: "subprocess.Popen[str]", task: dict[str, Any], on_epoch: OnEpoch | None) -> Any:
    """Send a task, answer its epochs, and return the last answer; None if the process has ended."""
    assert process.stdin
    assert process.stdout
    message: Any = task
    while True:
        try:
            process.stdin.write(json.dumps(message) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except (OSError, ValueError):  # ValueError: the pipe is closed
            return None
        answer = json.loads(line) if line else None
        if answer is None or "epoch" not in answer:
            return answer
        message = {"continue": on_epoch is None or on_epoch(answer["epoch"])}
