"""Targets of the fuzzers: a function to call, seeds, and a mutation. Only a ``PenstrokeError`` may be raised."""

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
"""Maximum length of an input in bytes."""
ChangeBytes = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Target:
    """One target."""

    call: Callable[[bytes], object]
    """Raises a ``PenstrokeError`` for an input that it rejects. Any other error is a failure."""
    seeds: Callable[[], list[bytes]]
    mutate: Callable[[bytes, random.Random, ChangeBytes], bytes]
    """Returns a changed input. Its third argument is a function that changes any bytes, for use on inner parts."""
    modules: tuple[str, ...]
    """Modules whose coverage guides the fuzzer."""


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()


def scramble(data: bytes, generator: random.Random) -> bytes:
    """Change some bytes: flip, cut, repeat, insert, or write a number that is often a boundary value."""
    content = bytearray(data)
    for _ in range(generator.randint(1, 4)):
        at = generator.randint(0, len(content))
        kind = generator.randrange(6)
        if kind == 0 and at < len(content):
            content[at] ^= 1 << generator.randrange(8)
        elif kind == 1 and at < len(content):
            content[at] = generator.choice((0, 1, 0x7F, 0x80, 0xFF, generator.randrange(256)))
        elif kind == 2:
            content = content[:at]
        elif kind == 3:
            content[at:at] = content[at : at + generator.randint(1, 40)]
        elif kind == 4:
            content[at : at + 4] = struct.pack(">I", generator.choice((0, 1, 1 << 16, 1 << 31, (1 << 32) - 1)))
        else:
            content[at:at] = generator.randbytes(generator.randint(1, 8))
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


def _mutate_idx(data: bytes, generator: random.Random, change: ChangeBytes) -> bytes:
    """Change the bytes, or the content of a gzip file, compressed again so that its checksum is valid."""
    inside = data
    if data[:2] == b"\x1f\x8b":
        with suppress(zlib.error):
            inside = zlib.decompressobj(wbits=31).decompress(data, MAX_LENGTH)
    kind = generator.randrange(4)
    if kind < 2:
        return change(data)
    return gzip.compress(change(inside), mtime=0) if kind == 2 else change(inside)


# ---- run folders


def _run(data: bytes) -> None:
    """Read the bytes as every JSON file of a run folder."""
    run = Run(Path(_folder().name))
    for name in ("run.json", "recipe.json", "metrics.jsonl"):
        (run.path / name).write_bytes(data)
    list(run.rows("step"))
    with suppress(PenstrokeError):
        _ = run.record
    run.recipe()


def _run_seeds() -> list[bytes]:
    made = [json.dumps(recipe().to_json()).encode() for recipe in recipes.RECIPES.values()]
    row = {"kind": "step", "epoch": 1, "step": 2, "loss": 0.5, "lr": 0.1}
    record = {"state": "finished", "created": "2026", "data": {"source": "mnist"}, "epochs": [row], "seconds": 1.5}
    return [*made, json.dumps(row).encode() + b"\n" + json.dumps(row).encode(), json.dumps(record).encode()]


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
"""Values that replace valid ones."""


def _mutate_json(data: bytes, generator: random.Random, change: ChangeBytes) -> bytes:
    """Change the bytes, or replace, remove and add values in the JSON."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return change(data)
    if generator.random() < 0.3 or not isinstance(value, dict):
        return change(data)
    for _ in range(generator.randint(1, 3)):
        _spoil(value, generator)
    return json.dumps(value).encode()[:MAX_LENGTH]


def _spoil(value: Any, generator: random.Random) -> None:
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    if not keys:
        return
    key = generator.choice(keys)
    if isinstance(value[key], dict | list) and generator.random() < 0.7:
        _spoil(value[key], generator)
    elif isinstance(value, dict) and generator.random() < 0.2:
        value[generator.choice(("", "more", *map(str, keys)))] = value.pop(key)
    else:
        values = value.values() if isinstance(value, dict) else value
        value[key] = deepcopy(generator.choice((*ODD, *values)))


# ---- headers of model files


@cache
def _valid_model() -> bytes:
    from campaigns.model_kinds import good

    return good()


def _model(data: bytes) -> None:
    """Load a model file with these bytes as its header, followed by valid weights."""
    from campaigns.model_kinds import framed
    from penstroke.models.modules import load_module

    content = _valid_model()
    path = Path(_folder().name, "model.safetensors")
    path.write_bytes(framed(data, content[8 + int.from_bytes(content[:8], "little") :]))
    load_module(path)


def _model_seeds() -> list[bytes]:
    content = _valid_model()
    return [content[8 : 8 + int.from_bytes(content[:8], "little")]]


def _mutate_model(data: bytes, generator: random.Random, change: ChangeBytes) -> bytes:
    """Change the header as JSON, or the description in its metadata."""
    if generator.random() < 0.6:
        with suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
            header = json.loads(data)
            inner = header["__metadata__"]["penstroke"].encode()
            header["__metadata__"]["penstroke"] = _mutate_json(inner, generator, change).decode("utf-8", "replace")
            return json.dumps(header).encode()[:MAX_LENGTH]
    return _mutate_json(data, generator, change)


TARGETS = {
    "idx": Target(_idx, _idx_seeds, _mutate_idx, ("penstroke.data.idx",)),
    "run": Target(
        _run,
        _run_seeds,
        _mutate_json,
        (
            "penstroke.runs.run",
            "penstroke.runs.record",
            "penstroke.recipes.fields",
            "penstroke.recipes.recipe",
            "penstroke.storage.untrusted",
        ),
    ),
    "model": Target(
        _model,
        _model_seeds,
        _mutate_model,
        ("penstroke.models.files", "penstroke.models.description", "penstroke.models.modules"),
    ),
}
