"""Prediction of many pictures: ``python -m benchmarks.prediction_at_scale [--images 10000000] [--files 100000]``.

MNIST's test images are repeated in one ``.npy`` file and predicted with the bundled model by the command
``penstroke predict --output``: once without an interruption, and once while the command is killed (SIGKILL) at random
times and given again. The rates are those of the whole commands, from their start to their end. They are compared
with the rate of the model alone in as many processes, measured before and after. Then picture files are predicted, of
which some are broken or hostile. The rows are checked: each is there once, and the files of all passes are equal. The
figures are written to ``benchmarks/results/prediction-at-scale.json``. Run nothing else at the same time.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import cyclopts
import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.conditions import save_result, summary
from benchmarks.processes import descendants
from penstroke.data import load

MODEL_ALONE = """
import sys, time
import numpy as np
from penstroke import Classifier
classifier = Classifier.load("ready", threads=1)
images = np.load(sys.argv[1], mmap_mode="r")[: int(sys.argv[2]), None]
classifier.log_probs(images[:1000])
print("ready", flush=True)
sys.stdin.readline()
start = time.perf_counter()
for first in range(0, len(images), 250):
    classifier.log_probs(images[first : first + 250])
print(len(images) / (time.perf_counter() - start))
"""
BROKEN_EVERY = 500
"""One of so many files is broken."""


def write_images(path: Path, count: int) -> None:
    """Write a file of ``count`` images: MNIST's test images, repeated."""
    source = load("mnist").test.images[:, 0]
    array = np.lib.format.open_memmap(path, "w+", np.uint8, (count, *source.shape[1:]))
    for start in range(0, count, len(source)):
        array[start : start + len(source)] = source[: count - start]
    array.flush()


def rate_of_model(path: Path, workers: int, images: int) -> float:
    """Return the images per second of the model alone, in ``workers`` processes with one thread at the same time."""
    command = [sys.executable, "-c", MODEL_ALONE, str(path), str(images)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(workers)]
    for process in processes:
        assert process.stdout
        process.stdout.readline()
    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    return sum(float(process.communicate()[0]) for process in processes)


class Command:
    """``penstroke predict ready INPUT --output FOLDER``, with the peak memory of its processes."""

    def __init__(self, source: Path, folder: Path, workers: int) -> None:
        options = ["--output", str(folder), "--workers", str(workers), "--json"]
        command = [sys.executable, "-m", "penstroke", "predict", "ready", str(source), *options]
        self._folder = folder
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.peaks: dict[int, tuple[str, int]] = {}

    def parts(self) -> int:
        """Return the number of finished files."""
        return len(list(self._folder.glob("part-*.parquet")))

    def wait(self, parts: int | None = None) -> bool:
        """Wait until the command has ended, or has written so many files; return whether it runs."""
        while self._process.poll() is None:
            if parts is not None and self.parts() >= parts:
                return True
            self._measure()
            time.sleep(0.25)
        return False

    def kill(self) -> None:
        """Kill the command. Its other processes end by themselves, while it is given again."""
        self._process.kill()
        self._process.communicate()

    def result(self) -> dict[str, Any]:
        """Return what the command printed."""
        out, err = self._process.communicate()
        if self._process.returncode not in (0, 3):
            raise SystemExit(err[-3000:])
        found: dict[str, Any] = json.loads(out)
        return found

    def _measure(self) -> None:
        for pid in [self._process.pid, *descendants(self._process.pid)]:
            try:
                words = Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
                name = " ".join(Path(word).name for word in words[:5]).strip()
                status = Path(f"/proc/{pid}/status").read_text()
                self.peaks[pid] = (name, int(status.split("VmHWM:")[1].split()[0]) * 1024)
            except (OSError, IndexError):  # the process has ended
                continue


def uninterrupted(source: Path, folder: Path, workers: int) -> dict[str, Any]:
    """Predict without an interruption."""
    start = time.perf_counter()
    command = Command(source, folder, workers)
    command.wait()
    result = command.result()
    seconds = time.perf_counter() - start
    peak = sorted(((size, name) for name, size in command.peaks.values()), reverse=True)
    return {
        "rows": result["rows"],
        "errors": result["errors"],
        "seconds": seconds,
        "rate": result["rows"] / seconds,
        "peak_bytes_of_a_process": peak[0][0],
        "largest_processes": [{"command": name, "bytes": size} for size, name in peak[:4]],
    }


