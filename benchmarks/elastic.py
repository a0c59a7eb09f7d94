"""Kills and other numbers of processes during a training: ``python -m benchmarks.elastic [--count 50] [--save]``.

Kills: two machines, simulated by two launchers with two processes each, train the recipe ``fast`` on the bundled sample
with a checkpoint every 10 steps. A process, a machine (its launcher with its processes), or the process of rank 0 while
it writes a checkpoint is killed at random times, also while the training starts again. A launcher that has ended is
started again at once, as the manager of a cluster does. The figures are the seconds from a kill to the next new
checkpoint, whether the training lost more than one interval, and whether the model file is that of an uninterrupted
training.

Sizes: a training is killed and started again with 4, 2 and 3 processes. The images of all steps are compared with those
of the epoch, and the accuracy with that of five uninterrupted trainings with other seeds.

``--save`` writes ``benchmarks/results/elastic.json``. It is for Linux. Run nothing else at the same time.
"""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cyclopts

from benchmarks.conditions import save_result, summary
from benchmarks.processes import children
from penstroke import runs
from penstroke.runs import Run

INTERVAL = 10
"""Steps between two checkpoints."""
TRAINING = ("fast", "--data", "mnist5k", "--batch-size", "64", "--checkpoint-every", str(INTERVAL))
KINDS = ("a process", "a machine", "rank 0 during a save")
GIVE_UP = 300.0
"""Seconds without a new checkpoint after which the training is taken to have failed."""
SIZES = (4, 2, 3)
SEEDS = 5


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Launcher:
    """A launcher of two or more processes, on a simulated machine.

    Args:
        folder: working directory of the training.
        port: port of the rendezvous.
        program: the program and its arguments.
        processes: number of processes.
        machines: number of launchers that train together.
        number: number of this one, from 0; the first has the rendezvous.
    """

    def __init__(
        self, folder: Path, port: int, program: tuple[str, ...], processes: int = 2, machines: int = 1, number: int = 0
    ) -> None:
        launcher = ["--nnodes", str(machines), "--nproc-per-node", str(processes), "--max-restarts", "1000"]
        launcher += ["--monitor-interval", "0.1", "--rdzv-backend", "c10d", "--rdzv-id", "campaign"]
        launcher += ["--rdzv-endpoint", f"127.0.0.1:{port}"]
        launcher += ["--rdzv-conf", f"is_host={int(number == 0)},join_timeout=60,keep_alive_interval=1"]
        self._command = [sys.executable, "-m", "torch.distributed.run", *launcher, "-m", *program]
        self._folder = folder
        self.starts = 0
        self.start()

    def start(self) -> None:
        """Start the launcher."""
        self.starts += 1
        self.process = subprocess.Popen(
            self._command, cwd=self._folder, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"},
        )  # fmt: skip

    @property
    def ended(self) -> bool:
        """Whether the launcher has ended."""
        return self.process.poll() is not None

    def workers(self) -> list[int]:
        """Return the process numbers of the processes that train."""
        return children(self.process.pid)

    def kill(self) -> None:
        """Kill the launcher with its processes, as when a machine fails."""
        workers = self.workers()
        self.process.kill()
        for worker in workers:
            _kill(worker)
        self.process.wait()


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _finished(run: Run) -> bool:
    return runs.is_run(run.path) and run.finished


def _latest(run: Run) -> str:
    """Return the name of the latest checkpoint, which sorts by epoch and step; empty if there is none."""
    return run.checkpoints()[0].name if runs.is_run(run.path) and run.checkpoints() else ""


def _steps(name: str, steps: int) -> int:
    """Return the number of steps before a checkpoint."""
    epoch, step = map(int, name.split("-"))
    return (epoch - 1) * steps + step


