"""``penstroke export``: places, options, output and exit codes. ``tests/export`` tests the formats."""

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstroke import Classifier
from penstroke.export import formats
from penstroke.export.runtimes import open_torch

Penstroke = Callable[..., Any]


@pytest.fixture
def run(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of a run, in an otherwise empty current folder."""
    shutil.copytree(home / "runs/book", tmp_path / "runs/book")
    monkeypatch.chdir(tmp_path)
    return Path("runs/book")


def test_the_latest_run_is_exported_into_its_folder(penstroke: Penstroke, run: Path) -> None:
    done = penstroke("export", "--to", "onnx")
    path = run / "exports/model.onnx"
    assert done.code == 0, done.err
    assert "note: model runs/book, the latest run" in done.err
    assert f"onnx: {path} is written, {path.stat().st_size:,} bytes; 1,000 test images: 0 different labels" in done.out
    assert done.out.count("\n") == 1
    assert Classifier.load(path).description == Classifier.load(run).description
    predicted = penstroke("test", path, "--json")
    assert predicted.code == 0
    assert predicted.json["correct"] == penstroke("test", run, "--json").json["correct"]
    done = penstroke("export", path, "--to", "npz")
    assert done.code == 4
    assert f"{path} is an ONNX file; only runs and model files can be exported" in done.err


def test_json(penstroke: Penstroke, run: Path) -> None:
    value = penstroke("export", run, "--to", "torch", "--json").json
    assert value["run"] == str(run)
    assert (value["format"], value["path"]) == ("torch", str(run / "exports/model.pt2"))
    assert value["bytes"] == Path(value["path"]).stat().st_size
    assert value["parity"]["images"] == 1000


def test_int8_is_compared_with_float32(penstroke: Penstroke, run: Path) -> None:
    done = penstroke("export", run, "--to", "onnx", "--precision", "int8")
    assert done.code == 0, done.err
    assert f"onnx int8: {run}/exports/model-int8.onnx" in done.out
    verdict = done.out.splitlines()[1]
    assert re.fullmatch(
        r"int8 is (not )?recommended; compared with float32 \([\d,]+ bytes\), batches of 1: [\d.]+ times as fast, "
        r"batches of 500: [\d.]+ times as fast",
        verdict,
    )


def test_a_model_file_is_exported_into_the_current_folder(penstroke: Penstroke, run: Path) -> None:
    done = penstroke("export", run / "model.safetensors", "--to", "torch")
    assert done.code == 0, done.err
    assert Path("model.pt2").is_file()
    done = penstroke("export", run / "model.safetensors", "--to", "torch", "--out", "a/b.pt2")
    assert done.code == 0, done.err
    assert Path("a/b.pt2").read_bytes()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--to is missing"),
        (["--to", "onx"], "--to is 'onx', which is unknown"),
        (["--to", "npz", "--precision", "int8"], "precision applies only to the format onnx"),
        (["--to", "web", "--with-preparation"], "with-preparation applies only to the format onnx"),
        (["--to", "torch", "--single-file"], "single-file applies only to the format web"),
        (["--to", "torch", "--out", "runs"], "runs is a folder"),
    ],
)
def test_invalid_usage(penstroke: Penstroke, run: Path, words: list[str], message: str) -> None:
    done = penstroke("export", run, *words)
    assert done.code == 2
    assert message in done.err
    assert not (run / "exports").exists()


def test_a_missing_package_is_named(penstroke: Penstroke, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    done = penstroke("export", run, "--to", "onnx")
    assert done.code == 2
    assert "onnxscript" in done.err
    assert 'pip install "penstroke[export]"' in done.err


def test_a_failed_comparison_exits_with_5_and_leaves_nothing(
    penstroke: Penstroke, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats, "open_torch", lambda content: lambda images: open_torch(content)(255 - images))
    done = penstroke("export", run, "--to", "torch")
    assert done.code == 5
    assert "The exported file differs from the model" in done.err
    assert "No file was written" in done.err
    assert not (run / "exports").exists()


def test_sources_and_places_that_cannot_be_used(penstroke: Penstroke, run: Path) -> None:
    Path("file").write_bytes(b"content")
    for words, message in (
        (["runs/missing"], "runs/missing does not exist"),
        ([run, "--out", "file/model.pt2"], "Cannot write file: Not a directory"),
    ):
        done = penstroke("export", *words, "--to", "torch")
        assert done.code == 4, done.err
        assert message in done.err
    assert Path("file").read_bytes() == b"content"


def test_data_of_another_kind_are_rejected(penstroke: Penstroke, run: Path, tmp_path: Path) -> None:
    from PIL import Image

    for part in ("train", "test"):
        for name, level in (("a", 0), ("b", 255)):
            (tmp_path / "pictures" / part / name).mkdir(parents=True)
            Image.new("RGB", (9, 9), (level, 0, 0)).save(tmp_path / "pictures" / part / name / "0.png")
    done = penstroke("export", run, "--to", "torch", "--data", tmp_path / "pictures")
    assert done.code == 3
    assert "the model takes uint8 of shape [n, 1, 28, 28]" in done.err
