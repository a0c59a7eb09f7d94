"""``penstroke data``: list, info, fetch, import and shard."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Penstroke = Callable[..., Any]


def test_datasets_are_listed(penstroke: Penstroke) -> None:
    listed = {row["name"]: row for row in penstroke("data", "list", "--json").json}
    assert {"mnist", "mnist5k", "fashion-mnist", "kmnist", "qmnist", "emnist-letters"} <= listed.keys()
    assert listed["mnist5k"].keys() == {"name", "title", "classes", "cached", "licence"}
    assert listed["mnist5k"]["cached"]
    assert not listed["mnist"]["cached"]
    text = penstroke("data", "list").out.splitlines()
    assert text[0].split() == ["name", "cached", "classes", "title"]
    assert any(line.split()[:3] == ["mnist", "no", "10"] for line in text)


def test_info_counts_training_and_test_images(penstroke: Penstroke) -> None:
    found = penstroke("data", "info", "mnist5k", "--json").json
    assert found["train"]["images"] == 4000
    assert found["test"]["images"] == 1000
    assert "licence" in found
    text = penstroke("data", "info", "mnist5k").out
    assert "4000 training and 1000 test images of 1x28x28" in text
    rows = [line.split() for line in text.splitlines()]
    assert ["class", "training", "images", "test", "images"] in rows
    assert ["3", "400", "100"] in rows


def test_info_of_colour_pictures_has_a_mean_for_each_channel(penstroke: Penstroke, tmp_path: Path) -> None:
    for label, colour in (("red", (255, 0, 0)), ("blue", (0, 0, 255))):
        (tmp_path / label).mkdir()
        for number in range(10):
            pixels = np.full((8, 8, 3), colour, np.uint8)
            pixels[0, 0] = number
            Image.fromarray(pixels).save(tmp_path / label / f"{number}.png")
    done = penstroke("data", "info", tmp_path)
    assert done.code == 0, done.err
    line = next(line for line in done.out.splitlines() if line.startswith("pixel mean"))
    assert line.partition("standard")[0].count("0.") == 3


def test_bundled_data_is_not_downloaded(penstroke: Penstroke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTROKE_DATA", str(tmp_path / "cache"))
    assert penstroke("data", "fetch", "mnist5k").out == "nothing to download: the dataset is bundled\n"
    assert penstroke("data", "import", "mnist5k", tmp_path, "--json").json == {}


def test_files_of_a_folder_are_verified(penstroke: Penstroke, tmp_path: Path) -> None:
    done = penstroke("data", "import", "mnist", tmp_path)
    assert done.code == 3
    assert "ubyte.gz" in done.err


def test_no_command_imports_torch() -> None:
    for words in (["list"], ["info", "mnist5k"], ["fetch", "mnist5k"]):
        code = f"""
import atexit, sys
from penstroke.cli import main
atexit.register(lambda: print("torch:", "torch" in sys.modules))
main({["data", *words]!r})
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "torch: False" in done.stdout


def test_shards_are_written_trained_on_and_predicted(
    penstroke: Penstroke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = penstroke("data", "shard", "mnist5k", "--out", "shards", "--shard-size", 1, "--json")
    assert done.code == 0, done.err
    assert done.json == {
        "folder": "shards",
        "shards": [*(f"train-{number:05}-of-00003.parquet" for number in range(3)), "test-00000-of-00001.parquet"],
        "images": {"train": 4000, "test": 1000},
    }
    assert "4 of 4 shards written" in done.err
    assert penstroke("data", "shard", "mnist5k", "--out", "shards", "--shard-size", 1).out == (
        "shards: 4 shards, 4000 images of train, 1000 images of test\n"
    )
    info = penstroke("data", "info", "shards", "--json").json
    assert (info["name"], info["train"]["images"], info["test"]["images"]) == ("mnist5k", 4000, 1000)
    run = penstroke("train", "fast", "--data", "shards", "--threads", 1, "--json").json
    assert run["data"]["source"] == str(tmp_path / "shards")
    assert penstroke("test", run["run"], "--json").json["total"] == 1000
    again = penstroke("data", "shard", "mnist5k", "--out", "shards", "--shard-size", 2)
    assert again.code == 3
    assert "shards of another dataset, or of another size" in again.err
    path = tmp_path / "shards/train-00001-of-00003.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    failed = penstroke("train", "--data", "shards")
    assert failed.code == 3
    assert "train-00001-of-00003.parquet is damaged" in failed.err
    assert "Traceback" not in failed.err
