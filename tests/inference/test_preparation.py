"""Preparation in worker processes: same results as in this process, errors per picture, no process remains."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.server import accept_interrupt

from penstroke.data import Dataset
from penstroke.errors import DataError
from penstroke.inference.preparation import preparing, worker_count
from penstroke.inference.worker import Preparation, Worker, _receive, _send
from penstroke.pictures import EmptyPicture

DIGIT = Preparation("digit", (1, 28, 28), 1_000_000)
# No check of __name__, as in a notebook or a short script: multiprocessing would run this file again in each worker.
SCRIPT = """
import sys
import numpy as np
from penstroke.inference.preparation import preparing
from penstroke.inference.worker import Preparation

noise = np.random.RandomState(0).randint(0, 256, (900, 900)).astype(np.uint8)
with preparing([noise] * 3000, Preparation("letterbox", (1, 28, 28), 1_000_000), 2) as results:
    print(next(results).shape, flush=True)
    for _ in results:
        if "first" in sys.argv:
            break
print("done", flush=True)
"""


@pytest.fixture
def digit(sample: Dataset) -> Image.Image:
    return Image.fromarray(sample.test.images[0, 0]).resize((90, 90))


def equal(found: object, expected: object) -> bool:
    return isinstance(found, np.ndarray) and isinstance(expected, np.ndarray) and np.array_equal(found, expected)


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_results_are_in_order_and_errors_belong_to_pictures(digit: Image.Image, tmp_path: Path, workers: int) -> None:
    path, broken, blank = tmp_path / "7.png", tmp_path / "broken.png", np.full((60, 60), 255, np.uint8)
    digit.save(path)
    broken.write_bytes(b"text")
    too_big = np.zeros((1001, 1000), np.uint8)
    Image.fromarray(too_big).save(tmp_path / "big.png")
    pictures = [path, broken, str(path), blank, path.read_bytes(), digit, np.asarray(digit), tmp_path / "big.png", 5.0]
    with preparing(pictures, DIGIT, workers) as results:  # type: ignore[arg-type]
        found = list(results)
    expected = DIGIT(path)
    assert isinstance(expected, np.ndarray)
    assert expected.shape == (1, 28, 28)
    assert expected.dtype == np.uint8
    for index in (0, 2, 4, 5, 6):
        assert equal(found[index], expected)
    errors = [found[index] for index in (1, 3, 7, 8)]
    assert [type(error) for error in errors] == [DataError, EmptyPicture, DataError, DataError]
    assert "broken.png" in str(errors[0])
    assert all(error.remedy for error in errors if isinstance(error, DataError))


def test_workers_are_at_most_some_pictures_ahead(digit: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstroke.inference.preparation.MAX_AHEAD", 4)
    requested = []

    def pictures() -> Iterator[np.ndarray]:
        for number in range(20):
            requested.append(number)
            yield np.asarray(digit)

    with preparing(pictures(), DIGIT, 1) as results:  # type: ignore[arg-type]
        assert len(requested) == 4
        for number, _ in enumerate(results, start=1):
            assert len(requested) <= min(4 + number, 20)
    assert len(requested) == 20


def test_a_worker_that_terminates_loses_only_one_picture(digit: Image.Image) -> None:
    picture = np.asarray(digit)
    worker = Worker(DIGIT)
    try:
        assert isinstance(worker.prepare(picture), np.ndarray)
        worker._process.kill()
        worker._process.wait()
        lost = worker.prepare(picture)
        assert isinstance(lost, DataError)
        assert "ended with status -9" in lost.message
        assert equal(worker.prepare(picture), DIGIT(picture))
    finally:
        worker.stop()
    assert isinstance(worker.prepare(picture), DataError)


def test_a_script_runs_once_and_may_stop_early() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT, "first"], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("(1, 28, 28)\ndone\n", "")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_their_parent(number: int) -> None:
    script = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=accept_interrupt,
    )
    with script:
        assert script.stdout
        assert script.stdout.readline() == "(1, 28, 28)\n"
        script.send_signal(number)
        # Workers hold the script's stderr: this returns when the last of them has ended.
        out, err = script.communicate(timeout=120)
    assert out == ""
    assert script.returncode == -number
    assert err.count("Traceback") == (number == signal.SIGINT)
    assert ("KeyboardInterrupt" in err) == (number == signal.SIGINT)


def test_workers_are_used_where_they_save_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cores = worker_count([b""] * 1000, idle=False)
    small, large = np.zeros((9, 9), np.uint8), np.zeros((1000, 1000), np.uint8)
    file, missing = tmp_path / "large.png", tmp_path / "missing.png"
    file.write_bytes(bytes(100_000))
    quick: Any = ([], [small], [small] * 500, [large] * 5, [file] * 5, [missing, "\0"] * 250, [bytes(300)] * 500)
    slow: Any = ([small] * 1000, [large] * 20, [file] * 20, [str(file)] * 20, [bytes(100_000)] * 20)
    for few in quick:
        assert worker_count(few, idle=True) == 0
        assert worker_count(few, idle=False) == min(len(few), cores)
    for many in slow:
        assert worker_count(many, idle=True) >= 1
    assert worker_count([Image.new("L", (900, 900))] * 1000, idle=False) == 0
    monkeypatch.setattr(sys, "executable", "")
    assert worker_count([large] * 1000, idle=False) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not allow such names")
def test_a_name_that_is_not_unicode_reaches_the_worker(digit: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"7-\xff.png")
    digit.save(path)
    with preparing([path], DIGIT, 1) as results:
        assert equal(next(results), DIGIT(path))


def test_a_message_that_is_cut_is_the_end() -> None:
    stream = io.BytesIO()
    _send(stream, {"kind": "bytes"}, b"12345")
    message = stream.getvalue()
    header, content = _receive(io.BytesIO(message))
    assert (header, bytes(content)) == ({"kind": "bytes"}, b"12345")
    for size in range(len(message)):
        with pytest.raises(EOFError):
            _receive(io.BytesIO(message[:size]))
