import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from penstroke.data import pixels, reading
from penstroke.data.folders import read_folder
from penstroke.data.idx import Array, write_idx
from penstroke.data.listing import SUFFIXES
from penstroke.data.reading import Reading
from penstroke.errors import DataError
from penstroke.pictures.files import picture_size
from penstroke.pictures.letterbox import letterbox


def save_picture(path: Path, array: Any, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array, np.uint8)).save(path, **options)


def grey(value: int, height: int = 4, width: int = 3) -> Array:
    return np.full((height, width), value, np.uint8)


def class_folders(root: Path, names: tuple[str, ...] = ("2", "10", "1"), each: int = 5) -> Path:
    for name in names:
        for number in range(each):
            save_picture(root / name / f"{number}.png", grey(int(name) * 10 + number))
    return root


def test_class_folders_become_a_dataset(tmp_path: Path) -> None:
    dataset = read_folder(class_folders(tmp_path / "mine"))
    assert dataset.train.classes == ("1", "2", "10")
    assert dataset.card.name == "mine"
    assert dataset.card.image_shape == (1, 4, 3)
    assert dataset.card.preprocessing == "letterbox"
    assert dataset.requested == str(tmp_path / "mine")
    assert (len(dataset.train), len(dataset.test)) == (12, 3)
    assert (dataset.train.name, dataset.test.name) == ("train", "test")
    assert any("no test split: 20% of each class" in note for note in dataset.notes)
    for split in (dataset.train, dataset.test):
        assert (split.images[:, 0, 0, 0] // 10).tolist() == [int(split.classes[label]) for label in split.labels]


def test_the_test_folder_is_not_read_before_it_is_used(tmp_path: Path) -> None:
    class_folders(tmp_path / "train")
    class_folders(tmp_path / "test", each=2)
    class_folders(tmp_path / "val", each=1)
    unreadable = tmp_path / "test" / "1" / "0.png"
    unreadable.write_bytes(b"not a picture")
    dataset = read_folder(tmp_path)
    assert len(dataset.train) == 15
    assert all("have one colour" in note for note in dataset.notes)
    assert dataset.validation
    assert len(dataset.validation) == 3
    with pytest.raises(DataError, match=r"1 of 6 pictures cannot be read: .*0\.png"):
        _ = dataset.test
    save_picture(unreadable, grey(10))
    assert len(dataset.test) == 6


def test_a_test_folder_with_other_classes_is_rejected(tmp_path: Path) -> None:
    class_folders(tmp_path / "train")
    class_folders(tmp_path / "test", names=("1", "2", "10", "11"))
    with pytest.raises(DataError, match="classes that the train split does not have: 11"):
        _ = read_folder(tmp_path).test


def test_pictures_of_another_size_are_resized_to_the_most_common_one(tmp_path: Path) -> None:
    class_folders(tmp_path)
    wide = np.full((4, 30), 200)
    wide[1:3, 10:20] = 0
    save_picture(tmp_path / "1" / "wide.png", wide)
    dataset = read_folder(tmp_path)
    assert dataset.card.image_shape == (1, 4, 3)
    assert any("1 of 16 pictures do not have the size 3x4" in note for note in dataset.notes)


def test_a_letterbox_keeps_the_aspect_ratio_and_pads_with_the_colour_of_the_border() -> None:
    image = Image.new("RGB", (40, 20), "white")
    image.paste("black", (10, 5, 30, 15))
    fitted = letterbox(np.asarray(image), (20, 20))
    assert fitted.shape == (20, 20, 3)
    assert (fitted[:5] == 255).all()
    assert (fitted[-5:] == 255).all()
    assert (fitted[9:11, 7:13] < 10).all()


def test_large_pictures_are_reduced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_SIDE", 10)
    for name in "ab":
        for number in range(3):
            save_picture(tmp_path / name / f"{number}.png", grey(7, 20, 40))
    assert read_folder(tmp_path).card.image_shape == (1, 5, 10)


@pytest.mark.parametrize("colour", [False, True])
def test_images_are_in_colour_if_any_picture_is(tmp_path: Path, colour: Any) -> None:
    class_folders(tmp_path)
    rgb = np.repeat(grey(9)[..., None], 3, axis=2)
    rgb[..., 0] += 50 * colour
    save_picture(tmp_path / "1" / "rgb.png", rgb)
    dataset = read_folder(tmp_path)
    assert dataset.card.image_shape == (3 if colour else 1, 4, 3)
    assert dataset.test.images.shape[1] == dataset.train.images.shape[1]


def test_every_allowed_format_and_mode_is_read(tmp_path: Path) -> None:
    class_folders(tmp_path)
    for suffix in SUFFIXES:
        save_picture(tmp_path / "1" / f"a{suffix.upper()}", grey(100))
    deep = Image.fromarray(np.full((4, 3), 100 << 8, np.uint16))
    deep.save(tmp_path / "1" / "deep.png")
    clear = Image.new("LA", (3, 4), (0, 0))
    clear.putpixel((0, 0), (0, 255))
    clear.save(tmp_path / "1" / "clear.png")
    sideways = Image.Exif()
    sideways[0x0112] = 6
    save_picture(tmp_path / "1" / "sideways.jpg", grey(100, 3, 4), exif=sideways)
    dataset = read_folder(tmp_path)
    assert not any("do not have the size" in note for note in dataset.notes)
    values = [split.images[split.labels == 0][:, 0] for split in (dataset.train, dataset.test)]
    flat = sorted(round(float(image.mean())) for part in values for image in part)
    assert flat[-1] == round(255 * 11 / 12)  # transparent pixels are laid over white
    assert all(abs(value - 100) <= 2 for value in flat[5:-1])


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    path = tmp_path / "sideways.png"
    turned = Image.Exif()
    turned[0x0112] = 6  # the first row of the file is the right-hand column of the picture
    save_picture(path, [[200, 200, 200], [10, 10, 10]], exif=turned)
    assert picture_size(path) == (2, 3)
    assert pixels.pixels_of(path).tolist() == [[10, 200]] * 3


def png_with_size(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def tiff() -> bytes:
    content = io.BytesIO()
    Image.fromarray(grey(1)).save(content, "TIFF")
    return content.getvalue()


UNREADABLE = {
    "bomb": (png_with_size(8000, 8000), "8000 x 8000 pixels, and at most 50 megapixels"),
    "larger bomb": (png_with_size(60_000, 60_000), "too large to decode"),
    "truncated": (png_with_size(3, 4), "0.png"),
    "unsupported format": (tiff(), "is not readable"),
    "empty": (b"", "is empty: 0 bytes"),
}


@pytest.mark.parametrize(("content", "reason"), UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_picture_is_reported(tmp_path: Path, content: bytes, reason: str) -> None:
    class_folders(tmp_path)
    (tmp_path / "2" / "0.png").write_bytes(content)
    with pytest.raises(DataError, match=r"1 of 15 pictures cannot be read") as caught:
        read_folder(tmp_path)
    assert str(tmp_path / "2" / "0.png") in caught.value.message
    assert reason in caught.value.message


def test_five_of_many_unreadable_pictures_are_named(tmp_path: Path) -> None:
    class_folders(tmp_path, each=7)
    for path in (tmp_path / "1").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"7 of 21 pictures .* and 2 more") as caught:
        read_folder(tmp_path)
    assert caught.value.message.count(".png") == 5


def test_files_that_are_not_pictures_are_ignored_and_reported(tmp_path: Path) -> None:
    class_folders(tmp_path)
    (tmp_path / "1" / "notes.txt").write_text("x")
    (tmp_path / "1" / ".DS_Store").write_text("x")
    (tmp_path / ".git").mkdir()
    notes = read_folder(tmp_path).notes
    assert any("1/notes.txt" in note for note in notes)
    assert not any("DS_Store" in note for note in notes)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda root: save_picture(root / "1.png", grey(1)), "no folders of classes and no IDX files"),
        (lambda root: class_folders(root, names=("7",)), "one class, '7'"),
        (lambda root: (class_folders(root) / "3").mkdir(), "Classes without pictures in .*: 3"),
        (lambda root: [(root / name).mkdir() for name in "ab"], "without pictures in .*: a, b"),
        (lambda root: class_folders(root, each=1), "at least 3 images, and the largest has 1"),
    ],
)
def test_a_folder_that_is_not_a_dataset_is_rejected(tmp_path: Path, make: Any, reason: str) -> None:
    make(tmp_path)
    with pytest.raises(DataError, match=reason) as caught:
        read_folder(tmp_path)
    assert caught.value.remedy


