"""Hostile model files, run folders and state dicts. Each is written by one small function into an empty folder.

``ACCEPTED`` holds unusual model files that are valid.
"""

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

from penstroke.models.description import Calibration, Description
from penstroke.networks import ConvNet

MARK = "MARK"
"""The file that hostile code creates in the folder when it is executed."""

Maker = Callable[[Path], object]


class Evil:
    """Creates the file MARK when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.mark = folder / MARK

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.mark}",)


def description(size: int = 12, channels: int = 1, threshold: float | None = None) -> Description:
    """Return the description of a small network for images of ``size`` x ``size`` pixels."""
    calibration = None if threshold is None else Calibration(threshold=threshold, images=100, rejected=1, wrong=2)
    return Description(
        network=ConvNet(channels=(2, 3), hidden=4),
        image_shape=(channels, size, size),
        classes=tuple("0123456789"),
        mean=(0.125, 0.25, 0.375)[:channels],
        std=(0.5, 0.625, 0.75)[:channels],
        calibration=calibration,
    )


def tensors(size: int = 12, channels: int = 1, **changes: torch.Tensor | None) -> dict[str, torch.Tensor]:
    """Return the weights of that network, with changes; two underscores in a name stand for a dot."""
    found = description(size, channels)
    network = found.network.build(found.image_shape, len(found.classes), found.mean, found.std)
    values: dict[str, Any] = dict(network.state_dict())
    values |= {name.replace("__", "."): value for name, value in changes.items()}
    return {name: value.contiguous().clone() for name, value in values.items() if value is not None}


def good(
    weights: dict[str, torch.Tensor] | None = None,
    text: str | None = None,
    size: int = 12,
    without: tuple[str, ...] = (),
    **changes: Any,
) -> bytes:
    """Return the content of a model file: valid by default, or with other weights, or changes in its metadata.

    Args:
        weights: the tensors.
        text: the metadata.
        size: side of the images, in pixels.
        without: keys that are removed from the metadata.
        changes: values of the metadata.
    """
    values = {key: value for key, value in (description(size).to_json() | changes).items() if key not in without}
    return save(
        tensors(size) if weights is None else weights, {"penstroke": json.dumps(values) if text is None else text}
    )


def calibrated(temperature: torch.Tensor | None = None, **changes: Any) -> bytes:
    """Return the content of a calibrated model file, with this temperature and changes in its calibration."""
    temperature = torch.tensor(1.5) if temperature is None else temperature
    values = description(threshold=0.4).to_json()
    return good(
        tensors(calibration__temperature=temperature),
        text=json.dumps(values | {"calibration": values["calibration"] | changes}),
    )


def coloured(text_std: list[float] | None = None, **changes: torch.Tensor | None) -> bytes:
    """Return the content of a model file for colour images, with changes of its tensors and its standard deviations."""
    values = description(channels=3).to_json()
    return good(tensors(12, 3, **changes), text=json.dumps(values | ({"std": text_std} if text_std else {})))


def with_header(change: Callable[[dict[str, Any]], object], trailing: bytes = b"") -> bytes:
    """Return a model file whose header ``change`` has modified."""
    content = good()
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    change(header)
    return framed(json.dumps(header).encode(), content[8 + length :] + trailing)


def framed(header: bytes, weights: bytes = b"") -> bytes:
    """Return a safetensors file: the length of the header, the header, the weights."""
    return struct.pack("<Q", len(header)) + header + weights


def zipped(*names: str, size: int = 10) -> bytes:
    """Return a zip archive with members of these names and this size."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, bytes(size))
    return stream.getvalue()


def saved(value: Any, **options: Any) -> bytes:
    """Return the bytes that ``torch.save`` writes."""
    stream = io.BytesIO()
    torch.save(value, stream, **options)
    return stream.getvalue()


def offsets(name: str, low: int, high: int) -> bytes:
    """Return a model file in which a tensor has other offsets."""
    return with_header(lambda header: header[name].update(data_offsets=[low, high]))


def retyped(kind: Any) -> bytes:
    """Return a model file in which a tensor has another dtype."""
    return with_header(lambda header: header["fc2.bias"].update(dtype=kind))


