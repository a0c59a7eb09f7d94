"""Mutated picture files of every format, through decoding, preparation and segmentation: only our own error may come.

``python -m campaigns.picture_fuzz`` runs the whole and writes ``benchmarks/results/reliability-pictures.json``; files
that make something else happen are kept in ``build/picture-finds``.
"""

import io
import random
import struct
import sys
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
from penstroke.pictures.inputs import network_input
from penstroke.pictures.segment import segment

FINDS = Path("build/picture-finds")
LIMIT = 2.0
"""Seconds in which each file must be answered."""


def writing(side: int = 48) -> Image.Image:
    """Return a small picture of two strokes on paper."""
    image = Image.new("RGB", (side + 8, side), (236, 232, 225))
    pen = ImageDraw.Draw(image)
    pen.line([(12, 8), (14, side - 9)], (20, 25, 60), 4)
    pen.ellipse([24, 10, side - 4, side - 10], outline=(25, 20, 55), width=4)
    return image


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Return a picture as a file of that format."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def seeds() -> dict[str, bytes]:
    """Return a right file of every format and of every mode that takes another road."""
    image = writing()
    grey, other = image.convert("L"), image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    turned = Image.Exif()
    turned[0x0112] = 6
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    several = {"save_all": True, "append_images": [other], "duration": 50}
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


def mutate(data: bytes, chance: random.Random) -> bytes:
    """Change bytes anywhere, or in a PNG's chunks with their checksums made right again, so that they are read."""
    if data[:4] == b"\x89PNG" and chance.random() < 0.7:
        chunks = _chunks(data) or [(b"IEND", b"")]
        at = chance.randrange(len(chunks))
        kind, content = chunks[at]
        changed = _change(content, chance)
        if kind == b"IDAT" and chance.random() < 0.7:
            with suppress(zlib.error):
                changed = zlib.compress(_change(zlib.decompress(content), chance))
        chunks[at : at + 1] = [(kind, changed)] * chance.choice((1, 1, 1, 2, 0))
        if chance.random() < 0.1:
            chance.shuffle(chunks)
        return data[:8] + b"".join(_chunk(*chunk) for chunk in chunks)
    return _change(data, chance)


def _change(data: bytes, chance: random.Random) -> bytes:
    """Change mostly the first hundred bytes, where the sizes are."""
    if chance.random() < 0.5:
        return scramble(data[:100], chance)[:100] + data[100:]
    at = chance.randint(0, len(data))
    return data[:at] + scramble(data[at : at + 40], chance) + data[at + 40 :]


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
    """Return probabilities by the ink of each tenth of the picture: enough to choose by, for ``segment``."""
    tenths = np.stack([part.sum((1, 2)) + 1.0 for part in np.array_split(images.astype(float), 10, axis=2)], 1)
    return np.asarray(tenths / tenths.sum(1, keepdims=True))


def through(data: bytes, max_pixels: int = 1_000_000) -> str:
    """Take a file down every road; return how far it came."""
    try:
        pixels = decode_picture(data, max_pixels=max_pixels)
    except PenstrokeError:
        return "refused"
    assert pixels.dtype == np.uint8, pixels.dtype
    assert pixels.ndim == 2 or pixels.shape[2:] == (3,), pixels.shape
    come = "decoded"
    roads: dict[str, Callable[[], Any]] = {
        "prepared": lambda: network_input(pixels, "digit", (1, 28, 28)),
        "segmented": lambda: segment(pixels, score),
        "fitted": lambda: network_input(pixels, "letterbox", (3, 28, 28)),
    }
    for name, road in roads.items():
        try:
            road()
            come = name
        except PenstrokeError:
            come = f"{name}: nothing to read"
    return come


def fuzz(count: int, seed: int = 0, finds: Path | None = None) -> dict[str, Any]:
    """Take so many mutated files through, and return what came of them; keep in ``finds`` what must not be."""
    right = seeds()
    outcomes: Counter[str] = Counter(through(data) for data in right.values())
    figures: dict[str, Any] = {"files": count, "seeds": list(right), "slowest_s": 0.0, "wrong": []}
    names = list(right)
    for number in range(count):
        chance = random.Random(f"{seed}-{number}")
        name = names[number % len(names)]
        data = right[name]
        for _ in range(chance.choice((1, 1, 2))):
            data = mutate(data, chance)
        begun = time.process_time()
        try:
            outcomes[through(data)] += 1
        except BaseException as fault:  # noqa: BLE001 - what must not be
            figures["wrong"].append(f"{number} {name}: {type(fault).__name__}: {fault}"[:300])
            if finds:
                finds.mkdir(parents=True, exist_ok=True)
                (finds / f"{number}-{name.replace(' ', '-')}").write_bytes(data)
        figures["slowest_s"] = max(figures["slowest_s"], round(time.process_time() - begun, 3))
        if (number + 1) % 1000 == 0:
            print(number + 1, dict(outcomes), figures["wrong"][-3:], flush=True)
    return figures | {"outcomes": dict(outcomes)}


def on_the_disk(folder: Path, count: int, broken: int) -> list[Path]:
    """Write ``count`` small pictures, the first ``broken`` of which are cut, and return their paths."""
    data, paths = encoded(writing(28), "PNG"), []
    for number in range(count):
        paths.append(folder / f"{number}.png")
        paths[-1].write_bytes(data[: 40 * (number + 1)] if number < broken else data)
    return paths


def bomb(side: int) -> bytes:
    """Return a PNG that promises ``side`` x ``side`` pixels, and packs that many zeros' worth of rows."""
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(side * (1 + (side + 7) // 8)))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


def main(count: int = 20_000) -> int:
    """Run the campaign, print and keep its figures, and return 0 if all went well."""
    from benchmarks.conditions import keep

    figures = fuzz(count, finds=FINDS)
    print(figures)
    keep("reliability-pictures", figures)
    return int(bool(figures["wrong"] or figures["slowest_s"] > LIMIT))


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
