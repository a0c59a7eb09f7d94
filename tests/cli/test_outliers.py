"""``train --outliers-from``: pictures that show none of the classes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from penstroke import runs
from penstroke.data import load
from penstroke.data.outliers import read_outliers
from penstroke.errors import RunError
from penstroke.models import read_description, read_model
from penstroke.training import Callback, Progress, StopTraining, resume_run, train_run

Penstroke = Callable[..., Any]
SIDE = 24


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with ``data/`` (bright bars in two directions) and ``others/`` (bright discs)."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE]
    for number in range(150):
        place, noise = rng.integers(5, SIDE - 5), rng.integers(0, 50, (SIDE, SIDE, 3))
        save(folder / f"data/across/{number}.png", noise + 200 * (abs(y - place) < 2)[..., None])
        save(folder / f"data/upright/{number}.png", noise + 200 * (abs(x - place) < 2)[..., None])
        if number < 60:
            disc = np.hypot(x - place, y - rng.integers(6, SIDE - 6)) < 5
            save(folder / f"others/{number}.png", noise + 200 * disc[..., None])
    return folder


def options(pictures: Path, epochs: int = 12) -> list[Any]:
    return [
        "train", "fast", "--data", pictures / "data", "--validation", 0.5, "--rejection-rate", 0.02, "--epochs", epochs,
        "--batch-size", 40, "--threads", 1, "--no-tune", "--shift", 0,
    ]  # fmt: skip


def test_the_model_abstains_on_pictures_like_those_of_the_folder(
    penstroke: Penstroke, pictures: Path, tmp_path: Path
) -> None:
    words = [*options(pictures), "--outliers-from", pictures / "others"]
    done = penstroke(*words, "--outliers", 0.2, "--out", tmp_path / "with")
    assert done.code == 0, done.err
    assert "note: outliers: 48 pictures of" in done.err
    assert "and 12 are held out" in done.err
    calibration = read_description(tmp_path / "with/model.safetensors").calibration
    assert calibration
    assert (calibration.images, calibration.outliers) == (120, 12)
    assert calibration.outliers_rejected >= 10
    assert f"abstains on {calibration.outliers_rejected} of 12 outliers that were not trained on" in done.err
    record = runs.Run(tmp_path / "with").record.data
    assert record
    assert record["outliers"]["folder"] == str((pictures / "others").resolve())
    assert record["outliers"]["images"] == 60
    without = penstroke(*options(pictures), "--out", tmp_path / "without")
    assert without.code == 0, without.err
    assert "outliers" not in without.err


def test_the_share_of_outliers_is_set_if_the_recipe_has_none(
    penstroke: Penstroke, pictures: Path, tmp_path: Path
) -> None:
    words = [*options(pictures, 1), "--outliers-from", pictures / "others"]
    assert penstroke(*words, "--out", tmp_path / "a").code == 0
    assert runs.Run(tmp_path / "a").recipe().augmentation.outliers == 0.1


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--outliers-from", "missing"], 3, "The folder of outliers missing does not exist"),
        (["--outliers-from", "others", "--outliers", 0.0], 2, "--outliers is 0: no outliers would be trained on"),
        (["--outliers-from", "others", "--validation", 0.0], 2, "there are no validation images"),
        (["--outliers-from", "others", "--seeds", 2], 2, "--outliers-from: not together with --seeds"),
    ],
)
def test_invalid_options_are_named(
    words: list[Any], code: int, message: str, penstroke: Penstroke, pictures: Path, tmp_path: Path
) -> None:
    rest = [word for word in options(pictures) if "--validation" not in words or word not in ("--validation", 0.5)]
    rest = [word for word in rest if "--validation" not in words or word not in ("--rejection-rate", 0.02)]
    done = penstroke(*rest, *words, "--out", tmp_path / "a")
    assert done.code == code, done.err
    assert message in done.err
    assert not (tmp_path / "a").exists()


class Stop(Callback):
    """Stops the training after its second step."""

    def on_step_end(self, progress: Progress) -> None:
        if progress.step == 2:
            raise StopTraining


def test_a_resumed_run_needs_the_same_outliers(penstroke: Penstroke, pictures: Path, tmp_path: Path) -> None:
    whole = penstroke(*options(pictures), "--outliers-from", pictures / "others", "--out", tmp_path / "whole")
    assert whole.code == 0, whole.err
    recipe, data = runs.Run(tmp_path / "whole").recipe(), load(pictures / "data")
    with_outliers = load(pictures / "data")
    with_outliers.outliers = read_outliers(pictures / "others", "letterbox", data.train.images.shape[1:])
    run, _ = train_run(recipe, with_outliers, device="cpu", out=tmp_path / "parts", callbacks=[Stop()])
    with pytest.raises(RunError, match="outliers are not those"):
        resume_run(run, data, device="cpu")
    resumed = penstroke("train", "--resume", run.path)
    assert resumed.code == 0, resumed.err
    assert outputs(run.model_path) == outputs(tmp_path / "whole/model.safetensors")


def outputs(path: Path) -> tuple[Any, dict[str, bytes]]:
    """Return the calibration and the weights in a model file."""
    description, weights = read_model(path)
    return description.calibration, {name: array.tobytes() for name, array in weights.items()}
