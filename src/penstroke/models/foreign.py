"""Weights that others saved from this exercise, or from PyTorch's official MNIST example, made ours.

Such files are of Python's pickle format. They are opened in a process of its own, which gives up everything first, and
hands the tensors back as safetensors: see ``unpickle``.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

from safetensors.torch import load
from torch import Tensor, nn

from penstroke.errors import ModelError
from penstroke.models import unpickle
from penstroke.models.convnet import pooled_size
from penstroke.models.description import Description
from penstroke.models.files import new_model
from penstroke.recipes import ConvNetSpec
from penstroke.untrusted import open_plain, reason

MAX_BYTES = 1 << 26
"""Largest file that is opened: 64 MiB, thirteen times what the larger network needs."""
PATIENCE = 120.0
"""Seconds for the process that opens a file, most of which it waits for PyTorch on a busy machine."""


@dataclass(frozen=True)
class Kind:
    """A family of saved weights."""

    title: str
    layers: tuple[str, str, str, str]
    """Its names for the two convolutions and the two linear layers."""
    dropout: tuple[float, float]
    mean: float
    std: float


KINDS = (
    Kind("the textbook's exercise", ("cn1", "cn2", "fc1", "fc2"), (0.10, 0.25), 0.1302, 0.3069),
    Kind("PyTorch's official MNIST example", ("conv1", "conv2", "fc1", "fc2"), (0.25, 0.5), 0.1307, 0.3081),
)


def load_foreign(path: Path, image_shape: tuple[int, int, int] = (1, 28, 28)) -> tuple[nn.Module, Description]:
    """Return the network of a plain state-dict file, and its description.

    Both kinds are the same function: convolution, ReLU, convolution, ReLU, 2x2 max-pool, linear, ReLU, linear,
    log-softmax. Widths and kernel sizes are read off the shapes; how the images were normalised is not in such a
    file, and is taken from the kind.

    Args:
        path: a file made by ``torch.save(model.state_dict(), path)``.
        image_shape: channels, height and width of the images it was trained on.

    Raises:
        ModelError: it is anything else, with the reason.
    """
    state = _read_state(path)
    kind = _recognise(path, state)
    # Networks of our own class carry how images were normalised; those of the exercise do not.
    mean, std = (
        float(state.pop(name)) if name in state else usual
        for name, usual in (("normalise.mean", kind.mean), ("normalise.std", kind.std))
    )
    ours = dict(zip(kind.layers, KINDS[0].layers, strict=True))
    state = {f"{ours[name.partition('.')[0]]}.{name.partition('.')[2]}": value for name, value in state.items()}
    description = Description(
        network=_spec(path, state, kind, image_shape),
        image_shape=image_shape,
        classes=tuple(str(digit) for digit in range(len(state["fc2.weight"]))),
        mean=mean,
        std=std,
        trained={"imported": {"file": path.name, "kind": kind.title}},
    )
    model = new_model(description)
    try:
        model.load_state_dict(state)
    except RuntimeError as fault:
        raise _refused(path, " ".join(str(fault).split())) from fault
    return model.eval(), description


def _refused(path: Path, reason: str) -> ModelError:
    return ModelError(
        f"{path} cannot be imported: {reason}.",
        "Give a file made by torch.save(model.state_dict(), FILE) from the textbook's network "
        "(cn1 cn2 fc1 fc2) or PyTorch's MNIST example (conv1 conv2 fc1 fc2).",
    )


def _read_state(path: Path) -> dict[str, Tensor]:
    """Return the file's tensors by name, without a ``module.`` that DataParallel puts before each."""
    try:
        file = open_plain(path)
    except FileNotFoundError as fault:
        raise _refused(path, "there is no such file") from fault
    except OSError as fault:
        raise _refused(path, reason(fault)) from fault
    with file:
        size = os.fstat(file.fileno()).st_size
        if not 0 < size <= MAX_BYTES:
            raise _refused(path, f"it has {size} bytes, more than {MAX_BYTES}" if size else "it is empty")
        state = load(_converted(path, file))
    return {name.removeprefix("module."): value for name, value in state.items()}


def _converted(path: Path, file: BinaryIO) -> bytes:
    """Return the file's tensors as safetensors, made by a process of its own: see ``unpickle``."""
    command = [sys.executable, "-P", unpickle.__file__]
    with TemporaryFile() as result:
        try:
            code = subprocess.run(
                command, stdin=file, stdout=result, stderr=subprocess.DEVNULL, timeout=PATIENCE, check=False
            ).returncode
        except subprocess.TimeoutExpired as fault:
            raise _refused(path, f"opening it takes more than {PATIENCE:g} s") from fault
        if code < 0:
            raise _refused(path, f"opening it takes more than {unpickle.SECONDS:g} s, or breaks PyTorch")
        if code:
            raise _refused(path, unpickle.REASONS.get(code, f"the process that opens it ended with {code}"))
        result.seek(0)
        return result.read()


def _recognise(path: Path, state: dict[str, Tensor]) -> Kind:
    for kind in KINDS:
        names = {f"{layer}.{part}" for layer in kind.layers for part in ("weight", "bias")}
        if set(state) - {"normalise.mean", "normalise.std"} == names:
            return kind
    found = ", ".join(sorted(state)[:12]) or "no tensors"
    raise _refused(path, f"its names are those of neither network: {found}{', ...' if len(state) > 12 else ''}")


def _spec(path: Path, state: dict[str, Tensor], kind: Kind, image_shape: tuple[int, int, int]) -> ConvNetSpec:
    """Return the network's arguments, read off the shapes of its weights."""
    for name, rank in (("cn1", 4), ("cn2", 4), ("fc1", 2), ("fc2", 2)):
        shape = list(state[f"{name}.weight"].shape)
        if len(shape) != rank or min(shape) < 1 or (rank == 4 and shape[2] != shape[3]):
            raise _refused(path, f"{name}.weight has shape {shape}, which such a layer cannot have")
    first, second = state["cn1.weight"], state["cn2.weight"]
    kernel_sizes = (first.shape[2], second.shape[2])
    height, width = pooled_size(image_shape, kernel_sizes, (1, 1))
    wanted, found = second.shape[0] * height * width, state["fc1.weight"].shape[1]
    if wanted != found:
        raise _refused(path, f"its first linear layer takes {found} numbers, and the convolutions give {wanted}")
    return ConvNetSpec(
        channels=(first.shape[0], second.shape[0]),
        kernel_sizes=kernel_sizes,
        hidden=len(state["fc1.weight"]),
        dropout=kind.dropout,
    )
