"""From a file that anybody may have made to an array of pixels, or to an error that says what came.

Everything is checked before pixels are decoded: the kind of file, the size, the number of frames. Only five
formats are let in, by content and not by name. TIFF stays out: its many codecs are a history of holes, and a
scanner that writes it also writes PNG. No network is ever used. This file knows nothing of ink and digits.
"""

import warnings
from collections.abc import Callable
from io import SEEK_END, BytesIO
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import ExifTags, Image, UnidentifiedImageError

from penstroke.errors import DataError

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP")
MAX_PIXELS = 50_000_000
MIN_SIDE = 5
MAX_PIXEL_BYTES = 8
"""Bytes of a file for each pixel that is allowed: four channels of 16 bits, not packed at all."""
MIN_ALLOWED_BYTES = 1 << 20
"""Bytes that any file may have beside that: notes of the camera, a palette."""

Pixels = UInt8[ndarray, "h w"] | UInt8[ndarray, "h w 3"]

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = {_TURNS[orientation] for orientation in (5, 6, 7, 8)}
# Pillow warns of what is odd in a file; here, a file is either read or refused.
warnings.filterwarnings("ignore", module=r"PIL\.")
_Result = TypeVar("_Result")


def open_picture(path: Path | str, *, max_pixels: int = MAX_PIXELS, min_side: int = MIN_SIDE) -> Pixels:
    """Return the pixels of a picture file: upright, opaque, 8 bits, grey ``[h, w]`` or colour ``[h, w, 3]``.

    Args:
        path: a PNG, JPEG, BMP, GIF or WebP file, known by its content; its name's ending is not looked at.
        max_pixels: the most pixels that are decoded; the size is read from the header first.
        min_side: the least pixels that each side must have.

    Raises:
        DataError: nothing else, whatever the file holds: it is missing, a folder, a web address, no picture,
            of another format, broken, animated, too big or too small.
    """
    return _open(path, max_pixels, min_side, _upright_pixels)


def picture_size(path: Path | str) -> tuple[int, int]:
    """Return width and height of a picture file, in pixels, as it is looked at; its pixels are not decoded.

    Raises:
        DataError: as ``open_picture`` does.
    """
    return _open(path, MAX_PIXELS, 1, _upright_size)


def decode_picture(data: bytes, *, name: str = "the picture", max_pixels: int = MAX_PIXELS) -> Pixels:
    """Return the pixels of a picture file's bytes, as ``open_picture`` does; ``name`` is for its errors."""
    return _read(BytesIO(data), name, max_pixels, MIN_SIDE, _upright_pixels)


def _open(path: Path | str, max_pixels: int, min_side: int, action: Callable[[Image.Image], _Result]) -> _Result:
    name = str(path)
    if name.lower().startswith(("http:", "https:", "ftp:", "file:", "data:")):
        raise DataError(f"{name} is a web address, and pictures are read from files alone.", "Download it first.")
    path = Path(path)
    try:
        if path.is_dir():
            raise DataError(f"{name} is a folder, not a picture.", f"Name the files in it, such as {name}/*.png.")
        if not path.is_file():
            raise DataError(f"There is no picture file {name}.", "Check the path and its spelling.")
        with path.open("rb") as stream:
            return _read(stream, name, max_pixels, min_side, action)
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{name} cannot be read: {error}.", "Check the path and its permissions.") from error


def _read(
    stream: BinaryIO, name: str, max_pixels: int, min_side: int, action: Callable[[Image.Image], _Result]
) -> _Result:
    """Return what ``action`` makes of the opened picture, its size and its header checked."""
    # Pillow has a limit of its own, which only who trusts every picture in the process may lift.
    max_pixels = min(max_pixels, 2 * (Image.MAX_IMAGE_PIXELS or max_pixels))
    most = MIN_ALLOWED_BYTES + MAX_PIXEL_BYTES * max_pixels
    if (size := stream.seek(0, SEEK_END)) > most:
        raise DataError(f"{name} has {size} bytes, more than the {most} that are read.", "Save it as PNG or JPEG.")
    stream.seek(0)
    try:
        with Image.open(stream, formats=FORMATS) as image:
            _check_header(image, name, max_pixels, min_side)
            return action(image)
    except DataError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_big(name, str(error).split(",")[0], max_pixels) from error
    except Exception as error:
        raise _not_decoded(stream, name, error) from error


