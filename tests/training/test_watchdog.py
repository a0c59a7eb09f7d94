"""The watchdog ends a process whose step takes too long."""

import subprocess
import sys

PROGRAM = """
import time
import torch
from penstroke import Callback, fit, load, recipes
from penstroke.training.watchdog import Watchdog


class Hang(Callback):
    def on_step_end(self, progress):
        if progress.step == {step}:
            time.sleep({seconds})


watchdog = Watchdog({limit})
with watchdog.watching():
    fit(recipes.fast(batch_size=500, epochs=1), load("mnist5k"), device="cpu", callbacks=[watchdog, Hang()])
time.sleep(0.6)
print("finished")
"""


def run(step: int, seconds: float, limit: float) -> "subprocess.CompletedProcess[str]":
    program = PROGRAM.format(step=step, seconds=seconds, limit=limit)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)


def test_a_step_that_hangs_ends_the_process_with_the_stacks_of_its_threads() -> None:
    done = run(4, 60, 0.5)
    assert done.returncode == 1
    assert "Timeout (0:00:00.500000)!" in done.stderr
    assert "in on_step_end" in done.stderr
    assert "finished" not in done.stdout


def test_the_evaluation_may_take_longer_and_the_end_of_the_training_stops_the_timer() -> None:
    done = run(10, 0.7, 0.5)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "finished\n"
