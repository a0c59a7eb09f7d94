"""``train --data mnist+FOLDER``: corrections that the server has stored are learned, and recorded."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from penstroke import Classifier, runs
from penstroke.data import Dataset, load
from penstroke.errors import RunError
from penstroke.models import read_model
from penstroke.pictures import preprocess
from penstroke.training import Callback, Progress, StopTraining, resume_run, train_run

Penstroke = Callable[..., Any]
OPTIONS = ["train", "fast", "--batch-size", 64, "--threads", 1, "--no-tune"]


def mirrored(image: np.ndarray) -> Image.Image:
    """Return a digit of MNIST in mirror writing, dark on paper."""
    return Image.fromarray(255 - np.ascontiguousarray(image[:, ::-1])).resize((112, 112), Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def writing(tmp_path_factory: pytest.TempPathFactory, sample: Dataset) -> Path:
    """Return a folder with 50 corrections in mirror writing, five of each digit."""
    folder = tmp_path_factory.mktemp("corrections")
    for digit in range(10):
        (folder / str(digit)).mkdir()
        for number, image in enumerate(sample.test.images[sample.test.labels == digit][:5, 0]):
            mirrored(image).save(folder / str(digit) / f"{number}.png")
    return folder


def test_fifty_corrections_of_an_unusual_handwriting_help(
    penstroke: Penstroke, writing: Path, sample: Dataset, tmp_path: Path
) -> None:
    chosen = np.concatenate([np.flatnonzero(sample.test.labels == digit)[5:45] for digit in range(10)])
    others = np.stack([preprocess(mirrored(image[0]), "digit", (1, 28, 28)) for image in sample.test.images[chosen]])
    accuracy = {}
    for name, source in (("without", "mnist5k"), ("with", f"mnist5k+{writing}")):
        done = penstroke(*OPTIONS, "--epochs", 3, "--data", source, "--out", tmp_path / name)
        assert done.code == 0, done.err
        model = Classifier.load(tmp_path / name)
        accuracy[name] = float((model.log_probs(others).argmax(1) == sample.test.labels[chosen]).mean())
        accuracy[f"{name}, test"] = float((model.log_probs(sample.test.images).argmax(1) == sample.test.labels).mean())
    assert "50 pictures" in done.err
    print(accuracy)
    assert accuracy["with"] > accuracy["without"] + 0.1
    assert accuracy["with, test"] > accuracy["without, test"] - 0.02


def test_the_corrections_are_recorded(penstroke: Penstroke, writing: Path, tmp_path: Path) -> None:
    done = penstroke(*OPTIONS, "--data", f"mnist5k+{writing}", "--out", tmp_path / "a", "--json")
    assert done.code == 0, done.err
    source = done.json["data"]
    assert (source["name"], source["source"]) == ("mnist5k", f"mnist5k+{writing.resolve()}")
    assert source["corrections"]["images"] == 50
    assert json.loads((tmp_path / "a/run.json").read_text())["data"] == source
    tested = penstroke("test", tmp_path / "a", "--json")
    assert tested.json["total"] == 1000, "the test images are those of the dataset"


class Stop(Callback):
    """Stops the training after its second step."""

    def on_step_end(self, progress: Progress) -> None:
        if progress.step == 2:
            raise StopTraining


def test_a_resumed_run_needs_the_same_corrections(
    penstroke: Penstroke, writing: Path, tmp_path: Path, sample: Dataset
) -> None:
    source = f"mnist5k+{writing}"
    whole = penstroke(*OPTIONS, "--data", source, "--out", tmp_path / "whole")
    assert whole.code == 0, whole.err
    recipe = runs.Run(tmp_path / "whole").recipe()
    run, _ = train_run(recipe, load(source), device="cpu", out=tmp_path / "parts", callbacks=[Stop()])
    with pytest.raises(RunError, match="corrections are not those"):
        resume_run(run, sample, device="cpu")
    resumed = penstroke("train", "--resume", run.path)
    assert resumed.code == 0, resumed.err
    both = [read_model(path)[1] for path in (run.model_path, tmp_path / "whole/model.safetensors")]
    assert all(np.array_equal(both[0][name], both[1][name]) for name in both[0])


def test_a_missing_folder_creates_no_run(penstroke: Penstroke, tmp_path: Path) -> None:
    done = penstroke(*OPTIONS, "--data", "mnist5k+missing", "--out", tmp_path / "a")
    assert (done.code, done.out) == (3, "")
    assert "The folder of corrections 'missing' does not exist" in done.err
    assert not (tmp_path / "a").exists()


def test_data_info_counts_corrections(penstroke: Penstroke, writing: Path) -> None:
    done = penstroke("data", "info", f"mnist5k+{writing}")
    assert done.code == 0, done.err
    assert "4000 training, 50 corrected and 1000 test images" in done.out
