"""Hostile model files, run folders and state dicts, each made by one small function in an empty folder."""

import io
import json
import os
import pickle
import socket
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from penstroke.models.description import FORMAT, Description
from penstroke.models.files import new_model
from penstroke.recipes import ConvNetSpec

MARK = "MARK"
"""The file that appears in the folder if anything hostile was executed."""

Maker = Callable[[Path], object]


class Evil:
    """Makes a mark when unpickled."""

    def __init__(self, folder: Path) -> None:
        self.mark = folder / MARK

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.mark}",)


def description(size: int = 12) -> Description:
    """Return the description of a small network for images of so many pixels a side."""
    return Description(
        network=ConvNetSpec(channels=(2, 3), hidden=4),
        image_shape=(1, size, size),
        classes=tuple("0123456789"),
        mean=0.125,
        std=0.5,
    )


def tensors(size: int = 12, **changes: torch.Tensor | None) -> dict[str, torch.Tensor]:
    """Return the weights of that network, with changes; a name's dots are written as two underscores."""
    values: dict[str, Any] = dict(new_model(description(size)).state_dict())
    values |= {name.replace("__", "."): value for name, value in changes.items()}
    return {name: value.contiguous().clone() for name, value in values.items() if value is not None}


def good(
    weights: dict[str, torch.Tensor] | None = None, told: str | None = None, size: int = 12, **changes: Any
) -> bytes:
    """Return a model file: by default a right one, else with other weights, or changes in its description."""
    told = told or json.dumps(description(size).to_json() | changes)
    return save(tensors(size) if weights is None else weights, {"format": FORMAT, "description": told})


def with_header(change: Callable[[dict[str, Any]], object], trailing: bytes = b"") -> bytes:
    """Return a model file after ``change`` of its header."""
    content = good()
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    change(header)
    return framed(json.dumps(header).encode(), content[8 + length :] + trailing)


def framed(header: bytes, weights: bytes = b"") -> bytes:
    """Return a header in the frame of the format, with its length before it."""
    return struct.pack("<Q", len(header)) + header + weights


