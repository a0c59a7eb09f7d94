"""The commands and the program of ``docs/serving.md``, run as a reader would."""

import base64
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.server import Server

from penstroke import Classifier

ROOT = Path(__file__).parent.parent.parent
TEXT = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")


def block(language: str, word: str) -> str:
    """Return the only block of a language that contains a word."""
    found = re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
    (text,) = (text for text in found if word in text)
    return str(text)


def test_the_program(server: Server) -> None:
    pytest.importorskip("requests")
    program = block("python", "requests.post").replace("127.0.0.1:8000", f"127.0.0.1:{server.port}")
    assert str(server.port) in program
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    expected = Classifier.load("ready").read(ROOT / "docs/images/page.jpg").lines
    assert done.stdout.strip() == str(expected)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_command(server: Server) -> None:
    command = block("bash", "on-paper.jpg").replace("127.0.0.1:8000", f"127.0.0.1:{server.port}")
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=60)
    answer = json.loads(done.stdout)
    assert answer["label"] == "8"
    shown = block("text", '"label"')
    assert all(f'"{name}"' in shown for name in answer)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_commands_for_batches(server: Server, digits: list[bytes], tmp_path: Path) -> None:
    images = np.zeros((100, 1, 28, 28), np.uint8)
    images[:, :, 4:24, 13:16] = 255
    (tmp_path / "images.bin").write_bytes(images.tobytes())
    pictures = [base64.b64encode(digit).decode() for digit in digits[:3]]
    (tmp_path / "batch.json").write_text(json.dumps({"pictures": pictures}))
    commands = block("bash", "X-Shape").replace("127.0.0.1:8000", f"127.0.0.1:{server.port}").strip().split("\n")
    for command, expected in zip(commands, (["1"] * 100, None), strict=True):
        done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        labels = [row["label"] for row in json.loads(done.stdout)["predictions"]]
        assert labels == expected or (expected is None and len(labels) == 3), done.stdout
