"""What an export makes: the format and its options, checked against each other. This module imports nothing heavy."""

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from penstroke.errors import UsageError, nearest

Format: TypeAlias = Literal["onnx", "torch", "npz", "web"]
Precision: TypeAlias = Literal["float32", "float16", "int8"]


@dataclass(frozen=True)
class Target:
    """The format of an export, and its options.

    Args:
        format: ``onnx``, ``torch`` (a ``.pt2`` file), ``npz`` (for NumPy) or ``web`` (a page).
        precision: of the weights in the file; other values than ``float32`` only for ``onnx``. ``float16`` stores the
            weights in half the size and computes in float32; ``int8`` also computes in int8.
        with_preparation: the ONNX model takes a drawing of any size instead of prepared images.
        single_file: the web page is one HTML file instead of a folder.

    Raises:
        UsageError: the format or the precision is unknown, or an option does not apply to the format.
    """

    format: Format
    precision: Precision = "float32"
    with_preparation: bool = False
    single_file: bool = False

    def __post_init__(self) -> None:
        for name, value, known in (
            ("format", self.format, get_args(Format)),
            ("precision", self.precision, get_args(Precision)),
        ):
            if value not in known:
                raise UsageError(f"The {name} {value!r} is unknown.", nearest(str(value), known))
        for name, given, only in (
            ("precision", self.precision != "float32", "onnx"),
            ("with-preparation", self.with_preparation, "onnx"),
            ("single-file", self.single_file, "web"),
        ):
            if given and self.format != only:
                raise UsageError(
                    f"{name} applies only to the format {only}, not to {self.format}.",
                    f"Omit {name}, or choose the format {only}.",
                )

    @property
    def file_name(self) -> str:
        """The default name of the file, or of the folder of a web page."""
        if self.format == "web":
            return "web.html" if self.single_file else "web"
        precision = "" if self.precision == "float32" else f"-{self.precision}"
        preparation = "-with-preparation" * self.with_preparation
        suffix = {"onnx": ".onnx", "torch": ".pt2", "npz": ".npz"}[self.format]
        return f"model{precision}{preparation}{suffix}"
