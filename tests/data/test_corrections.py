"""``load("DATASET+FOLDER")``: pictures that are trained on in addition to a dataset."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from penstroke.data import Dataset, absolute_source, describe, load, split_source, training_fingerprint
from penstroke.data.corrections import MAX_REPEATS, SHARE
from penstroke.errors import DataError, UsageError
from penstroke.pictures import preprocess
from penstroke.recipes.parts import Validation
from penstroke.storage.names import folder_name
from penstroke.training.start import split_validation


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def folder(tmp_path: Path, sample: Dataset) -> Path:
    """Return a folder with two drawings each of a 3 and a 7, as the server stores them."""
    for digit in (3, 7):
        for number, image in enumerate(sample.test.images[sample.test.labels == digit][:2, 0]):
            large = Image.fromarray(255 - image).resize((140, 140), Image.Resampling.BICUBIC)
            save(tmp_path / f"corrections/{digit}/{number}.png", np.asarray(large))
    return tmp_path / "corrections"


def test_corrections_are_prepared_and_joined_to_the_training_images(folder: Path, sample: Dataset) -> None:
    data = load(f"mnist5k+{folder}")
    assert data.corrections
    added = data.corrections.split
    assert added.labels.tolist() == [3, 3, 7, 7]
    first = preprocess(folder / "3/0.png", "digit", (1, 28, 28))
    np.testing.assert_array_equal(added.images[0], first)
    np.testing.assert_array_equal(data.train.images, sample.train.images)
    np.testing.assert_array_equal(data.test.images, sample.test.images)
    train, none = split_validation(data, None)
    repeats = data.corrections.repeats(len(data.train))
    assert none is None
    assert repeats == round(SHARE / (1 - SHARE) * 4000 / 4)
    assert len(train) == 4000 + 4 * repeats
    assert (len(train) - 4000) / len(train) == pytest.approx(SHARE, abs=0.001)
    np.testing.assert_array_equal(train.images[:4000], sample.train.images)
    assert train.labels[4000:].tolist() == [3, 3, 7, 7] * repeats
    assert f"4 pictures of {folder} are trained on, too, each about {repeats} times" in data.notes[-1]


def test_no_correction_is_in_the_validation_split(folder: Path) -> None:
    data = load(f"mnist5k+{folder}")
    assert data.corrections
    train, held_out = split_validation(data, Validation(share=0.1))
    assert held_out
    assert len(held_out) == 400
    assert len(train) == 3600 + 4 * data.corrections.repeats(3600)
    stored = {image.tobytes() for image in data.corrections.split.images}
    assert not stored & {image.tobytes() for image in held_out.images}


def test_few_corrections_are_not_repeated_without_limit(folder: Path) -> None:
    data = load(f"mnist5k+{folder}")
    assert data.corrections
    assert data.corrections.repeats(10_000_000) == MAX_REPEATS
    assert data.corrections.repeats(4) == 1


def test_the_fingerprint_covers_every_correction(folder: Path, sample: Dataset) -> None:
    data = load(f"mnist5k+{folder}")
    before = training_fingerprint(data)
    assert training_fingerprint(load("mnist5k")) == training_fingerprint(sample) != before
    assert training_fingerprint(load(f"mnist5k+{folder}")) == before
    (folder / "3/0.png").rename(folder / "7/2.png")
    assert training_fingerprint(load(f"mnist5k+{folder}")) != before


def test_a_source_is_made_absolute(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    data = load("mnist5k+corrections")
    assert data.requested == "mnist5k+corrections"
    assert absolute_source(data) == f"mnist5k+{folder.resolve()}"
    own = folder.parent / "own"
    shutil.copytree(folder, own)
    for place in own.glob("*/*.png"):
        for number in range(8):
            shutil.copy(place, place.with_name(f"{place.stem}-{number}.png"))
    assert absolute_source(load("own+corrections")) == f"{own.resolve()}+{folder.resolve()}"
    assert absolute_source(load("mnist5k")) == "mnist5k"


def test_names_with_a_plus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert split_source("mnist+a+b") == ("mnist", "a+b")
    (tmp_path / "a+b").mkdir()
    assert split_source("a+b") == ("a+b", "")
    assert split_source("a+b+c") == ("a+b", "c")
    assert split_source(Path("mnist+a")) == (Path("mnist+a"), "")
    assert split_source("unknown+a") == ("unknown", "a")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("mnist5k+missing", "folder of corrections 'missing' does not exist"),
        ("mnist5k+", "folder of corrections '' does not exist"),
        ("mnist5k+empty", "empty has no pictures"),
        ("mnist5k+letters", "has classes that the dataset does not have: x"),
        ("mnist5k+damaged", "1 of 1 corrections in damaged cannot be used: damaged/3/a.png"),
        ("mnist5k+blank", "blank has no pictures with a symbol"),
        ("mnist5k+small", "1 of 1 corrections in small cannot be used: small/3/a.png has 3 x 3 pixels"),
    ],
)
def test_folders_that_cannot_be_used_are_named(
    given: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty/3").mkdir(parents=True)
    save(tmp_path / "letters/x/a.png", np.zeros((9, 9), np.uint8))
    save(tmp_path / "blank/3/a.png", np.full((99, 99), 255, np.uint8))
    save(tmp_path / "small/3/a.png", np.zeros((3, 3), np.uint8))
    (tmp_path / "damaged/3").mkdir(parents=True)
    (tmp_path / "damaged/3/a.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=message):
        load(given)


def test_an_unknown_dataset_is_named_without_the_folder(folder: Path) -> None:
    with pytest.raises(UsageError, match="'mnits' is neither a known dataset nor a folder"):
        load(f"mnits+{folder}")


def test_broken_pictures_are_left_out_on_request(folder: Path) -> None:
    (folder / "3/broken.png").write_bytes(b"no picture")
    save(folder / "7/blank.png", np.full((99, 99), 255, np.uint8))
    data = load(f"mnist5k+{folder}", skip_broken=True)
    assert data.corrections
    assert len(data.corrections.split) == 4
    assert "1 corrections that cannot be read were left out: 3/broken.png" in data.notes
    assert "1 corrections without a symbol were left out: 7/blank.png" in data.notes
    assert [path.name for path in data.broken] == ["broken.png"]
    assert data.options == {"skip_broken": True}
    assert describe(data)["corrections"]["images"] == 4


def test_folders_of_class_names_that_are_no_file_names() -> None:
    names = ["7", "T-shirt/top", "..", ".", "__init__", "a%2Fb", "a/b", "a\\b", "Ä"]
    folders = [folder_name(name) for name in names]
    assert folders[:2] == ["7", "T-shirt%2Ftop"]
    assert len(set(folders)) == len(names)
    assert not any("/" in name or "\\" in name or name.startswith((".", "__")) for name in folders)
