"""Compute an exported ONNX model with onnxruntime, on the CPU."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from jaxtyping import Float32, UInt8
from numpy import ndarray

from penstroke.errors import ModelError
from penstroke.inference.backends import BATCH_SIZE
from penstroke.models.description import Description
from penstroke.models.onnx_files import REMEDY, read_onnx
from penstroke.runtime import available_cores


class OnnxBackend:
    """Compute an ONNX model with onnxruntime.

    Args:
        content: an ONNX model with one input, ``uint8 [n, c, h, w]``, and one output, log-probabilities
            ``float32 [n, classes]``.
        description: what the model is.
        threads: number of threads; None selects one per core.

    Raises:
        ModelError: the content is not such a model.
    """

    name = "onnx"

    def __init__(self, content: bytes, description: Description, threads: int | None = None) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors only: warnings concern devices that are not used
        options.intra_op_num_threads = threads or available_cores()
        # Threads that wait actively would slow down the processes that prepare pictures.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        with _explained():
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        self._input = self._check(description)

    @classmethod
    def open(cls, path: Path, threads: int | None = None) -> "OnnxBackend":
        """Load a sealed ONNX file.

        Raises:
            ModelError: the file is missing or damaged, was modified, or was not exported by Penstroke.
        """
        description, content = read_onnx(path)
        return cls(content, description, threads)

    def log_probs(
        self, images: UInt8[ndarray, "n c h w"], batch_size: int = BATCH_SIZE
    ) -> Float32[ndarray, "n classes"]:
        """Return log-probabilities for raw images with pixels in 0..255. ``n`` is at least 1."""
        starts = range(0, len(images), batch_size)
        batches = (np.ascontiguousarray(images[start : start + batch_size]) for start in starts)
        with _explained():
            return np.concatenate([self._session.run(None, {self._input: batch})[0] for batch in batches])

    def weights(self) -> dict[str, ndarray]:
        """Raise an error: an ONNX file cannot be converted to a model file.

        Raises:
            ModelError: always.
        """
        raise ModelError(
            "An ONNX model cannot be saved as a model file.",
            "Copy the ONNX file, or use the run that it comes from; the bundled model can be saved after "
            "Classifier.load('ready', backend='torch').",
        )

    def _check(self, description: Description) -> str:
        """Return the name of the input."""
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        found = [_signature(value) for value in (*inputs, *outputs)]
        expected = [("tensor(uint8)", [*description.image_shape]), ("tensor(float)", [len(description.classes)])]
        if (len(inputs), len(outputs)) != (1, 1) or found != expected:
            raise ModelError(
                f"The inputs and outputs of the ONNX model are {found}, and its description requires {expected}.",
                "Use an ONNX file made by `penstroke export --to onnx` without --with-preparation.",
            )
        return str(inputs[0].name)


def _signature(value: Any) -> tuple[str, list[Any]]:
    """Return the type of an input or output, and its shape without the number of images."""
    return value.type, list(value.shape[1:])


@contextmanager
def _explained() -> Iterator[None]:
    """Convert errors of onnxruntime to ``ModelError``; its exceptions have no common public base class."""
    try:
        yield
    except Exception as error:
        if not type(error).__module__.startswith("onnxruntime"):
            raise
        raise ModelError(f"onnxruntime cannot compute the ONNX model: {str(error).splitlines()[0]}", REMEDY) from error
