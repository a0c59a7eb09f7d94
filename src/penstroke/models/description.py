"""What a model is, apart from its weights: the metadata of a model file. This module imports no torch."""

import dataclasses
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from penstroke.errors import ModelError, PenstrokeError
from penstroke.recipes import NETWORKS, NetworkSpec, network_from_json
from penstroke.untrusted import MAX_IMAGE_SIDE, open_contained, parse_json, reason

FORMAT = "penstroke-model-1"
PICTURE_RULES = ("digit", "letterbox")
MAX_BYTES = 1 << 30
"""Largest model file that is written or read."""
MAX_HEADER = 4 << 20
"""Bytes of the longest header that is read: the description, and a table of the weights."""
REMEDY = "Name a run folder or a model.safetensors made by `penstroke train` or `penstroke import`."


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What images held back from a training say of how sure its model may be."""

    temperature: float
    """What log-probabilities are divided by, before they add up to 1 again."""
    threshold: float
    """Least probability, 0..1, of the likeliest class that is given as an answer."""
    images: int
    """How many were held back."""
    refused: int
    """How many of them got no answer."""
    wrong: int
    """How many of those with an answer got a wrong one."""

    @classmethod
    def from_json(cls, values: Any) -> "Calibration":
        """Return the calibration whose fields are ``values``.

        Raises:
            ValueError: it is not one.
        """
        if not isinstance(values, dict) or values.keys() != {item.name for item in dataclasses.fields(cls)}:
            raise ValueError(f"calibration is {values!r}")
        made = cls(**values)
        counts = (made.images, made.refused, made.wrong)
        if any(type(count) is not int or count < 0 for count in counts) or made.refused + made.wrong > made.images:
            raise ValueError(f"calibration counts {counts}")
        if type(made.temperature) is not float or not 1e-3 <= made.temperature <= 1e3:
            raise ValueError(f"calibration has temperature {made.temperature!r}")
        if type(made.threshold) is not float or not 0 <= made.threshold <= 1:
            raise ValueError(f"calibration has threshold {made.threshold!r}")
        return made


@dataclass(frozen=True, kw_only=True)
class Description:
    """What a model is, apart from its weights."""

    network: NetworkSpec
    image_shape: tuple[int, int, int]
    """Channels, height and width of the images it takes."""
    classes: tuple[str, ...]
    mean: float
    """Pixel mean in 0..1 that its first layer takes off."""
    std: float
    """Pixel deviation in 0..1 that its first layer divides by."""
    picture_rule: str = "digit"
    """How a picture is prepared for it: see ``penstroke.pictures``."""
    calibration: Calibration | None = None
    """How sure it may be; None where nothing was held back to find that out."""
    trained: dict[str, Any] = field(default_factory=dict)
    """How it was trained: recipe, data, epochs done, versions."""
    test: dict[str, Any] | None = None
    """What its last test found: loss, correct, total, accuracy."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, from which ``from_json`` makes an equal description."""
        kind = next(name for name, spec in NETWORKS.items() if isinstance(self.network, spec))
        return dataclasses.asdict(self) | {"network": {"kind": kind} | dataclasses.asdict(self.network)}

    @classmethod
    def from_json(cls, values: Any) -> "Description":
        """Return the description that ``to_json`` wrote.

        Raises:
            KeyError, ValueError: it is not one.
        """
        if not isinstance(values, dict):
            raise ValueError("it is no JSON object")
        shape, classes, rule = values["image_shape"], values["classes"], values["picture_rule"]
        if not isinstance(shape, list) or len(shape) != 3 or any(type(side) is not int for side in shape):
            raise ValueError(f"image_shape is {shape}, and must be three whole numbers")
        if shape[0] not in (1, 3) or min(shape) < 1 or max(shape) > MAX_IMAGE_SIDE:
            raise ValueError(f"image_shape is {shape}: 1 or 3 channels, and sides up to {MAX_IMAGE_SIDE}, can be")
        if not isinstance(classes, list) or len(set(map(str, classes))) != len(classes) or len(classes) < 2:
            raise ValueError("classes must be at least two different names")
        # Names are printed: one that steers the terminal is no name.
        if not all(isinstance(name, str) and name.isprintable() for name in classes):
            raise ValueError("classes must be names that can be printed")
        if rule not in PICTURE_RULES:
            raise ValueError(f"picture_rule is {rule!r}, and must be one of {', '.join(PICTURE_RULES)}")
        trained, test = values["trained"], values["test"]
        data = trained.get("data", {}) if isinstance(trained, dict) else None
        if (
            not isinstance(data, dict)
            or not isinstance(data.get("source", ""), str)
            or not isinstance(test, dict | None)
        ):
            raise ValueError("trained, its data or test are not what they should be")
        return cls(
            network=network_from_json(values["network"]),
            image_shape=(shape[0], shape[1], shape[2]),
            classes=tuple(classes),
            mean=_share(values["mean"], "mean"),
            std=_share(values["std"], "std"),
            picture_rule=rule,
            calibration=None if values["calibration"] is None else Calibration.from_json(values["calibration"]),
            trained=trained,
            test=test,
        )


