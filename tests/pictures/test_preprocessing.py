"""Tests of the conversion of pictures of every type to images of every shape, and of its stages."""

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image, ImageOps

from penstroke.errors import DataError, UsageError
from penstroke.pictures import (
    PREPROCESSINGS,
    EmptyPicture,
    Stage,
    decode_picture,
    load_pixels,
    preprocess,
    preprocess_with_stages,
)
from penstroke.pictures.letterbox import letterbox
from penstroke.pictures.prepare import prepare

SHAPES = [(1, 28, 28), (3, 28, 28), (1, 40, 40), (1, 28, 44), (3, 50, 30)]


def written(height: int = 120, width: int = 90) -> UInt8[ndarray, "h w 3"]:
    """Return a picture of an L in blue on yellowish paper."""
    pixels = np.full((height, width, 3), (240, 235, 210), np.uint8)
    pixels[20:100, 30:38] = pixels[92:100, 30:70] = (20, 30, 120)
    return pixels


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def test_all_types_of_pictures_give_the_same_pixels(tmp_path: Path) -> None:
    data = encoded(Image.fromarray(written()), "PNG")
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    for picture in (path, str(path), data, Image.open(io.BytesIO(data)), Image.fromarray(written()), written()):
        pixels = load_pixels(picture)
        assert pixels.dtype == np.uint8
        assert (pixels == written()).all()
        assert (preprocess(picture, "digit", (1, 28, 28))[0] == prepare(written())).all()


def test_arrays_are_returned_unchanged() -> None:
    for pixels in (written(), written()[:, :, 0]):
        assert load_pixels(pixels) is pixels


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "LA", "CMYK", "I;16", "F"])
def test_pil_images_of_any_mode_are_converted_as_their_files_are(mode: str) -> None:
    grey = Image.fromarray(written()[:, :, 0])
    deep: dict[str, ndarray] = {
        "I;16": np.asarray(grey).astype(np.uint16) * 257,
        "F": np.asarray(grey).astype(np.float32) * 257,
    }
    image = Image.fromarray(deep[mode]) if mode in deep else Image.fromarray(written()).convert(mode)
    kind = "JPEG" if mode == "CMYK" else "PNG"
    pixels = load_pixels(image)
    if mode == "F":
        assert (pixels == np.asarray(grey)).all()
        return
    expected = decode_picture(encoded(image, kind, **({"quality": 100} if kind == "JPEG" else {}))).astype(int)
    assert pixels.shape == expected.shape
    assert np.abs(pixels - expected).max() <= (16 if kind == "JPEG" else 0)


def test_exif_orientation_of_a_pil_image_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(Image.fromarray(written()), "PNG", exif=exif)
    assert load_pixels(Image.open(io.BytesIO(data))).shape == (90, 120, 3)
    assert (load_pixels(Image.open(io.BytesIO(data))) == load_pixels(data)).all()