class Kills:
    """A training on two machines with kills at random times.

    Args:
        folder: an empty folder.
        count: number of kills.
        epochs: epochs of the training; it must take longer than the kills.
        seed: seed of the kinds and times of the kills.
    """

    def __init__(self, folder: Path, count: int, epochs: int, seed: int = 0) -> None:
        self._count, self._choice, self.run = count, random.Random(seed), Run(folder / "killed")
        program = ("penstroke", "train", *TRAINING, "--epochs", str(epochs), "--out", "killed")
        port = free_port()
        self.machines = [Launcher(folder, port, program, 2, 2, number) for number in range(2)]
        self.kills: list[dict[str, Any]] = []

    def __call__(self) -> list[dict[str, Any]]:
        """Train to the end, and return a record of each kill."""
        try:
            self._wait_for_new("")
            while len(self.kills) < self._count and not _finished(self.run):
                self._sleep(self._choice.uniform(0, 4))
                self._kill_one()
            while not _finished(self.run):
                self._wait_for_new(_latest(self.run))
            for machine in self.machines:
                machine.process.wait(timeout=60)
        finally:
            for machine in self.machines:
                machine.kill()
        return self.kills

    def _kill_one(self) -> None:
        """Kill, and wait until the training has written a new checkpoint, or a random part of that time."""
        kind = self._choice.choice(KINDS)
        before, resumed = _latest(self.run), len(self.run.record.resumed)
        killed = time.monotonic()
        if kind == "rank 0 during a save":
            if not (pid := self._saving()):
                return
            before, killed = _latest(self.run), time.monotonic()
            _kill(pid)
        elif kind == "a machine":
            self._choice.choice(self.machines).kill()
        elif workers := self._choice.choice(self.machines).workers():
            _kill(self._choice.choice(workers))
        else:
            return
        record: dict[str, Any] = {"kind": kind, "before": before}
        self.kills.append(record)
        if self._choice.random() < 0.2:  # the next kill comes while the training starts again
            self._sleep(self._choice.uniform(0, 6))
        elif self._wait_for_training(resumed):
            record["seconds"] = time.monotonic() - killed
        if len(self.run.record.resumed) > resumed:
            after = self.run.record.resumed[resumed]["after"]
            record["resumed after"] = after
        print(f"{len(self.kills):3} {record}", flush=True)

    def _saving(self) -> int | None:
        """Wait until a process writes a checkpoint, and return its number."""
        end = time.monotonic() + 30
        while time.monotonic() < end and not _finished(self.run):
            for path in self.run.checkpoint_folder.glob(".*.partial"):
                return int(path.name.split(".")[-2])
            self._supervise()
            time.sleep(0.0005)
        return None

    def _wait_for_training(self, resumptions: int) -> bool:
        """Wait for another resumption, and then for a new checkpoint; return False if the training ends before.

        A checkpoint that was almost complete at the kill does not count.
        """
        end = time.monotonic() + GIVE_UP
        while len(self.run.record.resumed) <= resumptions:
            if _finished(self.run):
                return False
            if time.monotonic() > end:
                raise SystemExit(f"the training does not continue for {GIVE_UP:.0f} s")
            self._supervise()
            time.sleep(0.02)
        return self._wait_for_new(_latest(self.run))

    def _wait_for_new(self, before: str) -> bool:
        """Wait until there is a newer checkpoint than ``before``; return False if the training ends without one."""
        end = time.monotonic() + GIVE_UP
        while _latest(self.run) <= before:
            if _finished(self.run):
                return False
            if time.monotonic() > end:
                raise SystemExit(f"no new checkpoint after {before or 'the start'} for {GIVE_UP:.0f} s")
            self._supervise()
            time.sleep(0.02)
        return True

    def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._supervise()
            time.sleep(0.02)

    def _supervise(self) -> None:
        """Start launchers that have ended, unless the training is finished."""
        for machine in self.machines:
            if machine.ended and not _finished(self.run):
                machine.start()


