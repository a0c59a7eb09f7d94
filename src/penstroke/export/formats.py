"""``export_model``: make the files of a format, check them, and write them."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from penstroke import storage
from penstroke.data import Dataset
from penstroke.errors import ModelError, UsageError
from penstroke.export.gate import BOUND, ROUNDED_BOUND, DrawingParity, Parity, check_drawings, check_parity
from penstroke.export.graph import onnx_graph
from penstroke.export.npz import npz_bytes
from penstroke.export.precision import quantise, round_model, store_as_float16, with_arrays
from penstroke.export.program import program_of
from penstroke.export.runtimes import Runtime, open_drawing_onnx, open_npz, open_onnx, open_torch, open_web
from penstroke.export.speed import Gain, measure_gain
from penstroke.export.target import Target
from penstroke.export.torch_program import DESCRIPTION, torch_bytes
from penstroke.inference.backends.onnx import OnnxBackend
from penstroke.inference.backends.torch import TorchBackend
from penstroke.inference.classifier import Classifier
from penstroke.inference.source import is_bundled
from penstroke.models import bundled
from penstroke.models.description import Description
from penstroke.models.modules import load_module
from penstroke.models.onnx_files import HASH_KEY, seal

if TYPE_CHECKING:
    from onnx import ModelProto


@dataclass(frozen=True)
class Exported:
    """A model that was exported and passed the parity gate."""

    target: Target
    path: Path
    bytes: int
    """Size of the file, or of all files of the folder."""
    parity: Parity
    """The exported file compared with the model; with preparation, the network in it."""
    drawings: DrawingParity | None = None
    """With preparation: the exported file compared with the model on drawings."""
    gain: Gain | None = None
    """With int8: size and speed compared with float32."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            **asdict(self.target),
            "path": str(self.path),
            "bytes": self.bytes,
            "parity": asdict(self.parity),
            "drawings": asdict(self.drawings) if self.drawings else None,
            "int8": self.gain.to_json() if self.gain else None,
        }


@dataclass(frozen=True)
class _Source:
    """The model that is exported."""

    module: nn.Module
    """The network, on the CPU and in eval mode."""
    description: Description
    name: str
    """Name of the run or file, for display."""
    data: Dataset


@dataclass(frozen=True)
class _Made:
    """The files of an export, not written yet."""

    files: dict[str, bytes]
    """Content by file name."""
    runtime: Runtime
    """The files, opened by their own runtime."""
    bound: float | None = BOUND
    """See ``check_parity``."""
    drawings: DrawingParity | None = None
    gain: Gain | None = None


def export_model(classifier: Classifier, target: Target, path: str | Path, data: Dataset) -> Exported:
    """Export a model, compare the files with the model, and write them. An earlier export is replaced.

    Args:
        classifier: the model.
        target: format and options.
        path: the file that is written, or the folder of a web page. Missing parent folders are created.
        data: dataset whose test images the comparison uses; int8 is calibrated on its training images.

    Raises:
        CheckFailed: the exported files differ from the model; nothing is written.
        ModelError: the model cannot be exported in this format.
        DataError: the images of ``data`` do not have the model's shape.
        UsageError: ``path`` exists and is not an export of this format.
        StorageError: ``path`` cannot be written.
    """
    path = Path(path)
    source = _Source(_module(classifier), classifier.description, Path(classifier.source).name, data)
    is_folder = target.format == "web" and not target.single_file
    if not is_folder:
        _check_file(path, target)
    storage.check_writable(path.parent)  # before work of half a minute
    made = _MAKERS[target.format](source, target)
    if is_folder:
        _check_folder(path, made.files)
    model = Classifier.from_module(source.module, source.description)
    parity = check_parity(made.runtime, model.log_probs, data.test, made.bound)
    storage.make_folder(path.parent)
    if is_folder:
        storage.write_folder(path, made.files, replace=True)
    else:
        (content,) = made.files.values()
        storage.write_bytes(path, content)
    size = sum(map(len, made.files.values()))
    return Exported(target, path, size, parity, made.drawings, made.gain)