def sparse(path: Path, size: int, start: bytes = b"") -> None:
    """Write a sparse file with a start, and zeros up to its size."""
    path.write_bytes(start)
    os.truncate(path, size)


def _many(count: int) -> bytes:
    table = {f"t{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(count)}
    return with_header(lambda header: header.update(table))


def _socket(path: Path) -> None:
    before = Path.cwd()
    os.chdir(path.parent)  # the name of a socket must be short
    with socket.socket(socket.AF_UNIX) as endpoint:
        endpoint.bind(path.name)
    os.chdir(before)


BIG = 10**6
CONTENTS: dict[str, Callable[[Path], bytes]] = {
    "pickle, protocol 2": lambda folder: pickle.dumps(Evil(folder), 2),
    "pickle, protocol 5": lambda folder: pickle.dumps(Evil(folder), 5),
    "torch.save of code": lambda folder: saved(Evil(folder)),
    "torch.save of code, old format": lambda folder: saved(Evil(folder), _use_new_zipfile_serialization=False),
    "pickle in a safetensors frame": lambda folder: framed(pickle.dumps(Evil(folder))),
    "pickle after a valid model": lambda folder: good() + pickle.dumps(Evil(folder)),
    "zip": lambda _: zipped("model.safetensors"),
    "zip with names outside of its folder": lambda _: zipped("../../outside/secret", "/etc/x"),
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
    "header that is a list": lambda _: framed(b"[1, 2, 3]"),
    "header that is not UTF-8": lambda _: framed(b'{"\xff\xfe": 1}'),
    "header of 100,000 levels": lambda _: framed(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "header of 100 levels": lambda _: framed(b'{"a":' * 100 + b"1" + b"}" * 100),
    "100,000 tensors": lambda _: _many(100_000),
    "50,000 tensors": lambda _: _many(50_000),
    "no metadata": lambda _: save(tensors()),
    "metadata of another program": lambda _: save(tensors(), {"format": "pt"}),
    "metadata of the first version": lambda _: save(
        tensors(), {"format": "penstroke-model-1", "description": json.dumps(description().to_json())}
    ),
    "metadata that is an object": lambda _: with_header(lambda header: header["__metadata__"].update(penstroke={})),
    "metadata that is a list": lambda _: with_header(lambda header: header.update(__metadata__=[])),
    "newer format": lambda _: good(format=2),
    "much newer format": lambda _: good(format=10**200),
    "no format": lambda _: good(without=("format",)),
    "format 0": lambda _: good(format=0),
    "format that is text": lambda _: good(format="1"),
    "format that is true": lambda _: good(format=True),
    "format 1.5": lambda _: good(format=1.5),
    "no network": lambda _: good(without=("network",)),
    "no classes": lambda _: good(without=("classes",)),
    "no image shape": lambda _: good(without=("image_shape",)),
    "no network in the description": lambda _: good(network=None),
    "unknown network": lambda _: good(network={"kind": "transformer"}),
    "network without a kind": lambda _: good(network={"channels": [2, 3], "hidden": 4}),
    "network that is a path": lambda _: good(network="../../outside/secret"),
    "wrong shape": lambda _: good(tensors(fc2__bias=torch.zeros(11))),
    "missing tensor": lambda _: good(tensors(fc2__bias=None)),
    "unknown tensor": lambda _: good(tensors(more=torch.zeros(1))),
    "tensor name that is a path": lambda _: good(tensors() | {"../../outside/secret": torch.zeros(1)}),
    "double precision": lambda _: good({name: value.double() for name, value in tensors().items()}),
    "int64 weight": lambda _: good(tensors(fc2__bias=torch.zeros(10, dtype=torch.int64))),
    "int64 mean": lambda _: good(tensors(normalise__mean=torch.zeros(1, dtype=torch.int64)), mean=[0]),
    "eight-bit floats": lambda _: good(tensors(fc2__bias=torch.zeros(10).to(torch.float8_e4m3fn))),
    "unknown dtype": lambda _: retyped("F31"),
    "dtype that is a list": lambda _: retyped(["F32"]),
    "overlapping tensors": lambda _: offsets("fc2.bias", 0, 40),
    "tensor beyond the file": lambda _: offsets("fc2.bias", BIG, BIG + 40),
    "tensor before the file": lambda _: offsets("fc2.bias", -40, 0),
    "tensor backwards": lambda _: offsets("fc2.bias", 40, 0),
    "bytes after the weights": lambda _: good() + b"\0" * 8,
    "NaN weight": lambda _: good(tensors(fc2__bias=torch.full((10,), float("nan")))),
    "infinite weight": lambda _: good(tensors(cn1__weight=torch.full((2, 1, 3, 3), float("inf")))),
    "description of 100 levels": lambda _: good(trained={"a": json.loads("[" * 100 + "]" * 100)}),
    "description of 100,000 levels": lambda _: good(text="[" * 100_000 + "]" * 100_000),
    "description that is a list": lambda _: good(text="[]"),
    "infinite number": lambda _: good(text=json.dumps(description().to_json()).replace("0.125", "1e999")),
    "number of 5,000 digits": lambda _: good(text=json.dumps(description().to_json()).replace("0.125", "9" * 5000)),
    "network larger than any memory": lambda _: good(
        network={"kind": "convnet", "channels": [65536] * 2, "kernel_sizes": [1, 1], "hidden": 65536}
    ),
    "network of another size": lambda _: good(network={"kind": "convnet", "channels": [2, 4], "hidden": 4}),
    "images of a billion pixels": lambda _: good(image_shape=[1, 65536, 65536]),
    "images of infinite size": lambda _: good(
        text=json.dumps(description().to_json()).replace("12, 12", "1e999, 1e999")
    ),
    "standard deviation of 0": lambda _: good(tensors(normalise__std=torch.zeros(1)), std=[0.0]),
    "standard deviation of 0 in one channel": lambda _: coloured(
        [0.5, 0.0, 0.75], normalise__std=torch.tensor([0.5, 0.0, 0.75])
    ),
    "negative standard deviation": lambda _: good(tensors(normalise__std=torch.tensor([-0.5])), std=[-0.5]),
    "standard deviation that is NaN": lambda _: good(tensors(normalise__std=torch.full((1,), float("nan")))),
    "standard deviations in another order": lambda _: coloured(normalise__std=torch.tensor([0.625, 0.5, 0.75])),
    "mean that differs from the tensor": lambda _: good(mean=[0.25]),
    "mean of three values for one channel": lambda _: good(
        tensors(normalise__mean=torch.full((3,), 0.125)), mean=[0.125] * 3
    ),
    "mean of two values for three channels": lambda _: coloured(normalise__mean=torch.tensor([0.125, 0.25])),
    "mean of no value": lambda _: good(tensors(normalise__mean=torch.zeros(0)), mean=[]),
    "mean that is text": lambda _: good(mean=["0.125"]),
    "mean of 2": lambda _: good(tensors(normalise__mean=torch.tensor([2.0])), mean=[2.0]),
    "classes that do not match the weights": lambda _: good(classes=["0", "1"]),
    "class names with terminal escapes": lambda _: good(classes=["\x1b]0;gone\x07", *"123456789"]),
    "equal class names": lambda _: good(classes=["0"] * 10),
    "preprocessing that is a path": lambda _: good(preprocessing="../../outside/secret"),
    "data that is a list": lambda _: good(trained={"data": ["/etc"]}),
    "temperature of 0": lambda _: calibrated(torch.tensor(0.0)),
    "negative temperature": lambda _: calibrated(torch.tensor(-1.5)),
    "infinite temperature": lambda _: calibrated(torch.tensor(float("inf"))),
    "temperature that is NaN": lambda _: calibrated(torch.tensor(float("nan"))),
    "temperature near 0": lambda _: calibrated(torch.tensor(1e-40)),
    "two temperatures": lambda _: calibrated(torch.tensor([1.5, 1.5])),
    "temperature in a list": lambda _: calibrated(torch.tensor([1.5])),
    "int64 temperature": lambda _: calibrated(torch.tensor(2)),
    "float64 temperature": lambda _: calibrated(torch.tensor(1.5, dtype=torch.float64)),
    "threshold above 1": lambda _: calibrated(threshold=1.5),
    "negative threshold": lambda _: calibrated(threshold=-0.5),
    "threshold that is text": lambda _: calibrated(threshold="0.4"),
    "negative count of images": lambda _: calibrated(images=-1),
    "more rejected images than images": lambda _: calibrated(rejected=101),
    "calibration that is a list": lambda _: good(calibration=[0.4]),
    "calibration without a threshold": lambda _: good(calibration={"images": 100, "rejected": 1, "wrong": 2}),
}
"""Contents of a model file that must be rejected."""

ACCEPTED: dict[str, Callable[[], bytes]] = {
    "default description": good,
    "required keys only": lambda: good(without=("preprocessing", "calibration", "trained", "test")),
    "unknown key": lambda: good(added_later=[1, 2]),
    "calibrated": calibrated,
    "temperature without calibration": lambda: good(tensors(calibration__temperature=torch.tensor(2.0))),
    "one mean and standard deviation per channel": coloured,
}
"""Contents of a model file that are valid."""


def _link(target: str) -> Maker:
    return lambda folder: (folder / "model.safetensors").symlink_to(target)


FILES: dict[str, Maker] = {
    "link that leads out of the folder": _link("../outside/model.safetensors"),
    "link to a system file": _link("/etc/passwd"),
    "link to itself": _link("model.safetensors"),
    "link to a missing file": _link("nothing"),
    "link to a device": _link("/dev/zero"),
    "link to a terminal": _link("/dev/tty"),
    "folder": lambda folder: (folder / "model.safetensors").mkdir(),
    "pipe": lambda folder: os.mkfifo(folder / "model.safetensors"),
    "socket": lambda folder: _socket(folder / "model.safetensors"),
    "sparse file of a terabyte": lambda folder: sparse(folder / "model.safetensors", 1 << 40, good()),
    "sparse file of half a gigabyte": lambda folder: sparse(folder / "model.safetensors", 1 << 29, good()),
}
"""Objects in the place of a model file."""

RUNS: dict[str, Maker] = {
    "run.json that is a pipe": lambda folder: os.mkfifo(folder / "run.json"),
    "run.json that links out of the folder": lambda folder: (folder / "run.json").symlink_to("../outside/run.json"),
    "run.json of 100 levels": lambda folder: (folder / "run.json").write_text('{"a":' + "[" * 100 + "]" * 100 + "}"),
    "run.json of 100,000 levels": lambda folder: (folder / "run.json").write_text("[" * 100_000),
    "run.json of a gigabyte": lambda folder: sparse(folder / "run.json", 1 << 30, b"{"),
    "run.json that is a list": lambda folder: (folder / "run.json").write_text("[]"),
    "run.json that is not text": lambda folder: (folder / "run.json").write_bytes(b"\xff\xfe\0\x80"),
    "run.json of NaN": lambda folder: (folder / "run.json").write_text('{"state": "failed", "created": NaN}'),
    "run.json with an unknown state": lambda folder: (folder / "run.json").write_text(
        '{"state": "../../outside", "created": "1"}'
    ),
    "run.json whose data is a list": lambda folder: (folder / "run.json").write_text(
        '{"state": "finished", "created": "1", "data": ["/etc"]}'
    ),
}
"""Objects in the place of the ``run.json`` of a run."""


def _claiming() -> bytes:
    """Return a state dict in the old format that states a size of eight gigabytes and has fifty kilobytes."""
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
    "whole network": lambda _: saved(description().network.build((1, 12, 12), 10)),
    "script": lambda _: _script(),
    "zip": lambda _: zipped("archive/data.pkl"),
    "zip with names outside of its folder": lambda _: zipped("../../outside/secret", "archive/data.pkl"),
    "one number, expanded a billion times": lambda _: saved({"cn1.weight": torch.zeros(1).expand(1 << 30)}),
    "stated size of eight gigabytes": lambda _: _claiming(),
    "pickle that takes long": lambda _: b"\x80\x02" + b")" * (60 << 20),
    "sparse tensor": lambda _: saved({"cn1.weight": torch.eye(3).to_sparse()}),
    "int64 weight": lambda _: saved({"cn1.weight": torch.zeros(3, dtype=torch.int64)}),
    "NaN weight": lambda _: saved({"cn1.weight": torch.full((3,), float("nan"))}),
    "nested dict": lambda _: saved({"state_dict": tensors()}),
    "cut": lambda _: saved(tensors())[:-300],
}
"""Contents of a .pth file that ``penstroke import`` must reject."""