def _upright_pixels(image: Image.Image) -> Pixels:
    image.load()
    turn = _turn(image)  # its first value is 0, which is not None
    return np.ascontiguousarray(_to_pixels(image if turn is None else image.transpose(turn)))


def _upright_size(image: Image.Image) -> tuple[int, int]:
    return image.size[::-1] if _turn(image) in _SIDEWAYS else image.size


def _check_header(image: Image.Image, name: str, max_pixels: int, min_side: int) -> None:
    """Refuse by what the header says, before any pixel is decoded."""
    width, height = image.size
    if width * height > max_pixels:
        raise _too_big(name, f"{width} x {height} pixels", max_pixels)
    if min(width, height) < min_side:
        raise DataError(
            f"{name} has {width} x {height} pixels; each side needs at least {min_side}.",
            "Give a picture in which the symbol can be seen.",
        )
    # A phone's JPEG may carry further pictures (format MPO): its first is the photo itself.
    if image.format in ("GIF", "WEBP", "PNG") and getattr(image, "is_animated", False):
        # How many frames a GIF has is known only after a walk through all of it: it may have a million.
        raise DataError(f"{name} is animated, and a picture has one frame.", "Save one frame as PNG.")


def _too_big(name: str, size: str, max_pixels: int) -> DataError:
    return DataError(
        f"{name} is too big to decode: {size}, where {max_pixels / 1e6:g} megapixels are allowed.",
        "Shrink it, or raise the limit if you trust its source.",
    )


def _not_decoded(stream: BinaryIO, name: str, error: Exception) -> DataError:
    """Say what a file is that Pillow refused: an iPhone's HEIC, another kind of file, or a broken picture."""
    stream.seek(0)
    head = stream.read(16)
    if head[4:8] == b"ftyp":
        return DataError(
            f"{name} is an HEIC, AVIF or video file, which is not read here.",
            "Export it as JPEG or PNG (iPhone: Settings, Camera, Formats, Most Compatible).",
        )
    if not head:
        return DataError(f"{name} is empty: 0 bytes.", "Save or copy it again.")
    if isinstance(error, UnidentifiedImageError):
        return DataError(
            f"{name} is no picture that can be read: it begins with {head[:8]!r}.",
            f"Give one of {', '.join(FORMATS)}.",
        )
    return DataError(
        f"{name} is a broken picture: {type(error).__name__}: {error}.", "Save, copy or download it again."
    )


def _turn(image: Image.Image) -> Image.Transpose | None:
    """Return the turn that the camera noted in EXIF, if it can be read; a broken note is no reason to refuse."""
    try:
        return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001 -- EXIF is a format of its own, and as often broken
        return None


def _to_pixels(image: Image.Image) -> Pixels:
    """Return the pixels of any mode of Pillow as 8-bit grey or colour, transparency laid over white."""
    if image.mode.startswith("I;16"):
        return (np.asarray(image) // 257).astype(np.uint8)
    if image.mode in ("I", "F"):
        return np.clip(np.asarray(image) / 257, 0, 255).astype(np.uint8)
    if image.mode in ("1", "L") and "transparency" not in image.info:
        return np.asarray(image.convert("L"))
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        pixels = _over(image.convert("RGBA"), 255)
        # White ink on a transparent sheet vanishes on white: there, the sheet is black.
        return pixels if np.ptp(pixels) else _over(image.convert("RGBA"), 0)
    return np.asarray(image.convert("RGB"))


def _over(image: Image.Image, level: int) -> Pixels:
    sheet = Image.new("RGBA", image.size, (level, level, level, 255))
    return np.asarray(Image.alpha_composite(sheet, image).convert("RGB"))
