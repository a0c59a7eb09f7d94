"""``penstroke predict --output``: Parquet files by Ray Data, kills, signals, wrong options."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks.processes import descendants
from penstroke.data import Dataset

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray uses its own deprecated names
Penstroke = Callable[..., Any]
KILLS = 40
"""Number of kills of the campaign."""
SLOW = 60
"""Seconds after which a test gives up to wait."""


@pytest.fixture(scope="module")
def ray() -> Iterator[str]:
    """Start Ray once, which commands in this process use, and return its address."""
    import ray

    from penstroke.scale.engine import started

    with started(None, 1):
        yield ray.get_runtime_context().gcs_address


@pytest.fixture
def images(sample: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Change to a folder with ``images.npy``, the 5,000 digits of the sample, and return them."""
    monkeypatch.chdir(tmp_path)
    found = np.concatenate([sample.train.images, sample.test.images])[:, 0]
    np.save("images.npy", found)
    return found


def table(folder: str) -> list[dict[str, Any]]:
    return [row for path in sorted(Path(folder).glob("part-*.parquet")) for row in pq.read_table(path).to_pylist()]


def listening(pid: int) -> list[str]:
    """Return the local addresses, hexadecimal, on which a process accepts TCP connections."""
    sockets = {str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir() if path.is_symlink()}
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return [row[1].partition(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in sockets]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_only_this_machine_can_connect(ray: str) -> None:
    assert ray.startswith("127.0.0.1:")
    found = [address for pid in descendants(os.getpid()) for address in listening(pid)]
    assert found
    assert all(address.endswith("0100007F") for address in found), found


def test_pictures_and_arrays_are_predicted_in_order(
    ray: str, penstroke: Penstroke, images: np.ndarray, home: Path
) -> None:
    Path("digits").mkdir()
    for digit in range(10):
        content = (home / f"{digit}.png").read_bytes()
        Path(f"digits/{digit}.png").write_bytes(content[: 60 if digit == 3 else None])
    done = penstroke("predict", "ready", "digits", "images.npy", "--output", "out", "--part-size", 2000, "--json")
    assert done.code == 3, done.err
    assert done.json == {
        "output": "out",
        "run": "ready",
        "rows": 5010,
        "abstained": done.json["abstained"],
        "errors": 1,
        "parts": 4,
        "manifest": "out/manifest.json",
    }
    rows = table("out")
    assert [row["file"] for row in rows] == [
        *(f"digits/{digit}.png" for digit in range(10)),
        *(f"images.npy#{index}" for index in range(5000)),
    ]
    assert [row["file"] for row in rows if row["error"]] == ["digits/3.png"]
    assert "5010 of 5010 pictures classified" in done.err
    manifest = json.loads(Path("out/manifest.json").read_text())
    assert [part["rows"] for part in manifest["parts"]] == [10, 2000, 2000, 1000]
    before = {path: path.read_bytes() for path in Path("out").glob("*.parquet")}
    again = penstroke("predict", "ready", "digits", "images.npy", "--output", "out", "--part-size", 2000)
    assert again.code == 3
    assert "out: 5010 rows in 4 files; " in again.out
    assert "4 of 4 parts are finished" in again.err
    assert {path: path.read_bytes() for path in Path("out").glob("*.parquet")} == before


def test_errors_of_processes_are_those_of_penstroke(ray: str, penstroke: Penstroke, images: np.ndarray) -> None:
    from penstroke import Classifier

    Classifier.load("ready", backend="torch").save("model.safetensors")
    content = bytearray(Path("model.safetensors").read_bytes())
    content[-2:] = b"\xff\x7f"  # a weight that is not a number
    Path("model.safetensors").write_bytes(content)
    done = penstroke("predict", "model.safetensors", "images.npy", "--output", "out")
    assert done.code == 4
    assert "has weights that are not finite numbers" in done.err
    assert "Traceback" not in done.err


def start(*options: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "penstroke", "predict", "ready", "images.npy", "--output", "out", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished() -> int:
    return len(list(Path("out").glob("part-*.parquet")))


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SLOW
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_after_a_signal_the_same_command_continues_and_no_process_remains(
    ray: str, penstroke: Penstroke, images: np.ndarray
) -> None:
    options = ["--part-size", "100", "--workers", "1"]
    process = start(*options)
    wait_until(lambda: finished() >= 1)
    processes = descendants(process.pid)
    assert len(processes) > 2
    process.terminate()
    out, err = process.communicate(timeout=SLOW)
    assert process.returncode == 143
    assert not out
    assert " of 5000 pictures; the same command continues" in err
    assert "Traceback" not in err
    assert not any(map(runs, processes))

    # The killed command uses a cluster.
    done = finished()
    process = start(*options, "--address", ray)
    wait_until(lambda: finished() >= done + 3)
    process.kill()
    process.communicate(timeout=SLOW)
    before = {path: path.read_bytes() for path in Path("out").glob("part-*.parquet")}
    assert done + 3 <= len(before) < 50
    last = penstroke("predict", "ready", "images.npy", "--output", "out", *options)
    assert last.code == 0, last.err
    assert [row["file"] for row in table("out")] == [f"images.npy#{index}" for index in range(5000)]
    assert all(path.read_bytes() == content for path, content in before.items())
    assert not list(Path("out").glob(".part-*"))


@pytest.mark.campaign
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_control_service_that_is_killed_ends_the_command(ray: str, penstroke: Penstroke, images: np.ndarray) -> None:
    process = start("--part-size", "10", "--workers", "1")
    wait_until(lambda: finished() >= 2)
    service = next(
        pid for pid in descendants(process.pid) if b"/gcs_server" in Path(f"/proc/{pid}/cmdline").read_bytes()
    )
    os.kill(service, signal.SIGKILL)
    _, err = process.communicate(timeout=SLOW)
    assert process.returncode == 4
    assert "the control service of Ray (gcs_server) does not answer" in err
    assert "Traceback" not in err
    done = penstroke("predict", "ready", "images.npy", "--output", "out", "--part-size", 10)
    assert done.code == 0, done.err
    assert [row["file"] for row in table("out")] == [f"images.npy#{index}" for index in range(5000)]


@pytest.mark.campaign
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_many_kills_of_the_command_and_of_its_processes_lose_no_row(
    ray: str, penstroke: Penstroke, images: np.ndarray
) -> None:
    whole = penstroke("predict", "ready", "images.npy", "--output", "whole", "--part-size", 10)
    assert whole.code == 0, whole.err
    random.seed(0)
    kills = 0
    while kills < KILLS:
        process = start("--part-size", "10", "--workers", "2")
        while process.poll() is None and kills < KILLS:
            time.sleep(random.uniform(0.1, 8))
            started = descendants(process.pid)
            number = random.choice([process.pid, *started])  # Ray's own processes end the command with an error
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
                kills += 1
        _, err = process.communicate(timeout=SLOW)
        assert "Traceback" not in err
    done = penstroke("predict", "ready", "images.npy", "--output", "out", "--part-size", 10)
    assert done.code == 0, done.err
    assert [row["file"] for row in table("out")] == [f"images.npy#{index}" for index in range(5000)]
    assert json.loads(Path("out/manifest.json").read_text()) == json.loads(Path("whole/manifest.json").read_text())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--output", "out", "--top", "3"], "--top: not together with --output"),
        (["--part-size", "5", "--workers", "1"], "--part-size, --workers: only together with --output"),
        (["--output", "out", "--device", "cuda"], "with --output, pictures are predicted on the CPU"),
        (["--output", "out", "--part-size", "0"], "--part-size is 0: it must be at least 1"),
    ],
)
def test_options_that_do_not_apply_are_rejected(penstroke: Penstroke, options: list[str], message: str) -> None:
    done = penstroke("predict", "ready", "1.png", *options)
    assert done.code == 2
    assert message in done.err


def test_a_missing_extra_is_named(penstroke: Penstroke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray.data", None)
    done = penstroke("predict", "ready", "1.png", "--output", "out")
    assert done.code == 2
    assert 'pip install "penstroke[scale]"' in done.err
