"""Mutated picture files of every format: decoding, preparation and segmentation raise only ``PenstrokeError``.

Files that cause another error are saved in ``build/picture-finds``.
"""

import io
import random
import struct
import time
import zlib
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray
from PIL import Image, ImageDraw

from campaigns.targets import scramble
from penstroke.errors import PenstrokeError
from penstroke.pictures.files import decode_picture
from penstroke.pictures.preprocessing import preprocess
from penstroke.pictures.segment import segment

FINDS = Path("build/picture-finds")
LIMIT = 2.0
"""Seconds within which each file must be accepted or rejected."""


def writing(side: int = 48) -> Image.Image:
    """Return a small picture of two strokes on paper."""
    image = Image.new("RGB", (side + 8, side), (236, 232, 225))
    pen = ImageDraw.Draw(image)
    pen.line([(12, 8), (14, side - 9)], (20, 25, 60), 4)
    pen.ellipse([24, 10, side - 4, side - 10], outline=(25, 20, 55), width=4)
    return image


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Return the content of a picture file in that format."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def seeds() -> dict[str, bytes]:
    """Return a valid file of every format, and of every mode that is decoded differently."""
    image = writing()
    grey, mirrored = image.convert("L"), image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    turned = Image.Exif()
    turned[0x0112] = 6
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    several = {"save_all": True, "append_images": [mirrored], "duration": 50}
    return {
        "PNG": encoded(image, "PNG"),
        "PNG grey": encoded(grey, "PNG"),
        "PNG one bit": encoded(image.convert("1"), "PNG"),
        "PNG 16 bits": encoded(deep, "PNG"),
        "PNG palette": encoded(image.convert("P"), "PNG", transparency=3),
        "PNG transparent": encoded(image.convert("RGBA"), "PNG", exif=turned),
        "PNG animated": encoded(image, "PNG", **several),
        "JPEG": encoded(image, "JPEG", exif=turned),
        "JPEG progressive": encoded(image, "JPEG", progressive=True),
        "JPEG CMYK": encoded(image.convert("CMYK"), "JPEG"),
        "BMP": encoded(image, "BMP"),
        "BMP palette": encoded(image.convert("P"), "BMP"),
        "GIF": encoded(image.convert("P"), "GIF"),
        "GIF animated": encoded(image.convert("P"), "GIF", **several),
        "WebP": encoded(image, "WEBP"),
        "WebP lossless": encoded(image.convert("RGBA"), "WEBP", lossless=True, exif=turned),
        "WebP animated": encoded(image, "WEBP", **several),
    }


def mutate(data: bytes, generator: random.Random) -> bytes:
    """Change bytes anywhere, or in the chunks of a PNG, whose checksums are then updated."""
    if data[:4] == b"\x89PNG" and generator.random() < 0.7:
        chunks = _chunks(data) or [(b"IEND", b"")]
        at = generator.randrange(len(chunks))
        kind, content = chunks[at]
        changed = _change(content, generator)
        if kind == b"IDAT" and generator.random() < 0.7:
            with suppress(zlib.error):
                changed = zlib.compress(_change(zlib.decompress(content), generator))
        chunks[at : at + 1] = [(kind, changed)] * generator.choice((1, 1, 1, 2, 0))
        if generator.random() < 0.1:
            generator.shuffle(chunks)
        return data[:8] + b"".join(_chunk(*chunk) for chunk in chunks)
    return _change(data, generator)


def _change(data: bytes, generator: random.Random) -> bytes:
    """Change bytes; half of the time in the first hundred, which hold the sizes."""
    if generator.random() < 0.5:
        return scramble(data[:100], generator)[:100] + data[100:]
    at = generator.randint(0, len(data))
    return data[:at] + scramble(data[at : at + 40], generator) + data[at + 40 :]


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 8
    while at + 8 <= len(data):
        length = struct.unpack(">I", data[at : at + 4])[0]
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def score(images: ndarray) -> ndarray:
    """Return probabilities computed from the ink in each tenth of the image, in place of a model for ``segment``."""
    tenths = np.stack([part.sum((1, 2)) + 1.0 for part in np.array_split(images.astype(float), 10, axis=2)], 1)
    return np.asarray(tenths / tenths.sum(1, keepdims=True))


def process(data: bytes, max_pixels: int = 1_000_000) -> str:
    """Decode a file, prepare it in both ways and segment it; return the last step that succeeded."""
    try:
        pixels = decode_picture(data, max_pixels=max_pixels)
    except PenstrokeError:
        return "rejected"
    assert pixels.dtype == np.uint8, pixels.dtype
    assert pixels.ndim == 2 or pixels.shape[2:] == (3,), pixels.shape
    last = "decoded"
    steps: dict[str, Callable[[], Any]] = {
        "prepared": lambda: preprocess(pixels, "digit", (1, 28, 28)),
        "segmented": lambda: segment(pixels, score),
        "letterboxed": lambda: preprocess(pixels, "letterbox", (3, 28, 28)),
    }
    for name, step in steps.items():
        try:
            step()
            last = name
        except PenstrokeError:
            last = f"{name}: empty"
    return last


def fuzz(count: int, seed: int = 0, finds: Path | None = None) -> dict[str, Any]:
    """Process ``count`` mutated files and count the results; save files that cause another error in ``finds``."""
    valid = seeds()
    outcomes: Counter[str] = Counter(process(data) for data in valid.values())
    figures: dict[str, Any] = {"files": count, "seeds": list(valid), "slowest_s": 0.0, "wrong": []}
    names = list(valid)
    for number in range(count):
        generator = random.Random(f"{seed}-{number}")
        name = names[number % len(names)]
        data = valid[name]
        for _ in range(generator.choice((1, 1, 2))):
            data = mutate(data, generator)
        start = time.process_time()
        try:
            outcomes[process(data)] += 1
        except BaseException as error:  # noqa: BLE001 - any other error is a failure
            figures["wrong"].append(f"{number} {name}: {type(error).__name__}: {error}"[:300])
            if finds:
                finds.mkdir(parents=True, exist_ok=True)
                (finds / f"{number}-{name.replace(' ', '-')}").write_bytes(data)
        figures["slowest_s"] = max(figures["slowest_s"], round(time.process_time() - start, 3))
    return figures | {"outcomes": dict(outcomes)}


def failures(figures: dict[str, Any]) -> list[str]:
    """Return the failures in the figures of ``fuzz``."""
    slow = [f"a file took {figures['slowest_s']} s"] if figures["slowest_s"] > LIMIT else []
    return figures["wrong"] + slow


def write_pictures(folder: Path, count: int, broken: int) -> list[Path]:
    """Write ``count`` small picture files, the first ``broken`` of them cut, and return their paths."""
    data, paths = encoded(writing(28), "PNG"), []
    for number in range(count):
        paths.append(folder / f"{number}.png")
        paths[-1].write_bytes(data[: 40 * (number + 1)] if number < broken else data)
    return paths


def bomb(side: int) -> bytes:
    """Return a small PNG file of ``side`` x ``side`` black pixels."""
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(side * (1 + (side + 7) // 8)))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")
