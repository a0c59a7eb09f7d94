"""A picture is read for training and for a prediction by the same function, bit by bit."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy import ndarray
from PIL import Image

from penstroke.data import load
from penstroke.inference.worker import Preparation, Worker
from penstroke.pictures import preprocess, preprocess_with_stages


def scene(height: int, width: int) -> Image.Image:
    """Return a colour picture with edges and gradients."""
    rows, columns = np.mgrid[:height, :width]
    pixels = np.stack([255 * rows / height, 255 * columns / width, 128 + 100 * np.sin(rows * columns / 40)], -1)
    pixels[height // 3 : height // 2, width // 4 : width // 2] = (250, 10, 60)
    return Image.fromarray(pixels.astype(np.uint8))


def transparent(image: Image.Image) -> Image.Image:
    image = image.convert("RGBA")
    image.putalpha(
        Image.fromarray(np.linspace(0, 255, image.width * image.height).reshape(image.size[::-1]).astype("u1"))
    )
    return image


def deep(image: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 200 + 31)


KINDS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "RGB": lambda image: image,
    "RGBA": transparent,
    "L": lambda image: image.convert("L"),
    "LA": lambda image: transparent(image).convert("LA"),
    "P": lambda image: image.quantize(30),
    "1": lambda image: image.convert("1"),
    "I;16": deep,
    "grey as RGB": lambda image: image.convert("L").convert("RGB"),
}
SIZES = [(24, 24), (90, 61), (30, 200), (11, 7), (3, 4)]


def save(image: Image.Image, path: Path, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)


@pytest.fixture(scope="module", params=["all", "grey"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a dataset with pictures of all kinds and sizes, or with grey ones alone."""
    root: Path = tmp_path_factory.mktemp(request.param)
    kinds = KINDS if request.param == "all" else {name: KINDS[name] for name in ("L", "1", "I;16", "grey as RGB")}
    for name, convert in kinds.items():
        for height, width in SIZES:
            image = convert(scene(height, width))
            for label in ("one", "two"):
                save(image, root / label / f"{name}-{height}x{width}.png")
    image = scene(60, 80) if request.param == "all" else scene(60, 80).convert("L")
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        for label in ("one", "two"):
            save(image, root / label / f"turned-{orientation}.jpg", exif=exif)
    if request.param == "all":
        save(image.convert("CMYK"), root / "one/cmyk.jpg")
    return root


def shown(picture: Path, shape: tuple[int, int, int]) -> ndarray:
    last = preprocess_with_stages(picture, "letterbox", shape)[-1].image
    return last[None] if last.ndim == 2 else last.transpose(2, 0, 1)


def test_training_and_prediction_get_the_same_image(folder: Path) -> None:
    data = load(str(folder), size=(24, 24))
    shape = data.card.image_shape
    assert shape[0] == (1 if folder.name.startswith("grey") else 3)
    assert data.card.preprocessing == "letterbox"
    worker = Worker(Preparation("letterbox", shape, 10**6))
    for split in (data.train, data.test):
        assert split.files
        for file, image in zip(split.files, split.images, strict=True):
            path = Path(file)
            for found in (preprocess(path, "letterbox", shape), shown(path, shape), worker.prepare(path)):
                assert isinstance(found, ndarray)
                assert (found == image).all(), path.name
            content = path.read_bytes()
            assert (preprocess(content, "letterbox", shape) == image).all(), path.name
            with Image.open(io.BytesIO(content)) as opened:
                assert (preprocess(opened, "letterbox", shape) == image).all(), path.name
    worker.stop()


def test_a_picture_of_the_size_of_the_images_is_not_changed(tmp_path: Path) -> None:
    image = scene(24, 24)
    save(image, tmp_path / "a.png")
    for preprocessing in ("letterbox", "crop"):
        found = preprocess(tmp_path / "a.png", preprocessing, (3, 24, 24))
        assert (found == np.asarray(image).transpose(2, 0, 1)).all()
