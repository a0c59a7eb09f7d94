"""Speed of an int8 model beside float32, from which follows whether int8 is recommended."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from penstroke.inference.backends import Backend
from penstroke.inference.backends.onnx import OnnxBackend
from penstroke.models.description import Description

REPEATS = {1: 300, 500: 7}
"""Number of measurements by batch size."""
WORTHWHILE = 1.1
"""int8 is recommended if it is this many times as fast as float32."""


@dataclass(frozen=True)
class Gain:
    """What int8 saves compared with float32, measured with onnxruntime on one thread of this machine."""

    float32_bytes: int
    """Size of the float32 file."""
    milliseconds: dict[str, dict[str, float]]
    """Median time of a batch, by batch size and precision."""

    @property
    def times_faster(self) -> dict[str, float]:
        """How many times as fast int8 is, by batch size."""
        return {size: times["float32"] / times["int8"] for size, times in self.milliseconds.items()}

    @property
    def recommended(self) -> bool:
        """Whether int8 is worthwhile: clearly faster at every batch size. The gate checks that it is as accurate."""
        return min(self.times_faster.values()) >= WORTHWHILE

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self) | {"times_faster": self.times_faster, "recommended": self.recommended}


def measure_gain(float32: bytes, int8: bytes, description: Description, images: UInt8[ndarray, "n c h w"]) -> Gain:
    """Measure a float32 ONNX file and an int8 one, on one thread.

    Args:
        float32: content of the float32 file.
        int8: content of the int8 file.
        description: the model's metadata.
        images: see ``milliseconds_of``.
    """
    contents = {"float32": float32, "int8": int8}
    runtimes = {name: OnnxBackend(content, description, threads=1) for name, content in contents.items()}
    return Gain(len(float32), milliseconds_of(runtimes, images))


def milliseconds_of(runtimes: Mapping[str, Backend], images: UInt8[ndarray, "n c h w"]) -> dict[str, dict[str, float]]:
    """Return the median time of a batch, by batch size and runtime.

    The runtimes are measured alternately, so that other load on the machine affects all of them equally.

    Args:
        runtimes: backends by name.
        images: images that are classified, repeated if there are fewer than a batch.
    """
    milliseconds = {}
    for size, repeats in REPEATS.items():
        batch = np.resize(images[:size], (size, *images.shape[1:]))
        times = np.array([[_seconds(runtime, batch) for runtime in runtimes.values()] for _ in range(repeats)])
        milliseconds[str(size)] = dict(zip(runtimes, (1000 * np.median(times, axis=0)).tolist(), strict=True))
    return milliseconds


def _seconds(runtime: Backend, batch: UInt8[ndarray, "n c h w"]) -> float:
    start = time.perf_counter()
    runtime.log_probs(batch, len(batch))
    return time.perf_counter() - start
