"""``penstroke report`` and ``penstroke explain``: files, output, errors."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image

from penstroke.cli.explain import Method
from penstroke.inference.explanations import METHODS

Penstroke = Callable[..., Any]
pytestmark = pytest.mark.usefixtures("at_home")


def test_a_report_is_written_into_the_run(penstroke: Penstroke, at_home: Path) -> None:
    done = penstroke("report", "--json", "--index", "2")
    assert done.code == 0, done
    value = done.json
    assert (value["run"], value["data"], value["total"]) == ("runs/book", "mnist5k", 1000)
    path = at_home / value["report"]
    assert path == at_home / "runs/book/report.html"
    assert value["bytes"] == path.stat().st_size
    low, high = value["accuracy_ci95"]
    assert low < value["accuracy"] == value["correct"] / 1000 < high
    assert value["omitted"] == []
    text = path.read_text(encoding="utf-8")
    assert f"{100 * value['accuracy']:.2f}\N{NO-BREAK SPACE}%" in text
    assert '<div class="chosen"><img class="pixels"' in text
    assert 'alt="Test image 2"' in text


def test_a_report_of_the_bundled_model_is_written_to_the_current_folder(
    penstroke: Penstroke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = penstroke("report", "ready", "--data", "mnist5k")
    assert done.code == 0, done
    assert "report: ready-report.html" in done.out
    assert "may have seen them" in (tmp_path / "ready-report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["report", "--out", "x.pdf"], 2, "--out is x.pdf: it must end in .html"),
        (["report", "--index", "1000"], 2, "--index is 1000: there are 1000 test images"),
        (["report", "--index", "-1"], 2, "--index is -1"),
        (["report", "--data", "emnist-letters"], 3, "emnist-letters"),
        (["report", "nowhere"], 4, "nowhere"),
        (["report", "runs/book", "--out", "7.png/x.html"], 4, "7.png"),
        (["explain"], 2, "PICTURE is missing"),
        (["explain", "7.png", "1.png"], 2, "There are 2 pictures"),
        (["explain", "7.png", "--class", "x"], 2, "--class is 'x', which is not a class of runs/book"),
        (["explain", "7.png", "--method", "lime"], 2, "lime"),
        (["explain", "7.png", "--out", "x.jpg"], 2, "--out is x.jpg: it must end in .png"),
        (["explain", "missing.png"], 3, "missing.png"),
        (["explain", "empty.png"], 3, "No symbol was found"),
    ],
)
def test_errors_are_explained(words: list[str], code: int, message: str, penstroke: Penstroke, at_home: Path) -> None:
    Image.new("L", (40, 40), 255).save(at_home / "empty.png")
    done = penstroke(*words)
    assert (done.code, done.out) == (code, ""), done
    assert message in done.err
    assert "Traceback" not in done.err
    assert penstroke(*words, "--json").json["error"]["message"]


def test_a_picture_is_explained(penstroke: Penstroke, at_home: Path) -> None:
    done = penstroke("explain", "4-paper.jpg", "--class", "9", "--json")
    assert done.code == 0, done
    value = done.json
    assert (value["file"], value["run"], value["method"]) == ("4-paper.jpg", "runs/book", "integrated-gradients")
    best, other = value["classes"]
    assert value["label"] == best["label"]
    assert value["probability"] == best["probability"] == max(best["probability"], other["probability"])
    assert other["label"] == ("9" if best["label"] != "9" else other["label"])
    for row in value["classes"]:
        change = row["log_odds"] - row["log_odds_of_black"]
        assert row["attribution"] == pytest.approx(change, abs=0.05 * abs(change) + 0.05)
        odds = row["probability"] / (1 - row["probability"])
        assert row["log_odds"] == pytest.approx(np.log(odds), abs=1e-2)
    path = at_home / value["picture"]
    assert path == at_home / "runs/book/pictures/4-paper-explained.png"
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    assert ((pixels[..., 0] - pixels[..., 2]) > 100).any(), "some pixels speak for a class"
    assert ((pixels[..., 2] - pixels[..., 0]) > 100).any(), "some pixels speak against a class"


def test_the_methods_are_those_of_explanations() -> None:
    assert get_args(Method) == METHODS


@pytest.mark.parametrize("method", METHODS[1:])
def test_other_methods_and_files(method: str, penstroke: Penstroke, at_home: Path) -> None:
    done = penstroke("explain", "runs/book", "7.png", "--method", method, "--out", f"{method}.png")
    assert done.code == 0, done
    assert done.out.endswith(f"picture: {method}.png\n")
    assert len(done.out.splitlines()) == 4
    assert (at_home / f"{method}.png").is_file()


def test_onnx_files_cannot_be_explained(penstroke: Penstroke) -> None:
    assert penstroke("export", "runs/book", "--to", "onnx", "--out", "book.onnx").code == 0
    done = penstroke("explain", "book.onnx", "7.png")
    assert done.code == 2
    assert "The backend torch cannot compute book.onnx" in done.err
    done = penstroke("report", "book.onnx")
    assert done.code == 0, done
    assert "book-report.html" in done.out
    assert "Kernels, maps and attributions are left out" in done.err


def test_missing_extras_are_named(penstroke: Penstroke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.setitem(sys.modules, "captum", None)
    for command, extra in (("report", "report"), ("explain", "explain")):
        done = penstroke(command, "runs/book", *(["7.png"] if command == "explain" else []))
        assert done.code == 2
        assert f'pip install "penstroke[{extra}]"' in done.err


def test_help_imports_no_heavy_packages() -> None:
    code = """
import sys
from penstroke.cli.app import run
run(["report", "--help"]), run(["explain", "--help"])
assert not {"torch", "numpy", "matplotlib", "jinja2", "captum", "PIL"} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
