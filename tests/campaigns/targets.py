"""What is fuzzed: for each target its seeds, its way to mutate, and a call that must end well or with our own error."""

import gzip
import json
import random
import struct
import tempfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from penstroke import recipes
from penstroke.data.idx import read_idx
from penstroke.errors import PenstrokeError
from penstroke.runs import Run

CORPUS = Path(__file__).parent.parent / "corpus"
MAX_LENGTH = 4096
"""Bytes of the longest input."""
Bytewise = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Target:
    """One thing to fuzz."""

    ask: Callable[[bytes], object]
    """Raises a ``PenstrokeError`` for what it refuses; anything else is a find."""
    seeds: Callable[[], list[bytes]]
    mutate: Callable[[bytes, random.Random, Bytewise], bytes]
    """Changes an input, whose inside it may reach through a third argument that changes any bytes."""
    modules: tuple[str, ...]
    """What is watched for new paths."""


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()


def scramble(data: bytes, chance: random.Random) -> bytes:
    """Change some bytes: flip, cut, repeat, insert, or put in a number that is often at an edge."""
    content = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randint(0, len(content))
        kind = chance.randrange(6)
        if kind == 0 and at < len(content):
            content[at] ^= 1 << chance.randrange(8)
        elif kind == 1 and at < len(content):
            content[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        elif kind == 2:
            content = content[:at]
        elif kind == 3:
            content[at:at] = content[at : at + chance.randint(1, 40)]
        elif kind == 4:
            content[at : at + 4] = struct.pack(">I", chance.choice((0, 1, 1 << 16, 1 << 31, (1 << 32) - 1)))
        else:
            content[at:at] = chance.randbytes(chance.randint(1, 8))
    return bytes(content[:MAX_LENGTH])


# ---- IDX, plain and gzipped


def _idx(data: bytes) -> None:
    read_idx(data, max_bytes=1 << 22)


def _idx_seeds() -> list[bytes]:
    pictures = struct.pack(">4B3I", 0, 0, 8, 3, 2, 4, 4) + bytes(range(32))
    wide = [struct.pack(">4BI", 0, 0, code, 1, 2) + bytes(16) for code in (9, 11, 12, 13, 14)]
    plain = [pictures, *wide, struct.pack(">4B2I", 0, 0, 8, 2, 0, 7)]
    named = b"\x1f\x8b\x08\x1c\0\0\0\0\0\3" + b"\2\0ab" + b"name\0comment\0" + gzip.compress(pictures)[10:]
    return [*plain, *(gzip.compress(data, mtime=0) for data in plain), named]


def _mutate_idx(data: bytes, chance: random.Random, change: Bytewise) -> bytes:
    """Change the bytes, or what a gzip file holds, packed again so that its checksum is right."""
    inside = data
    if data[:2] == b"\x1f\x8b":
        with suppress(zlib.error):
            inside = zlib.decompressobj(wbits=31).decompress(data, MAX_LENGTH)
    kind = chance.randrange(4)
    if kind < 2:
        return change(data)
    return gzip.compress(change(inside), mtime=0) if kind == 2 else change(inside)


# ---- run folders


def _run(data: bytes) -> None:
    """Read the bytes as everything that a run folder holds as JSON."""
    run = Run(Path(_folder().name))
    for name in ("run.json", "recipe.json", "metrics.jsonl"):
        (run.path / name).write_bytes(data)
    list(run.rows("step"))
    with suppress(PenstrokeError):
        run.read()
    run.recipe()


def _run_seeds() -> list[bytes]:
    made = [*(json.dumps(recipe().to_json()).encode() for recipe in recipes.RECIPES.values())]
    row = {"kind": "step", "epoch": 1, "step": 2, "loss": 0.5, "lr": 0.1}
    return [*made, json.dumps(row).encode() + b"\n" + json.dumps(row).encode()]


ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1,
    0.5,
    1e308,
    10**299,
    1 << 63,
    "",
    "..",
    "\0",
    "é",
    [],
    {},
    [1, 2],
    ["a"],
    [[]],
)
"""Values that stand where others are expected."""


def _mutate_json(data: bytes, chance: random.Random, change: Bytewise) -> bytes:
    """Change the bytes, or put odd values, missing ones and more of them into what the text says."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return change(data)
    if chance.random() < 0.3 or not isinstance(value, dict):
        return change(data)
    for _ in range(chance.randint(1, 3)):
        _spoil(value, chance)
    return json.dumps(value).encode()[:MAX_LENGTH]


def _spoil(value: Any, chance: random.Random) -> None:
    place = value
    keys = list(place) if isinstance(place, dict) else list(range(len(place)))
    if not keys:
        return
    key = chance.choice(keys)
    if isinstance(place[key], dict | list) and chance.random() < 0.7:
        _spoil(place[key], chance)
    elif isinstance(place, dict) and chance.random() < 0.2:
        place[chance.choice(("", "more", *map(str, keys)))] = place.pop(key)
    else:
        others = place.values() if isinstance(place, dict) else place
        place[key] = deepcopy(chance.choice((*ODD, *others)))


# ---- headers of model files


@cache
def _right() -> bytes:
    from campaigns.model_kinds import good

    return good()


def _model(data: bytes) -> None:
    """Load a model file with these bytes as its header, before right weights."""
    from campaigns.model_kinds import framed
    from penstroke.models.files import load_model

    content = _right()
    path = Path(_folder().name, "model.safetensors")
    path.write_bytes(framed(data, content[8 + int.from_bytes(content[:8], "little") :]))
    load_model(path)


def _model_seeds() -> list[bytes]:
    content = _right()
    return [content[8 : 8 + int.from_bytes(content[:8], "little")]]


def _mutate_model(data: bytes, chance: random.Random, change: Bytewise) -> bytes:
    """Change the header as JSON, or the description inside it."""
    if chance.random() < 0.6:
        with suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
            header = json.loads(data)
            told = header["__metadata__"]["description"].encode()
            header["__metadata__"]["description"] = _mutate_json(told, chance, change).decode("utf-8", "replace")
            return json.dumps(header).encode()[:MAX_LENGTH]
    return _mutate_json(data, chance, change)


TARGETS = {
    "idx": Target(_idx, _idx_seeds, _mutate_idx, ("penstroke.data.idx",)),
    "run": Target(_run, _run_seeds, _mutate_json, ("penstroke.runs", "penstroke.recipes", "penstroke.untrusted")),
    "model": Target(_model, _model_seeds, _mutate_model, ("penstroke.models.files", "penstroke.models.description")),
}
