"""Decode untrusted picture files to pixels.

Format, file size, image size and number of frames are checked before pixels are decoded. Five formats are accepted;
the format is detected from the content, not from the file's extension. TIFF is not accepted: its many codecs have a
record of vulnerabilities, and scanners that write TIFF also write PNG. The network is never accessed. This module does
not depend on the detection of ink or digits.
"""

import re
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
"""Maximum file size in bytes per allowed pixel: four channels of 16 bits, uncompressed."""
MIN_ALLOWED_BYTES = 1 << 20
"""Bytes allowed in any file in addition to that, for metadata and palettes."""

Pixels = UInt8[ndarray, "h w"] | UInt8[ndarray, "h w 3"]

_EXIF_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SWAPS_SIDES = {_EXIF_TRANSPOSE[orientation] for orientation in (5, 6, 7, 8)}
_UNNAMED = "The picture"
# Pillow warns about irregularities in a file. Here, a file is either read or rejected with an error.
warnings.filterwarnings("ignore", module=r"PIL\.")
_Result = TypeVar("_Result")


def open_picture(path: Path | str, *, max_pixels: int = MAX_PIXELS, min_side: int = MIN_SIDE) -> Pixels:
    """Return the pixels of a picture file: upright, opaque, ``uint8``, grey ``[h, w]`` or colour ``[h, w, 3]``.

    Args:
        path: a PNG, JPEG, BMP, GIF or WebP file. The format is detected from the content.
        max_pixels: maximum number of pixels that are decoded. The size is read from the header first.
        min_side: minimum width and height in pixels.

    Raises:
        DataError: the file is missing, a folder, a URL, of an unsupported format, damaged, animated,
            too large or too small. No other exception is raised.
    """
    return _open(path, max_pixels, min_side, _upright_pixels)


def picture_size(path: Path | str) -> tuple[int, int]:
    """Return width and height of a picture file in pixels, after EXIF rotation, without decoding the pixels.

    Raises:
        DataError: see :func:`open_picture`.
    """
    return _open(path, MAX_PIXELS, 1, _upright_size)


def decode_picture(
    data: bytes, *, name: str = _UNNAMED, max_pixels: int = MAX_PIXELS, min_side: int = MIN_SIDE
) -> Pixels:
    """Return the pixels of a picture file given as bytes; ``name`` is used in error messages.

    Raises:
        DataError: see :func:`open_picture`.
    """
    return _read(BytesIO(data), name, max_pixels, min_side, _upright_pixels)


def image_pixels(image: Image.Image, *, max_pixels: int = MAX_PIXELS, min_side: int = MIN_SIDE) -> Pixels:
    """Return the pixels of a PIL image of any mode, as :func:`open_picture` does for a file.

    Raises:
        DataError: the image is damaged, animated, too large or too small.
    """
    _check_header(image, _UNNAMED, _decodable(max_pixels), min_side)
    try:
        return _upright_pixels(image)
    except Exception as error:
        raise _damaged(_UNNAMED, error) from error


def stored_pixels(picture: Path | str | bytes | Image.Image, max_pixels: int = MAX_PIXELS) -> Pixels | None:
    """Return the pixels of a picture before its EXIF orientation is applied, or None if there is none to apply.

    Raises:
        DataError: see :func:`open_picture`.
    """
    if isinstance(picture, Image.Image):
        return _stored_pixels(picture)
    if isinstance(picture, bytes):
        return _read(BytesIO(picture), _UNNAMED, max_pixels, 1, _stored_pixels)
    return _open(picture, max_pixels, 1, _stored_pixels)


def check_pixels(pixels: ndarray, min_side: int = MIN_SIDE) -> Pixels:
    """Return an array of pixels unchanged if it is a picture.

    Raises:
        DataError: the array is not ``uint8`` ``[h, w]`` or ``[h, w, 3]``, or has a side below ``min_side`` pixels.
    """
    shape = pixels.shape
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and shape[2] == 3)):
        raise DataError(
            f"An array of dtype {pixels.dtype} and shape {list(shape)} is not a picture.",
            "Pass uint8 pixels 0..255 of shape [h, w] (grey) or [h, w, 3] (colour).",
        )
    _check_sides(_UNNAMED, shape[1], shape[0], min_side)
    return pixels


def _open(path: Path | str, max_pixels: int, min_side: int, action: Callable[[Image.Image], _Result]) -> _Result:
    name = str(path)
    if name.lower().startswith(("http:", "https:", "ftp:", "file:", "data:")):
        raise DataError(f"{name} is a URL; pictures are read from local files only.", "Download it first.")
    path = Path(path)
    try:
        if path.is_dir():
            raise DataError(f"{name} is a folder, not a picture.", f"Name the files in it, such as {name}/*.png.")
        if not path.is_file():
            raise DataError(f"The picture file {name} does not exist.", "Check the path and its spelling.")
        with path.open("rb") as stream:
            return _read(stream, name, max_pixels, min_side, action)
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{name} cannot be read: {error}.", "Check the path and its permissions.") from error