# ---- IDX files


def idx(root: Path, part: str, labels: Any, suffix: str = "", images: Any = None) -> None:
    labels = np.asarray(labels)
    pictures = np.zeros((len(labels), 28, 28), np.uint8) if images is None else images
    pictures = pictures + (labels.reshape(len(labels), -1)[:, :1, None] if images is None else 0)
    write_idx(root / f"{part}-images-idx3-ubyte{suffix}", pictures.astype(np.uint8))
    write_idx(root / f"{part}-labels-idx1-ubyte{suffix}", labels.astype(np.uint8))


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("name", ["t10k", "test"])
def test_idx_files_become_a_dataset(tmp_path: Path, name: Any, suffix: str) -> None:
    idx(tmp_path, "train", [0, 1, 2, 1, 0], suffix)
    idx(tmp_path, name, [1, 2], suffix)
    dataset = read_folder(tmp_path)
    assert dataset.train.classes == ("0", "1", "2")
    assert dataset.card.image_shape == (1, 28, 28)
    assert dataset.card.preprocessing == "digit"
    assert dataset.notes == ()
    assert dataset.train.images[:, 0, 0, 0].tolist() == dataset.train.labels.tolist() == [0, 1, 2, 1, 0]
    assert dataset.test.labels.tolist() == [1, 2]