def killed(source: Path, folder: Path, workers: int, kills: int, parts: int, seed: int = 0) -> dict[str, Any]:
    """Predict, and kill the command ``kills`` times, at random numbers of finished files."""
    random.seed(seed)
    done, start = 0, time.perf_counter()
    running = True
    while running:
        command = Command(source, folder, workers)
        at = int((done + random.random()) * parts / kills) + 1 if done < kills else None
        running = command.wait(at)
        if running:
            time.sleep(random.uniform(0, 2))
            command.kill()
            done += 1
            print(f"  kill {done}, {command.parts()} of {parts} parts", flush=True)
    rows = command.result()["rows"]
    seconds = time.perf_counter() - start
    return {"kills": done, "rows": rows, "seconds": seconds, "rate": rows / seconds}


def check_rows(folder: Path, count: int) -> dict[str, Any]:
    """Return how many rows there are, how many are missing, and how many are there more than once."""
    seen = np.zeros(count, np.int32)
    for path in sorted(folder.glob("part-*.parquet")):
        names = pq.read_table(path, columns=["file"])["file"].to_pylist()
        np.add.at(seen, [int(name.rpartition("#")[2]) for name in names], 1)
    return {"rows": int(seen.sum()), "missing": int((seen == 0).sum()), "repeated": int((seen > 1).sum())}


def hashes(folder: Path) -> list[str]:
    """Return the hashes of all files, as the manifest has them."""
    return [part["sha256"] for part in json.loads((folder / "manifest.json").read_text())["parts"]]


def write_pictures(folder: Path, count: int) -> set[str]:
    """Write picture files, in folders of 1,000, and return the names of those that are broken."""
    images = load("mnist").test.images[:, 0]
    huge = (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\x01\0\0\0\x01\0\0\x08\0\0\0\0" + bytes(4)) * 2
    broken: set[str] = set()
    for number in range(count):
        path = folder / f"{number // 1000:04d}" / f"{number:06d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[number % len(images)]).save(path)
        if number % BROKEN_EVERY == 7:
            broken.add(str(path))
            match number // BROKEN_EVERY % 6:
                case 0:
                    path.write_bytes(path.read_bytes()[:60])
                case 1:
                    path.write_text("hello")
                case 2:
                    path.write_bytes(b"")
                case 3:
                    path.write_bytes(huge)
                case 4:
                    path.unlink()
                    os.mkfifo(path)
                case _:
                    path.unlink()
                    path.symlink_to(path)
    return broken


def pictures(home: Path, count: int, workers: int) -> dict[str, Any]:
    """Predict picture files, some of them broken, and check the rows."""
    source, folder = home / "pictures", home / "predicted"
    broken = write_pictures(source, count)
    found = uninterrupted(source, folder, workers)
    rows: Counter[str] = Counter()
    named: set[str] = set()
    for path in folder.glob("part-*.parquet"):
        table = pq.read_table(path, columns=["file", "error"]).to_pydict()
        rows.update(table["file"])
        named |= {name for name, error in zip(table["file"], table["error"], strict=True) if error}
    checked = {"files": count, "rows_once": sum(times == 1 for times in rows.values()), "broken": len(broken)}
    return found | checked | {"exactly_the_broken_ones_have_errors": named == broken}


def main(
    *,
    images: int = 10_000_000,
    files: int = 100_000,
    kills: int = 10,
    workers: int = 2,
    home: Path | None = None,
    save: bool = True,
) -> None:
    """Measure.

    Args:
        images: images of the array.
        files: picture files.
        kills: how often the command is killed.
        workers: processes that predict.
        home: folder for the data and the results; 1 KB per image. A temporary folder by default.
        save: write the figures.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the temporary folder is removed
    with tempfile.TemporaryDirectory(dir=home) as name:
        place = Path(name)
        array = place / "images.npy"
        write_images(array, images)
        alone = [rate_of_model(array, workers, min(images, 200_000))]
        whole = uninterrupted(array, place / "whole", workers)
        print(json.dumps(whole), flush=True)
        alone.append(rate_of_model(array, workers, min(images, 200_000)))
        parts = len(hashes(place / "whole"))
        interrupted = killed(array, place / "killed", workers, kills, parts)
        results = {
            "images": images,
            "workers": workers,
            "parts": parts,
            "model_alone": summary(alone),
            "uninterrupted": whole,
            "killed": interrupted,
            "share_of_model": whole["rate"] / (sum(alone) / 2),
            "share_of_uninterrupted": interrupted["rate"] / whole["rate"],
            "checked": {pass_: check_rows(place / pass_, images) for pass_ in ("whole", "killed")},
            "equal_files": hashes(place / "whole") == hashes(place / "killed"),
        }
        for folder in ("whole", "killed"):
            shutil.rmtree(place / folder)
        array.unlink()
        results["pictures"] = pictures(place, files, workers)
    print(json.dumps(results, indent=1))
    if save:
        print(save_result("prediction-at-scale", results))


if __name__ == "__main__":
    cyclopts.run(main)