def zipped(*names: str, size: int = 10) -> bytes:
    """Return a zip archive with such members, packed."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, bytes(size))
    return stream.getvalue()


def saved(value: Any, **options: Any) -> bytes:
    """Return what ``torch.save`` makes of a value."""
    stream = io.BytesIO()
    torch.save(value, stream, **options)
    return stream.getvalue()


def offsets(name: str, low: int, high: int) -> bytes:
    """Return a model file in which a tensor claims other bytes."""
    return with_header(lambda header: header[name].update(data_offsets=[low, high]))


def retyped(kind: Any) -> bytes:
    """Return a model file in which a tensor claims another type."""
    return with_header(lambda header: header["fc2.bias"].update(dtype=kind))


def sparse(path: Path, size: int, start: bytes = b"") -> None:
    """Make a file with a start, and nothing but a hole up to its size."""
    path.write_bytes(start)
    os.truncate(path, size)


def _many(count: int) -> bytes:
    table = {f"t{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(count)}
    return with_header(lambda header: header.update(table))


def _socket(path: Path) -> None:
    before = Path.cwd()
    os.chdir(path.parent)  # the name of a socket must be short
    with socket.socket(socket.AF_UNIX) as place:
        place.bind(path.name)
    os.chdir(before)


BIG = 10**6
CONTENTS: dict[str, Callable[[Path], bytes]] = {
    "pickle, protocol 2": lambda folder: pickle.dumps(Evil(folder), 2),
    "pickle, protocol 5": lambda folder: pickle.dumps(Evil(folder), 5),
    "torch.save of code": lambda folder: saved(Evil(folder)),
    "torch.save of code, old format": lambda folder: saved(Evil(folder), _use_new_zipfile_serialization=False),
    "pickle in a safetensors frame": lambda folder: framed(pickle.dumps(Evil(folder))),
    "pickle behind a right model": lambda folder: good() + pickle.dumps(Evil(folder)),
    "zip": lambda _: zipped("model.safetensors"),
    "zip with names that lead out": lambda _: zipped("../../outside/secret", "/etc/x"),
    "zip bomb": lambda _: zipped("bomb", size=50 << 20),
    "web page": lambda _: b"<!DOCTYPE html><html><title>Log in</title></html>",
    "empty": lambda _: b"",
    "seven bytes": lambda _: good()[:7],
    "header cut": lambda _: good()[:300],
    "weights cut": lambda _: good()[:-1],
    "header of 2^63 bytes": lambda _: struct.pack("<Q", 1 << 63) + good()[8:],
    "header of 2^64 - 1 bytes": lambda _: b"\xff" * 8 + good()[8:],
    "header longer than the file": lambda _: struct.pack("<Q", len(good())) + good()[8:],
    "header of 64 MiB": lambda _: framed(b"{" + b" " * (64 << 20) + b"}"),
    "header of another text": lambda _: framed(b"[1, 2, 3]"),
    "header that is no UTF-8": lambda _: framed(b'{"\xff\xfe": 1}'),
    "header of 100,000 levels": lambda _: framed(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "header of 100 levels": lambda _: framed(b'{"a":' * 100 + b"1" + b"}" * 100),
    "100,000 tensors": lambda _: _many(100_000),
    "50,000 tensors": lambda _: _many(50_000),
    "no description": lambda _: save(tensors()),
    "other format": lambda _: with_header(lambda header: header["__metadata__"].update(format="penstroke-model-0")),
    "wrong shape": lambda _: good(tensors(fc2__bias=torch.zeros(11))),
    "missing tensor": lambda _: good(tensors(fc2__bias=None)),
    "tensor more": lambda _: good(tensors(more=torch.zeros(1))),
    "tensor name that leads out": lambda _: good(tensors() | {"../../outside/secret": torch.zeros(1)}),
    "half precision": lambda _: good({name: value.half() for name, value in tensors().items()}),
    "eight-bit floats": lambda _: good(tensors(fc2__bias=torch.zeros(10).to(torch.float8_e4m3fn))),
    "unknown type": lambda _: retyped("F31"),
    "type that is no text": lambda _: retyped(["F32"]),
    "overlapping tensors": lambda _: offsets("fc2.bias", 0, 40),
    "tensor beyond the file": lambda _: offsets("fc2.bias", BIG, BIG + 40),
    "tensor before the file": lambda _: offsets("fc2.bias", -40, 0),
    "tensor backwards": lambda _: offsets("fc2.bias", 40, 0),
    "bytes after the weights": lambda _: good() + b"\0" * 8,
    "NaN weight": lambda _: good(tensors(fc2__bias=torch.full((10,), float("nan")))),
    "infinite weight": lambda _: good(tensors(cn1__weight=torch.full((2, 1, 3, 3), float("inf")))),
    "description of 100 levels": lambda _: good(trained={"a": json.loads("[" * 100 + "]" * 100)}),
    "description of 100,000 levels": lambda _: good(told="[" * 100_000 + "]" * 100_000),
    "description that is no object": lambda _: good(told="[]"),
    "infinite number": lambda _: good(told=json.dumps(description().to_json()).replace("0.125", "1e999")),
    "number of 5,000 digits": lambda _: good(told=json.dumps(description().to_json()).replace("0.125", "9" * 5000)),
    "network for which no memory is large enough": lambda _: good(
        network={"kind": "convnet", "channels": [65536] * 2, "kernel_sizes": [1, 1], "hidden": 65536}
    ),
    "network of another size": lambda _: good(network={"kind": "convnet", "channels": [2, 4], "hidden": 4}),
    "images of a billion pixels": lambda _: good(image_shape=[1, 65536, 65536]),
    "endless images": lambda _: good(told=json.dumps(description().to_json()).replace("12, 12", "1e999, 1e999")),
    "deviation of 0": lambda _: good(tensors(normalise__std=torch.tensor(0.0)), std=0.0),
    "another mean than it says": lambda _: good(mean=0.25),
    "fewer classes than it says": lambda _: good(classes=["0", "1"]),
    "class names that steer the terminal": lambda _: good(classes=["\x1b]0;gone\x07", *"123456789"]),
    "classes alike": lambda _: good(classes=["0"] * 10),
    "picture rule that is a path": lambda _: good(picture_rule="../../outside/secret"),
    "data that are a list": lambda _: good(trained={"data": ["/etc"]}),
}
"""Contents of a model file, whatever its name."""


def _link(target: str) -> Maker:
    return lambda folder: (folder / "model.safetensors").symlink_to(target)


PLACES: dict[str, Maker] = {
    "link that leads out": _link("../outside/model.safetensors"),
    "link to a system file": _link("/etc/passwd"),
    "link to itself": _link("model.safetensors"),
    "link to nothing": _link("nothing"),
    "link to a device": _link("/dev/zero"),
    "link to a terminal": _link("/dev/tty"),
    "folder": lambda folder: (folder / "model.safetensors").mkdir(),
    "pipe": lambda folder: os.mkfifo(folder / "model.safetensors"),
    "socket": lambda folder: _socket(folder / "model.safetensors"),
    "a terabyte of nothing": lambda folder: sparse(folder / "model.safetensors", 1 << 40, good()),
    "half a gigabyte of nothing": lambda folder: sparse(folder / "model.safetensors", 1 << 29, good()),
}
"""What may stand where a model file should."""

RUNS: dict[str, Maker] = {
    "run.json that is a pipe": lambda folder: os.mkfifo(folder / "run.json"),
    "run.json that leads out": lambda folder: (folder / "run.json").symlink_to("../outside/run.json"),
    "run.json of 100 levels": lambda folder: (folder / "run.json").write_text('{"a":' + "[" * 100 + "]" * 100 + "}"),
    "run.json of 100,000 levels": lambda folder: (folder / "run.json").write_text("[" * 100_000),
    "run.json of a gigabyte": lambda folder: sparse(folder / "run.json", 1 << 30, b"{"),
    "run.json that is a list": lambda folder: (folder / "run.json").write_text("[]"),
    "run.json that is no text": lambda folder: (folder / "run.json").write_bytes(b"\xff\xfe\0\x80"),
    "run.json of NaN": lambda folder: (folder / "run.json").write_text('{"created": NaN}'),
}
"""What may stand in a run folder."""


def _claiming() -> bytes:
    """Return a state dict in the old format that claims eight gigabytes and holds fifty kilobytes."""
    content = saved({"cn1.weight": torch.zeros(12345)}, _use_new_zipfile_serialization=False)
    return content.replace(b"M" + struct.pack("<H", 12345), b"J" + struct.pack("<i", (1 << 31) - 256))


def _script() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in ("data.pkl", "constants.pkl", "version", "code/__torch__.py"):
            archive.writestr(f"archive/{name}", b"3\n")
    return stream.getvalue()


STATES: dict[str, Callable[[Path], bytes]] = {
    "random bytes": lambda _: bytes(range(7, 251)),
    "empty": lambda _: b"",
    "code": lambda folder: saved({"cn1.weight": Evil(folder)}),
    "code, old format": lambda folder: saved(Evil(folder), _use_new_zipfile_serialization=False),
    "plain pickle of code, protocol 2": lambda folder: pickle.dumps(Evil(folder), 2),
    "plain pickle of code, protocol 5": lambda folder: pickle.dumps(Evil(folder), 5),
    "whole network": lambda _: saved(new_model(description())),
    "script": lambda _: _script(),
    "zip": lambda _: zipped("archive/data.pkl"),
    "zip with names that lead out": lambda _: zipped("../../outside/secret", "archive/data.pkl"),
    "one number, seen a billion times": lambda _: saved({"cn1.weight": torch.zeros(1).expand(1 << 30)}),
    "eight gigabytes claimed": lambda _: _claiming(),
    "pickle that takes long": lambda _: b"\x80\x02" + b")" * (60 << 20),
    "sparse tensor": lambda _: saved({"cn1.weight": torch.eye(3).to_sparse()}),
    "whole numbers": lambda _: saved({"cn1.weight": torch.zeros(3, dtype=torch.int64)}),
    "NaN weight": lambda _: saved({"cn1.weight": torch.full((3,), float("nan"))}),
    "nested dict": lambda _: saved({"state_dict": tensors()}),
    "cut": lambda _: saved(tensors())[:-300],
}
"""Contents of a .pth file that ``penstroke import`` must refuse."""