def test_idx_test_files_are_not_read_before_they_are_used(tmp_path: Path) -> None:
    idx(tmp_path, "train", [0, 1])
    for kind in ("images-idx3", "labels-idx1"):
        (tmp_path / f"t10k-{kind}-ubyte").write_bytes(b"damaged")
    dataset = read_folder(tmp_path)
    with pytest.raises(DataError, match="not an IDX file"):
        _ = dataset.test


def test_idx_files_without_a_test_split_are_divided(tmp_path: Path) -> None:
    idx(tmp_path, "train", [0, 1] * 5)
    dataset = read_folder(tmp_path)
    assert (len(dataset.train), len(dataset.test)) == (8, 2)
    assert "no test split: 20% of each class" in dataset.notes[0]


def test_a_plain_idx_file_takes_precedence_over_a_gzipped_one(tmp_path: Path) -> None:
    idx(tmp_path, "train", [0, 1] * 5)
    for kind in ("images-idx3", "labels-idx1"):
        (tmp_path / f"train-{kind}-ubyte.gz").write_bytes(b"damaged")
    assert len(read_folder(tmp_path).train) == 8


def write_invalid(root: Path, problem: str) -> None:
    idx(root, "train", [0, 1, 2])
    idx(root, "t10k", [0, 1, 2])
    labels, images = root / "train-labels-idx1-ubyte", root / "train-images-idx3-ubyte"
    if problem == "counts":
        write_idx(labels, np.zeros(2, np.uint8))
    elif problem == "float labels":
        write_idx(labels, np.zeros(3, np.float32))
    elif problem == "negative labels":
        write_idx(labels, np.array([0, -1, 2], np.int8))
    elif problem == "rank 2 images":
        write_idx(images, np.zeros((3, 28), np.uint8))
    elif problem == "short images":
        write_idx(images, np.zeros((3, 28, 28), np.int16))
    elif problem == "no labels":
        labels.unlink()
    elif problem == "no train":
        labels.unlink()
        images.unlink()
    elif problem == "two datasets":
        labels.rename(root / "emnist-train-labels-idx1-ubyte")
        write_idx(labels, np.zeros(3, np.uint8))
    elif problem == "test labels":
        write_idx(root / "t10k-labels-idx1-ubyte", np.array([0, 1, 3], np.uint8))


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        ("counts", "2 for 3 images"),
        ("float labels", "float32 .* integers"),
        ("negative labels", "the label -1; labels must not be negative"),
        ("rank 2 images", r"uint8 \[3, 28\]"),
        ("short images", r"int16 \[3, 28, 28\]"),
        ("no labels", "none of train-labels"),
        ("no train", "none of train-images, train-labels"),
        ("two datasets", "two files of train labels"),
        ("test labels", "between 0 and 3; they must be between 0 and 2"),
    ],
)
def test_idx_files_that_do_not_match_are_rejected(tmp_path: Path, problem: Any, reason: str) -> None:
    write_invalid(tmp_path, problem)
    with pytest.raises(DataError, match=reason):
        _ = read_folder(tmp_path).test