def _module(classifier: Classifier) -> nn.Module:
    """Return a copy of the network, on the CPU and in eval mode."""
    if isinstance(classifier.backend, TorchBackend):
        return deepcopy(classifier.backend.module).cpu().eval()
    if is_bundled(classifier.source):
        return load_module(bundled.WEIGHTS)[0]
    raise ModelError(
        f"{classifier.source} is an ONNX file; only runs and model files can be exported.",
        "Export the run or the model file that it comes from.",
    )


def _onnx(source: _Source, target: Target) -> _Made:
    description, data = source.description, source.data
    if target.with_preparation:
        from penstroke.export.drawing import check_preparable

        check_preparable(description)  # before work of half a minute
    model = float32 = onnx_graph(source.module, description)
    if target.precision == "float16":
        model = store_as_float16(float32)
    elif target.precision == "int8":
        model = quantise(float32, data.train.images)
    content = seal(model.SerializeToString(), description)
    made = _Made({"model.onnx": content}, open_onnx(content, description), BOUND if model is float32 else None)
    if target.precision == "int8":
        gain = measure_gain(seal(float32.SerializeToString(), description), content, description, data.test.images)
        made = replace(made, gain=gain)
    if target.with_preparation:
        made = _with_preparation(made, model, source)
    return made


def _with_preparation(made: _Made, model: "ModelProto", source: _Source) -> _Made:
    """Return the file that takes drawings instead of images, compared with the model ``made``."""
    from penstroke.export.drawing import with_preparation

    content = seal(with_preparation(model, source.description).SerializeToString(), source.description)
    (of_images,) = made.files.values()
    classifier = Classifier(OnnxBackend(of_images, source.description), source.description)
    drawings = check_drawings(open_drawing_onnx(content), classifier, source.data.test)
    return replace(made, files={"model.onnx": content}, drawings=drawings)


def _torch(source: _Source, target: Target) -> _Made:  # noqa: ARG001 - has no options
    content = torch_bytes(source.module, source.description)
    return _Made({"model.pt2": content}, open_torch(content))


def _npz(source: _Source, target: Target) -> _Made:  # noqa: ARG001 - has no options
    content = npz_bytes(program_of(onnx_graph(source.module, source.description)), source.description)
    return _Made({"model.npz": content}, open_npz(content))


def _web(source: _Source, target: Target) -> _Made:
    from penstroke.export.web import web_page

    graph = onnx_graph(source.module, source.description)
    program = program_of(graph)
    description = source.description.to_json() | {"source": source.name}
    files = web_page(program, description, single_file=target.single_file)
    runtime = open_web(files)
    rounded = with_arrays(graph, round_model(program.arrays)).SerializeToString()
    check_parity(runtime, open_onnx(rounded, source.description), source.data.test, ROUNDED_BOUND)
    return _Made(files, runtime, bound=None)


_MAKERS: dict[str, Callable[[_Source, Target], _Made]] = {"onnx": _onnx, "torch": _torch, "npz": _npz, "web": _web}
_MARKS = {
    "onnx": HASH_KEY.encode(),
    "torch": DESCRIPTION.encode(),
    "npz": b"description.npy",
    "web": b"<title>Penstroke",
}
"""Bytes that every exported file of a format has."""


def _check_file(path: Path, target: Target) -> None:
    """Check that nothing but an earlier export of the same format is replaced."""
    if path.is_dir():
        raise UsageError(f"{path} is a folder.", "Name the file that is written.")
    if path.exists() and _MARKS[target.format] not in path.read_bytes():
        raise UsageError(
            f"{path} exists and is not a file that was exported as {target.format}.", "Remove it, or name a new file."
        )


def _check_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Check that nothing but an earlier page is replaced: a folder without other files than ``files``."""
    if path.is_dir():
        others = sorted(entry.name for entry in path.iterdir() if entry.name not in files or entry.is_dir())
        if others or not path.name:
            raise UsageError(
                f"The folder {path} has other files than a web page: {', '.join(others[:3])}.", "Name a new folder."
            )
    elif path.exists():
        raise UsageError(f"{path} is a file.", "Name a folder, or use single-file.")
