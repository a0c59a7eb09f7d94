"""Tests of decoding: the right pixels for every format, one clear error for every unusable file."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from penstroke.errors import DataError
from penstroke.pictures.files import FORMATS, decode_picture, open_picture

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (12, 9, 3), np.uint8)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def smooth(height: int = 40, width: int = 30) -> Image.Image:
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([y * 4, x * 5, y + x], 2).astype(np.uint8))


SEEDS = {kind: encoded(smooth(), kind) for kind in FORMATS} | {
    "PNG palette": encoded(smooth().convert("P"), "PNG", transparency=3),
    "PNG 16": encoded(Image.fromarray(RNG.integers(0, 65536, (9, 9), np.uint16)), "PNG"),
    "JPEG CMYK": encoded(smooth().convert("CMYK"), "JPEG"),
}


@pytest.mark.parametrize("kind", ["PNG", "BMP", "WEBP"])
def test_lossless_formats_preserve_pixels(kind: str) -> None:
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    assert (decode_picture(encoded(Image.fromarray(COLOURS), kind, **options)) == COLOURS).all()


def test_grey_stays_grey_and_the_file_extension_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "wrong.txt"
    path.write_bytes(encoded(Image.fromarray(COLOURS[:, :, 0]), "PNG"))
    assert (open_picture(path) == COLOURS[:, :, 0]).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(COLOURS), "PNG", exif=exif)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    assert (decode_picture(data) == upright).all()


def test_transparency_is_composited_on_white_unless_ink_is_white() -> None:
    sheet = np.zeros((10, 10, 4), np.uint8)
    sheet[3:6, 3:6] = (200, 0, 0, 255)
    pixels = decode_picture(encoded(Image.fromarray(sheet), "PNG"))
    assert (pixels[0, 0] == 255).all()
    assert tuple(pixels[4, 4]) == (200, 0, 0)
    sheet[3:6, 3:6] = 255
    pixels = decode_picture(encoded(Image.fromarray(sheet), "PNG"))
    assert pixels[4, 4].min() == 255
    assert pixels[0, 0].max() == 0


def test_16_bit_cmyk_palette_and_1_bit_modes() -> None:
    deep = np.array([[0, 257 * 100, 65535] * 3] * 6, np.uint16)
    assert set(decode_picture(encoded(Image.fromarray(deep), "PNG")).ravel()) == {0, 100, 255}
    flat = Image.new("CMYK", (16, 16), (0, 0, 0, 255))
    assert decode_picture(encoded(flat, "JPEG")).max() < 12
    palette = Image.fromarray(COLOURS[:, :, 0]).convert("P")
    assert np.abs(decode_picture(encoded(palette, "GIF")).astype(int)[:, :, 0] - COLOURS[:, :, 0]).max() == 0
    assert set(decode_picture(encoded(Image.fromarray(COLOURS[:, :, 0] > 99), "PNG")).ravel()) == {0, 255}


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def header_only(width: int, height: int) -> bytes:
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
        + chunk(b"IDAT", b"")
    )


@pytest.mark.parametrize("side", [8_000, 40_000])
def test_a_decompression_bomb_is_rejected_by_its_header(side: int) -> None:
    # The file has no pixels: decoding them would report a damaged picture.
    with pytest.raises(DataError, match=r"too large.*50 megapixels"):
        decode_picture(header_only(side, side))
    with pytest.raises(DataError, match="damaged"):
        decode_picture(header_only(side // 8, side // 8))
    with pytest.raises(DataError, match="too large"):
        decode_picture(SEEDS["PNG"], max_pixels=1000)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_animations_are_rejected(kind: str) -> None:
    frames = [Image.fromarray(RNG.integers(0, 256, (20, 20, 3), np.uint8)) for _ in range(3)]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=50)
    with pytest.raises(DataError, match="is animated; a picture has one frame"):
        decode_picture(data)


REJECTED = {
    "tiny": (encoded(Image.new("L", (1, 1)), "PNG"), "1 x 1 pixels"),
    "narrow": (encoded(Image.new("L", (900, 2)), "PNG"), "900 x 2 pixels"),
    "text": (b"hello, this is text", "not readable"),
    "empty": (b"", "empty"),
    "heic": (b"\0\0\0\x18ftypheic" + b"\0" * 40, "HEIC"),
    "tiff": (encoded(smooth(), "TIFF"), "not readable"),
    "pdf": (b"%PDF-1.7 " + b"x" * 99, "not readable"),
}


@pytest.mark.parametrize("name", REJECTED)
def test_unsupported_files_are_named(name: str, tmp_path: Path) -> None:
    data, message = REJECTED[name]
    path = tmp_path / f"{name}.png"
    path.write_bytes(data)
    with pytest.raises(DataError, match=message) as caught:
        open_picture(path)
    assert path.name in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize("kind", FORMATS)
def test_half_a_file_is_rejected(kind: str) -> None:
    data = SEEDS[kind]
    with pytest.raises(DataError, match=r"damaged|not readable"):
        decode_picture(data[: len(data) // 2])


@pytest.mark.parametrize("path", ["http://host/a.png", "https://host/a.png", "missing.png", ".", "a\0b"])
def test_paths_that_are_not_files(path: str) -> None:
    with pytest.raises(DataError):
        open_picture(path)
    if "://" not in path and "\0" not in path:
        with pytest.raises(DataError):
            open_picture(Path(path))


@settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(sorted(SEEDS)),
    st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=6),
    st.floats(0, 1),
    st.binary(max_size=12),
)
def test_mutated_files_raise_only_data_errors(
    kind: str, changes: list[tuple[float, int]], cut: float, insert: bytes
) -> None:
    data = bytearray(SEEDS[kind])
    for where, value in changes:
        data[int(where * len(data))] = value
    at = int(cut * len(data))
    try:
        pixels = decode_picture(bytes(data[:at] + insert + data[at:]))
    except DataError:
        return
    assert pixels.dtype == np.uint8
    assert pixels.ndim in (2, 3)