def kills(folder: Path, count: int, epochs: int) -> dict[str, Any]:
    """Return the figures of a training with kills."""
    whole = Launcher(
        folder, free_port(), ("penstroke", "train", *TRAINING, "--epochs", str(epochs), "--out", "whole"), 4
    )
    if whole.process.wait():
        raise SystemExit("the uninterrupted training failed")
    campaign = Kills(folder, count, epochs)
    found = campaign()
    run = campaign.run
    steps = sum(row["kind"] == "step" and row["epoch"] == 1 for row in run.metrics.rows())
    behind = [
        _steps(each["before"], steps) - _position(each["resumed after"], steps)
        for each in found
        if "resumed after" in each and each["before"]
    ]
    again: dict[str, list[float]] = {}
    for number, each in enumerate(found):
        restarting = number and "seconds" not in found[number - 1]
        if "seconds" in each:
            again.setdefault("during a restart" if restarting else each["kind"], []).append(each["seconds"])
    return {
        "kills": dict(Counter(each["kind"] for each in found)),
        "starts of launchers": [machine.starts for machine in campaign.machines],
        "resumptions": len(run.record.resumed),
        "seconds until a new checkpoint": {kind: summary(seconds) for kind, seconds in sorted(again.items())},
        "intervals lost": sum(max(0, steps) // INTERVAL for steps in behind),
        "equal model files": (folder / "whole/model.safetensors").read_bytes() == run.model_path.read_bytes(),
    }


def _position(after: str | None, steps: int) -> int:
    """Return the number of steps before a resumption, from the text of the record: ``epoch 3, step 20``."""
    if after is None:
        return 0
    epoch, step = (int(word) for word in after.replace(",", "").split() if word.isdigit())
    return (epoch - 1) * steps + step


def sizes(folder: Path, epochs: int = 6, seeds: int = SEEDS) -> dict[str, Any]:
    """Return the figures of a training with other numbers of processes after each kill."""
    options = ("train", *TRAINING, "--epochs", str(epochs), "--test-each-epoch", "--shift", "0")
    run = Run(folder / "sizes")
    for number, size in enumerate(SIZES):
        program = ("benchmarks.logged_training", str(folder / "log"), *options, "--out", "sizes")
        launcher = Launcher(folder, free_port(), program, size)
        wanted = f"{1 + (number + 1) * epochs // len(SIZES):04}" if number < len(SIZES) - 1 else "9999"
        while not (_finished(run) or _latest(run) > f"{wanted}-000015"):  # in the middle of an epoch
            if launcher.ended and not _finished(run):
                raise SystemExit(f"the training with {size} processes failed")
            time.sleep(0.02)
        if number < len(SIZES) - 1:
            launcher.kill()
        launcher.process.wait(timeout=60)
    correct = []
    for seed in range(seeds):
        done = Launcher(
            folder, free_port(), ("penstroke", *options, "--seed", str(seed), "--out", f"seed-{seed}"), 1
        ).process.wait()
        if done:
            raise SystemExit(f"the training with seed {seed} failed")
        correct.append(_correct(Run(folder / f"seed-{seed}")))
    return {
        "processes": list(SIZES),
        "resumptions": [each["after"] for each in run.record.resumed],
        **images_of_steps(folder / "log"),
        "correct images": _correct(run),
        "correct images of other seeds": correct,
    }


def _correct(run: Run) -> int:
    return int(run.record.epochs[-1]["test"]["correct"])


def images_of_steps(folder: Path) -> dict[str, Any]:
    """Return how often the images of each epoch were used, from the files of ``logged_training``.

    A step that was repeated after a kill counts once, and its repetitions must have the same images in the same order.
    """
    steps: dict[tuple[int, int], dict[int, dict[int, list[int]]]] = {}
    for path in folder.glob("*.jsonl"):
        for line in _whole_lines(path):
            row = json.loads(line)
            repetitions = steps.setdefault((row["epoch"], row["step"]), {})
            repetitions.setdefault(row["processes"], {})[row["rank"]] = row["images"]
    images: dict[int, Counter[int]] = {}
    unequal = 0
    for (epoch, _), repetitions in steps.items():
        whole = [  # of those in which no process was killed
            [image for rank in range(size) for image in parts[rank]]
            for size, parts in repetitions.items()
            if len(parts) == size
        ]
        unequal += any(other != whole[0] for other in whole)
        images.setdefault(epoch, Counter()).update(whole[0])
    return {
        "epochs": len(images),
        "images of each epoch": sorted({len(each) for each in images.values()}),
        "images not used once": sum(count != 1 for each in images.values() for count in each.values()),
        "steps": len(steps),
        "repeated steps": sum(len(repetitions) > 1 for repetitions in steps.values()),
        "repeated steps with other images": unequal,
    }


def _whole_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a file; the last one may lack its end, because its process was killed."""
    for line in path.read_text().splitlines(keepends=True):
        if line.endswith("\n"):
            yield line


def main(*, count: int = 50, epochs: int = 140, save: bool = False) -> None:
    """Measure.

    Args:
        count: number of kills.
        epochs: epochs of the training that is interrupted.
        save: write the figures.
    """
    with tempfile.TemporaryDirectory() as home:
        Path(home, "kills").mkdir()
        Path(home, "sizes").mkdir()
        figures = {"kills": kills(Path(home, "kills"), count, epochs), "sizes": sizes(Path(home, "sizes"))}
    print(json.dumps(figures, indent=1))
    if save:
        print(save_result("elastic", {"results": figures}))


if __name__ == "__main__":
    cyclopts.run(main)