FRAMES = [Image.fromarray(written()), Image.fromarray(255 - written())]
UNUSABLE: dict[str, tuple[Any, str]] = {
    "None": (None, "type builtins.NoneType is not a picture"),
    "list": ([[0] * 28] * 28, "type builtins.list is not a picture"),
    "floats": (np.zeros((28, 28)), r"dtype float64 and shape \[28, 28\]"),
    "booleans": (np.zeros((28, 28), bool), "dtype bool"),
    "a batch": (np.zeros((2, 28, 28), np.uint8), r"shape \[2, 28, 28\]"),
    "channels first": (np.zeros((3, 28, 28), np.uint8), r"shape \[3, 28, 28\]"),
    "RGBA array": (np.zeros((28, 28, 4), np.uint8), r"shape \[28, 28, 4\]"),
    "one dimension": (np.zeros(784, np.uint8), r"shape \[784\]"),
    "empty array": (np.zeros((0, 0), np.uint8), "0 x 0 pixels"),
    "tiny array": (np.zeros((4, 28), np.uint8), "28 x 4 pixels"),
    "empty bytes": (b"", "The picture is empty"),
    "text": (b"hello, this is text", "The picture is not readable"),
    "missing file": ("missing.png", "picture file missing.png does not exist"),
    "tiny PIL image": (Image.new("L", (3, 9)), "3 x 9 pixels"),
    "animated PIL image": (
        Image.open(io.BytesIO(encoded(FRAMES[0], "GIF", save_all=True, append_images=FRAMES[1:]))),
        "is animated",
    ),
    "damaged PIL image": (Image.open(io.BytesIO(encoded(FRAMES[0], "PNG")[:150])), "is damaged or truncated"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_other_objects_raise_an_error_with_a_remedy(name: str) -> None:
    picture, message = UNUSABLE[name]
    for use in (load_pixels, lambda given: preprocess(given, "digit", (1, 28, 28))):
        with pytest.raises(DataError, match=message) as caught:
            use(picture)
        assert caught.value.remedy


def test_the_limit_of_pixels_applies_to_everything_that_is_decoded(tmp_path: Path) -> None:
    data = encoded(Image.fromarray(written()), "PNG")
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    for picture in (path, data, Image.open(io.BytesIO(data))):
        for use in (preprocess, preprocess_with_stages):
            with pytest.raises(DataError, match="too large to decode: 90 x 120 pixels"):
                use(picture, "letterbox", (1, 28, 28), max_pixels=10_000)
            use(picture, "letterbox", (1, 28, 28), max_pixels=10_800)


@pytest.mark.parametrize("preprocessing", PREPROCESSINGS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("grey", [False, True])
def test_images_have_the_requested_shape(preprocessing: str, shape: tuple[int, int, int], grey: bool) -> None:
    image = preprocess(written()[:, :, 0] if grey else written(), preprocessing, shape)
    assert image.shape == shape
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous


@pytest.mark.parametrize("preprocessing", PREPROCESSINGS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("grey", [False, True])
def test_the_last_stage_is_the_image(preprocessing: str, shape: tuple[int, int, int], grey: bool) -> None:
    picture = written()[:, :, 0] if grey else written()
    stages = preprocess_with_stages(picture, preprocessing, shape)
    assert all(isinstance(stage, Stage) and stage.image.dtype == np.uint8 for stage in stages)
    assert [stages[0].name, stages[-1].name] == ["picture", "result"]
    assert (stages[0].image == picture).all()
    shown = stages[-1].image
    assert shown.ndim == (2 if shape[0] == 1 else 3)
    assert stages[-1].note == f"{shape[2]} x {shape[1]} pixels, the network's input"
    assert (np.atleast_3d(shown).transpose(2, 0, 1) == preprocess(picture, preprocessing, shape)).all()


def test_the_stages_of_each_preprocessing() -> None:
    digit = preprocess_with_stages(written(), "digit", (1, 28, 28))
    assert [stage.name for stage in digit] == [
        "picture", "grey", "polarity", "illumination", "ruled lines", "ink", "symbol", "cropped", "fitted", "result",
    ]  # fmt: skip
    stages = preprocess_with_stages(written(), "letterbox", (3, 28, 28))
    assert [(stage.name, stage.note) for stage in stages] == [
        ("picture", "90 x 120 pixels"),
        ("resized", "21 x 28 pixels, aspect ratio kept"),
        ("bars", "bars in the colour of the border"),
        ("result", "28 x 28 pixels, the network's input"),
    ]
    stages = preprocess_with_stages(written(), "crop", (1, 28, 28))
    assert [(stage.name, stage.note) for stage in stages] == [
        ("picture", "90 x 120 pixels"),
        ("cropped", "the middle 90 x 90 pixels"),
        ("resized", "28 x 28 pixels, aspect ratio kept"),
        ("result", "28 x 28 pixels, the network's input"),
    ]
    assert (stages[1].image == written()[15:105]).all()
    exact = preprocess_with_stages(written(28, 28), "letterbox", (3, 28, 28))
    assert [stage.name for stage in exact] == ["picture", "result"]


def test_a_picture_that_exif_turns_is_shown_as_it_is_stored(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(Image.fromarray(written()), "PNG", exif=exif)
    (tmp_path / "turned.png").write_bytes(data)
    for picture in (data, tmp_path / "turned.png", Image.open(io.BytesIO(data))):
        stored, upright, *_ = preprocess_with_stages(picture, "letterbox", (3, 28, 28))
        assert (stored.name, upright.name, upright.note) == ("as stored", "picture", "120 x 90 pixels, upright")
        assert (stored.image == written()).all()
        assert (upright.image == np.rot90(written(), -1)).all()


def test_digit_repeats_grey_in_colour_and_pads_to_other_ratios() -> None:
    image = prepare(written())
    assert (preprocess(written(), "digit", (3, 28, 28)) == image).all()
    wide = preprocess(written(), "digit", (1, 28, 41))[0]
    assert (wide[:, 6:34] == image).all()
    assert wide[:, :6].max() == wide[:, 34:].max() == 0
    high = preprocess(written(), "digit", (1, 41, 28))[0]
    assert (high[6:34] == image).all()
    assert (preprocess(written(), "digit", (1, 56, 56))[0] == prepare(written(), size=56)).all()


def test_letterbox_keeps_ratio_polarity_and_colour() -> None:
    picture = np.full((50, 100, 3), (200, 100, 50), np.uint8)
    picture[15:35, 40:60] = 10
    image = preprocess(picture, "letterbox", (3, 28, 28))
    assert image[:, 0, 0].tolist() == image[:, 27, 27].tolist() == [200, 100, 50]
    assert image[:, 14, 14].max() < 60
    dark = (image.max(0) < 60).nonzero()
    assert np.ptp(dark[0]) == np.ptp(dark[1])
    grey = preprocess(picture, "letterbox", (1, 28, 28))
    assert grey[0, 0, 0] == round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)
    assert (preprocess(written(28, 44), "letterbox", (3, 28, 44)) == written(28, 44).transpose(2, 0, 1)).all()


def test_crop_takes_the_centre() -> None:
    picture = np.zeros((40, 100, 3), np.uint8)
    picture[:, 30:70] = (10, 200, 30)
    image = preprocess(picture, "crop", (3, 20, 20))
    assert (image == np.array([10, 200, 30])[:, None, None]).all()
    assert (preprocess(picture[:, 30:70], "crop", (3, 40, 40)).transpose(1, 2, 0) == picture[:, 30:70]).all()
    assert preprocess(picture, "crop", (1, 40, 10)).max() == 124


@pytest.mark.parametrize("preprocessing", ["letterbox", "crop"])
@pytest.mark.parametrize("sides", [(1, 1), (1, 900), (900, 1), (3, 2)])
def test_any_picture_of_a_thing_can_be_resized(preprocessing: str, sides: tuple[int, int]) -> None:
    image = preprocess(np.full((*sides, 3), 77, np.uint8), preprocessing, (3, 28, 20))
    assert (image == 77).all()
    narrow = np.zeros((*sides, 3), np.uint8)
    narrow[sides[0] // 2, sides[1] // 2] = 255
    stripe = preprocess(narrow, preprocessing, (3, 28, 20))
    assert stripe.shape == (3, 28, 20)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 40), st.integers(1, 40), st.booleans())
def test_letterbox_places_pictures_as_pillow_does(rows: int, columns: int, width: int, height: int, grey: bool) -> None:
    ratio = columns / rows * height / width
    assume(min(height / ratio, width * ratio) >= 1)  # Pillow leaves nothing of a picture that would be narrower
    picture = np.full((rows, columns) if grey else (rows, columns, 3), 200, np.uint8)
    picture[1:-1, 1:-1] = 20
    border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    colour = np.median(border, axis=0).astype(int).tolist()
    padded = ImageOps.pad(
        Image.fromarray(picture), (width, height), Image.Resampling.LANCZOS, color=colour if grey else tuple(colour)
    )
    # The order of rows and columns, which Pillow chooses, changes some levels.
    assert np.abs(letterbox(picture, (width, height)) - np.asarray(padded).astype(int)).mean() < 2


def test_rows_are_resized_before_columns() -> None:
    """The order changes levels, and Pillow chooses it by the size."""
    rng = np.random.default_rng(0)
    for rows, columns in ((90, 60), (60, 90), (14, 38)):
        picture = rng.integers(0, 256, (rows, columns, 3), np.uint8)
        width, height = (32, round(rows / columns * 32)) if columns > rows else (round(columns / rows * 32), 32)
        narrow = Image.fromarray(picture).resize((width, rows), Image.Resampling.LANCZOS)
        expected = np.asarray(narrow.resize((width, height), Image.Resampling.LANCZOS))
        assert (letterbox(picture, (width, height)) == expected).all()


def test_a_blank_page_is_empty_for_digit_only() -> None:
    blank = np.full((60, 60), 240, np.uint8)
    for use in (preprocess, preprocess_with_stages):
        with pytest.raises(EmptyPicture, match="No symbol was found in the picture: it has one uniform colour"):
            use(blank, "digit", (1, 28, 28))
    assert (preprocess(blank, "letterbox", (1, 28, 28)) == 240).all()


def test_an_unknown_preprocessing_is_named_with_a_suggestion() -> None:
    with pytest.raises(UsageError, match=r"'leterbox'.*Did you mean 'letterbox'"):
        preprocess(written(), "leterbox", (1, 28, 28))


@pytest.mark.parametrize("channels", [2, 4])
def test_images_have_1_or_3_channels(channels: int) -> None:
    with pytest.raises(DataError, match=f"{channels} channels"):
        preprocess(written(), "letterbox", (channels, 28, 28))


def test_letterbox_does_not_import_scipy() -> None:
    code = (
        "import sys, numpy as np\n"
        "from penstroke.pictures import PREPROCESSINGS, preprocess\n"
        "preprocess(np.zeros((9, 9), np.uint8), 'letterbox', (1, 28, 28))\n"
        "assert not {'scipy', 'torch'} & set(sys.modules)\n"
        "from penstroke.pictures.segment import segment\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
