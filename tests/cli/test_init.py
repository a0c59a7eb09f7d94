"""``train --init`` and ``--freeze``."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from penstroke import recipes, runs

Penstroke = Callable[..., Any]
SHORT = ["--data", "mnist5k", "--epochs", 1, "--batch-size", 500, "--threads", 1, "--no-tune"]


def test_a_training_starts_from_the_bundled_model(penstroke: Penstroke, tmp_path: Path) -> None:
    done = penstroke("train", "fast", "--init", "ready", *SHORT, "--lr", 0.001, "--out", tmp_path / "a", "--json")
    assert done.code == 0, done.err
    layers = [f"{layer}{number}" for number in range(1, 7) for layer in ("cn", "norm")] + ["fc2"]
    loaded = f"layers loaded: {', '.join(layers)}; new: none; mean and standard deviation of the pixels are those"
    assert f"note: the training starts from ready: {loaded} of the model\n" in done.err
    assert done.json["init"]["source"] == "ready"
    assert done.json["init"]["loaded"] == layers
    assert runs.Run(tmp_path / "a").recipe().network == recipes.robust().network
    assert json.loads((tmp_path / "a/run.json").read_text())["init"] == done.json["init"]


def test_a_run_is_continued_with_other_classes_and_frozen_layers(
    penstroke: Penstroke, tmp_path: Path, home: Path
) -> None:
    classes = ["--out", tmp_path / "a", "--lr", 0.05, "--test-each-epoch"]
    done = penstroke("train", "--init", home / "runs/book", "--freeze", 0.5, *SHORT, *classes)
    assert done.code == 2
    assert "all layers are loaded" in done.err
    assert not (tmp_path / "a").exists()
    done = penstroke("train", "--init", home / "runs/book", "--hidden", 32, "--freeze", 0.5, *SHORT, *classes)
    assert done.code == 0, done.err
    assert "layers loaded: cn1, cn2; new: fc1, fc2; " in done.err
    assert f"note: recipe book, with which {home / 'runs/book'} was trained\n" in done.err
    assert "the loaded layers are frozen for 50 % of the training" in done.err


def test_the_example_of_the_docs_runs(home: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/transfer.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    values: dict[str, Any] = {"paths": sorted(home.glob("*-paper.jpg")), "labels": list(range(10))}
    exec(code.replace("validation=0.0", "validation=0.0, epochs=2"), values)
    assert values["fitted"].history.finished
    assert values["fitted"].description.classes == tuple("0123456789")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--freeze", 0.5], 2, "--freeze is 0.5, and the training starts from random weights"),
        (["--init", "ready", "--freeze", 2], 2, "--freeze is 2: it must be from 0 to 1"),
        (["--init", "ready", "--freeze", "half"], 2, "--freeze is 'half': it must be a number"),
        (["--init", "ready", "--network", "convnet"], 2, "'convnet', and that of ready is 'patchnet'"),
        (["--init", "ready", "--seeds", 2], 2, "--init: not together with --seeds"),
        (["--init", "missing"], 4, "missing does not exist"),
    ],
)
def test_invalid_options_are_named(
    words: list[Any], code: int, message: str, penstroke: Penstroke, tmp_path: Path
) -> None:
    done = penstroke("train", *SHORT, *words, "--out", tmp_path / "a")
    assert done.code == code, done.err
    assert message in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "a").exists()


def test_a_run_is_not_resumed_from_another_model(penstroke: Penstroke, home: Path) -> None:
    done = penstroke("train", "--resume", home / "runs/book", "--init", "ready")
    assert done.code == 2
    assert "--init: not together with --resume" in done.err


def test_images_of_another_kind_are_reported(penstroke: Penstroke, tmp_path: Path) -> None:
    for name, level in (("dark", 20), ("bright", 230)):
        for number in range(4):
            path = tmp_path / f"data/{name}/{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (32, 34), (level, level + number, level)).save(path)
    done = penstroke("train", "fast", "--data", tmp_path / "data", "--init", "ready", "--threads", 1, "--no-tune",
                     "--out", tmp_path / "a")  # fmt: skip
    assert done.code == 0, done.err
    assert "cn6, norm6; new: cn1, fc2\n" in done.err
    assert "ready is for images of 1x28x28 (channels, height, width), and these have 3x34x32; with --size" in done.err
    assert "pictures for ready are prepared by 'digit', and those of this data by 'letterbox'" in done.err