def _read(
    stream: BinaryIO, name: str, max_pixels: int, min_side: int, action: Callable[[Image.Image], _Result]
) -> _Result:
    """Return ``action`` of the opened image, after its file size and header have been checked."""
    max_pixels = _decodable(max_pixels)
    max_bytes = MIN_ALLOWED_BYTES + MAX_PIXEL_BYTES * max_pixels
    if (size := stream.seek(0, SEEK_END)) > max_bytes:
        raise DataError(f"{name} has {size} bytes; at most {max_bytes} are read.", "Save it as PNG or JPEG.")
    stream.seek(0)
    try:
        with Image.open(stream, formats=FORMATS) as image:
            _check_header(image, name, max_pixels, min_side)
            return action(image)
    except DataError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(name, _pixels_in(error), max_pixels) from error
    except Exception as error:
        raise _undecodable(stream, name, error) from error


def _decodable(max_pixels: int) -> int:
    """Return the limit that applies: Pillow's own, process-wide limit is left in place."""
    return min(max_pixels, 2 * (Image.MAX_IMAGE_PIXELS or max_pixels))


def _upright_pixels(image: Image.Image) -> Pixels:
    image.load()
    transpose = _exif_transpose(image)  # a member may have the value 0
    return np.ascontiguousarray(_to_pixels(image if transpose is None else image.transpose(transpose)))


def _stored_pixels(image: Image.Image) -> Pixels | None:
    return None if _exif_transpose(image) is None else np.ascontiguousarray(_to_pixels(image))


def _upright_size(image: Image.Image) -> tuple[int, int]:
    return image.size[::-1] if _exif_transpose(image) in _SWAPS_SIDES else image.size


def _check_header(image: Image.Image, name: str, max_pixels: int, min_side: int) -> None:
    """Reject an image by its header, before any pixel is decoded."""
    width, height = image.size
    if width * height > max_pixels:
        raise _too_large(name, f"{width} x {height} pixels", max_pixels)
    _check_sides(name, width, height, min_side)
    # A JPEG from a phone may contain several images (format MPO); the first one is the photo.
    if image.format in ("GIF", "WEBP", "PNG") and getattr(image, "is_animated", False):
        # The number of frames is not reported: counting those of a GIF means reading the whole file.
        raise DataError(f"{name} is animated; a picture has one frame.", "Save one frame as PNG.")


def _check_sides(name: str, width: int, height: int, min_side: int) -> None:
    if min(width, height) < min_side:
        raise DataError(
            f"{name} has {width} x {height} pixels; each side needs at least {min_side}.",
            "Use a picture in which the symbol is visible.",
        )


def _pixels_in(error: Image.DecompressionBombError) -> str:
    """Return the size in the message of Pillow's error."""
    found = re.search(r"\d+", str(error))
    return f"{int(found[0]) / 1e6:,.0f} megapixels" if found else "too many pixels"


def _too_large(name: str, size: str, max_pixels: int) -> DataError:
    return DataError(
        f"{name} is too large to decode: {size}, and at most {max_pixels / 1e6:g} megapixels are allowed.",
        "Shrink it, or raise the limit if you trust its source.",
    )


def _damaged(name: str, error: Exception) -> DataError:
    return DataError(
        f"{name} is damaged or truncated: {type(error).__name__}: {error}.", "Save, copy or download it again."
    )


def _undecodable(stream: BinaryIO, name: str, error: Exception) -> DataError:
    """Return the error for a file that Pillow rejects: HEIC, another kind of file, or a damaged picture."""
    stream.seek(0)
    head = stream.read(16)
    if head[4:8] == b"ftyp":
        return DataError(
            f"{name} is an HEIC, AVIF or video file, which is not supported.",
            "Export it as JPEG or PNG (iPhone: Settings, Camera, Formats, Most Compatible).",
        )
    if not head:
        return DataError(f"{name} is empty: 0 bytes.", "Save or copy it again.")
    if isinstance(error, UnidentifiedImageError):
        return DataError(
            f"{name} is not readable: it begins with {head[:8]!r}.",
            f"Use one of the formats {', '.join(FORMATS)}.",
        )
    return _damaged(name, error)


def _exif_transpose(image: Image.Image) -> Image.Transpose | None:
    """Return the transposition that EXIF specifies; an unreadable EXIF block is ignored."""
    try:
        return _EXIF_TRANSPOSE.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001 -- EXIF is a separate format, and damaged blocks are common
        return None


def _to_pixels(image: Image.Image) -> Pixels:
    """Return the pixels of a PIL image of any mode as 8-bit grey or colour, with transparency composited on white."""
    if image.mode.startswith("I;16"):
        return (np.asarray(image) // 257).astype(np.uint8)
    if image.mode in ("I", "F"):
        return np.clip(np.asarray(image) / 257, 0, 255).astype(np.uint8)
    if image.mode in ("1", "L") and "transparency" not in image.info:
        return np.asarray(image.convert("L"))
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        pixels = _composite(image.convert("RGBA"), 255)
        # White ink on a transparent background is invisible on white; then the background is black.
        return pixels if np.ptp(pixels) else _composite(image.convert("RGBA"), 0)
    return np.asarray(image.convert("RGB"))


def _composite(image: Image.Image, level: int) -> Pixels:
    background = Image.new("RGBA", image.size, (level, level, level, 255))
    return np.asarray(Image.alpha_composite(background, image).convert("RGB"))