def _share(value: Any, name: str) -> float:
    if type(value) not in (int, float) or not 0 <= value <= 1 or (name == "std" and value == 0):
        raise ValueError(f"{name} is {value!r}, and must be a share of the largest pixel value, std above 0")
    return float(value)


def read_description(path: Path) -> Description:
    """Return the description in a model file, its weights unread.

    Raises:
        ModelError: there is no such file, or it is none of ours, or its description makes no sense.
    """
    with open_model(path) as (_, description, _):
        return description


@contextmanager
def open_model(path: Path) -> Iterator[tuple[BinaryIO, Description, dict[str, Any]]]:
    """Open a model file, its header checked: yield it, its description, and its table of weights by name.

    The table's entries are the file's own: `dtype`, `shape` and `data_offsets`, none of them checked.

    Raises:
        ModelError: as ``read_description`` does.
    """
    with _explained(path):
        file = open_contained(path)
    with file:
        with _explained(path):
            table = _read_header(file)
            description = _read_metadata(table.pop("__metadata__", None))
        yield file, description, table


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as fault:
        raise ModelError(f"There is no model file {path}.", REMEDY) from fault
    except (OSError, ValueError) as fault:
        why = reason(fault) if isinstance(fault, OSError) else fault
        raise ModelError(f"{path} is no model file that can be used: {why}.", REMEDY) from fault


def _read_metadata(metadata: Any) -> Description:
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise ValueError(f"it does not say that its format is {FORMAT!r}")
    if not isinstance(metadata.get("description"), str):
        raise ValueError("it has no description")
    try:
        return Description.from_json(parse_json(metadata["description"]))
    except PenstrokeError as fault:
        raise ValueError(f"its description does not make sense: {fault.message.rstrip('.')}") from fault
    except KeyError as fault:
        raise ValueError(f"its description lacks {fault}") from fault
    except ValueError as fault:
        raise ValueError(f"its description does not make sense: {fault}") from fault


def _read_header(file: BinaryIO) -> dict[str, Any]:
    """Return the header of a safetensors file: 8 bytes with its length, then that many bytes of JSON."""
    size = os.fstat(file.fileno()).st_size
    if size > MAX_BYTES:
        raise ValueError(f"it has {size} bytes, more than {MAX_BYTES}")
    start = file.read(9)
    if len(start) < 9:
        raise ValueError(f"it is cut or empty, with {size} bytes")
    length = int.from_bytes(start[:8], "little")
    if start[8:] != b"{":
        raise ValueError("it is no safetensors file")
    if length > MAX_HEADER:
        raise ValueError(f"its header has {length} bytes, more than {MAX_HEADER}")
    if 8 + length > size:
        raise ValueError(f"it is cut: its header has {length} bytes, {size - 8} are there")
    header = parse_json(start[8:] + file.read(length - 1))
    assert isinstance(header, dict), "what begins with a brace is an object"
    return header