# ---- reading options


def test_a_size_is_applied_to_all_splits(tmp_path: Path) -> None:
    for part in ("train", "val", "test"):
        class_folders(tmp_path / part, names=("1", "2"), each=2)
    dataset = read_folder(tmp_path, Reading(size=(8, 6)))
    assert dataset.card.image_shape == (1, 6, 8)
    assert dataset.validation
    assert dataset.validation.images.shape == dataset.test.images.shape == (4, 1, 6, 8)
    assert "4 of 4 pictures do not have the size 8x6" in dataset.notes[0]


def test_pictures_that_lose_detail_are_reported(tmp_path: Path) -> None:
    class_folders(tmp_path)
    save_picture(tmp_path / "1" / "large.png", grey(5, 40, 30))
    assert any("1 of them are larger (up to 30x40) and lose detail" in note for note in read_folder(tmp_path).notes)


def test_pictures_of_all_sizes_get_the_median_size(tmp_path: Path) -> None:
    for number, side in enumerate((10, 20, 30, 40, 50)):
        for name in "ab":
            save_picture(tmp_path / name / f"{number}.png", grey(1, side, 2 * side + (name == "b")))
    assert read_folder(tmp_path).card.image_shape == (1, 30, 60)


def test_pictures_of_all_sizes_that_are_nearly_square_become_square(tmp_path: Path) -> None:
    for number, side in enumerate((10, 20, 30, 40, 50)):
        for name in "ab":
            save_picture(tmp_path / name / f"{number}.png", grey(1, side, side + 1 + (name == "b")))
    assert read_folder(tmp_path).card.image_shape == (1, 32, 32)


def test_idx_files_are_resized_to_a_size(tmp_path: Path) -> None:
    idx(tmp_path, "train", [0, 1] * 5)
    idx(tmp_path, "t10k", [0, 1])
    dataset = read_folder(tmp_path, Reading(size=(14, 10)))
    assert dataset.train.images.shape == (10, 1, 10, 14)
    assert dataset.test.images.shape == (2, 1, 10, 14)


def test_broken_pictures_of_all_splits_are_left_out_and_counted(tmp_path: Path) -> None:
    for part in ("train", "val", "test"):
        class_folders(tmp_path / part, names=("1", "2"), each=2)
        (tmp_path / part / "1" / "0.png").write_bytes(b"not a picture")
    with pytest.raises(DataError, match="1 of 4 pictures cannot be read") as caught:
        read_folder(tmp_path)
    assert "--skip-broken" in str(caught.value.remedy)
    dataset = read_folder(tmp_path, Reading(skip_broken=True))
    assert dataset.validation
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (3, 3, 3)
    assert any(note.startswith("3 pictures that cannot be read were left out: ") for note in dataset.notes)


def test_a_class_whose_pictures_are_all_broken_is_named(tmp_path: Path) -> None:
    class_folders(tmp_path, names=("1", "2"))
    for path in (tmp_path / "2").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"Classes without pictures in .*: 2"):
        read_folder(tmp_path, Reading(skip_broken=True))


def test_pictures_of_one_colour_are_named(tmp_path: Path) -> None:
    for name in "ab":
        for number in range(5):
            pixels = grey(7)
            pixels[0, 0] = number != 3
            save_picture(tmp_path / name / f"{number}.png", pixels)
    save_picture(tmp_path / "b" / "red.png", np.full((4, 3, 3), (255, 0, 0)))
    save_picture(tmp_path / "a" / "blank.png", grey(7))
    notes = read_folder(tmp_path).notes
    (note,) = [note for note in notes if note.startswith("2 of 12 training pictures have one colour: ")]
    assert "a/blank.png" in note
    assert "b/red.png" in note


@pytest.mark.parametrize("names", [("train", "val"), ("train", "val", "test")])
def test_validation_pictures_without_test_pictures(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        class_folders(tmp_path / name)
    dataset = read_folder(tmp_path)
    assert len(dataset.train) == 15
    assert dataset.validation
    assert dataset.has_test == ("test" in names)
    assert any("all training images are trained on" in note for note in dataset.notes) == ("test" not in names)
