"""Import of third-party weights: state dicts of the textbook exercise, or of PyTorch's official MNIST example.

Such files are pickles. They are opened in a separate process, which first drops its permissions and returns the
tensors as safetensors; see ``unpickle``.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

import torch
from safetensors.torch import load
from torch import Tensor

from penstroke.errors import ModelError, UsageError
from penstroke.models import unpickle
from penstroke.models.description import Description
from penstroke.networks import ConvNet
from penstroke.networks.convnet import pooled_size
from penstroke.networks.layers import Network
from penstroke.storage.untrusted import open_plain, reason

MAX_BYTES = 1 << 26
"""Maximum size of a file in bytes: 64 MiB, thirteen times the size of the larger network."""
TIMEOUT = 120.0
"""Time limit, in seconds, of the process that opens a file; on a busy machine, importing PyTorch takes most of it."""


@dataclass(frozen=True)
class Kind:
    """A known architecture with its layer names."""

    title: str
    layers: tuple[str, str, str, str]
    """Names of the two convolutions and the two linear layers."""
    dropout: tuple[float, float]
    mean: float
    std: float


KINDS = (
    Kind("the textbook's exercise", ("cn1", "cn2", "fc1", "fc2"), (0.10, 0.25), 0.1302, 0.3069),
    Kind("PyTorch's official MNIST example", ("conv1", "conv2", "fc1", "fc2"), (0.25, 0.5), 0.1307, 0.3081),
)
_NORMALISATION = ("normalise.mean", "normalise.std")


def load_third_party(path: Path, image_shape: tuple[int, int, int] = (1, 28, 28)) -> tuple[Network, Description]:
    """Return the network of a plain state-dict file, in eval mode, and its description.

    Both architectures are the same function: convolution, ReLU, convolution, ReLU, 2x2 max-pool, linear, ReLU, linear,
    log-softmax. Widths and kernel sizes are read from the shapes. The normalisation is not part of such a file, and is
    that of the architecture; the state dict of a ``ConvNet`` of Penstroke contains it.

    Args:
        path: a file written by ``torch.save(model.state_dict(), path)``.
        image_shape: channels, height and width of the images that the network was trained on.

    Raises:
        ModelError: the file is not a state dict of one of these networks; the message gives the reason.
    """
    state = _read_state(path)
    kind = _recognise(path, state)
    mean, std = (
        tuple(state.pop(name).flatten().tolist()) if name in state else (default,)
        for name, default in zip(_NORMALISATION, (kind.mean, kind.std), strict=True)
    )
    renamed = dict(zip(kind.layers, KINDS[0].layers, strict=True))
    state = {f"{renamed[name.partition('.')[0]]}.{name.partition('.')[2]}": value for name, value in state.items()}
    try:
        description = Description(
            network=_spec(path, state, kind, image_shape),
            image_shape=image_shape,
            classes=tuple(str(digit) for digit in range(len(state["fc2.weight"]))),
            mean=mean,
            std=std,
            trained={"imported": {"file": path.name, "kind": kind.title}},
        )
        network = _network(description)
        network.load_state_dict(state)
    except UsageError as error:
        raise _rejected(path, error.message.rstrip(".")) from error
    except RuntimeError as error:  # a shape does not fit
        raise _rejected(path, " ".join(str(error).split())) from error
    return network.eval(), description


def _network(description: Description) -> Network:
    with torch.random.fork_rng(devices=[]):
        return description.network.build(
            description.image_shape, len(description.classes), description.mean, description.std
        )


def _rejected(path: Path, reason: str) -> ModelError:
    return ModelError(
        f"{path} cannot be imported: {reason}.",
        "Use a file written by torch.save(model.state_dict(), FILE) from the textbook's network "
        "(cn1 cn2 fc1 fc2) or PyTorch's MNIST example (conv1 conv2 fc1 fc2).",
    )


def _read_state(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file by name, without the prefix ``module.`` of DataParallel."""
    try:
        file = open_plain(path)
    except FileNotFoundError as error:
        raise _rejected(path, "the file does not exist") from error
    except OSError as error:
        raise _rejected(path, reason(error)) from error
    with file:
        size = os.fstat(file.fileno()).st_size
        if not 0 < size <= MAX_BYTES:
            raise _rejected(path, f"it has {size} bytes, more than {MAX_BYTES}" if size else "it is empty")
        state = load(_converted(path, file))
    return {name.removeprefix("module."): value for name, value in state.items()}


def _converted(path: Path, file: BinaryIO) -> bytes:
    """Return the tensors of a file as safetensors, converted by a separate process; see ``unpickle``."""
    command = [sys.executable, "-P", unpickle.__file__]
    with TemporaryFile() as result:
        try:
            code = subprocess.run(
                command, stdin=file, stdout=result, stderr=subprocess.DEVNULL, timeout=TIMEOUT, check=False
            ).returncode
        except subprocess.TimeoutExpired as error:
            raise _rejected(path, f"opening it takes more than {TIMEOUT:g} s") from error
        if code < 0:
            raise _rejected(path, f"opening it takes more than {unpickle.SECONDS:g} s, or crashes PyTorch")
        if code:
            raise _rejected(path, unpickle.REASONS.get(code, f"the process that opens it ended with exit code {code}"))
        result.seek(0)
        return result.read()


def _recognise(path: Path, state: dict[str, Tensor]) -> Kind:
    """Return the architecture whose layer names the state dict has."""
    for kind in KINDS:
        expected = {f"{layer}.{part}" for layer in kind.layers for part in ("weight", "bias")}
        if state.keys() - set(_NORMALISATION) == expected:
            return kind
    names = ", ".join(sorted(state)[:12]) or "no tensors"
    raise _rejected(path, f"its names match neither network: {names}{', ...' if len(state) > 12 else ''}")


def _spec(path: Path, state: dict[str, Tensor], kind: Kind, image_shape: tuple[int, int, int]) -> ConvNet:
    """Return the arguments of the network, read from the shapes of its weights.

    Raises:
        ModelError: the shapes are those of other layers.
        UsageError: the images are too small for the kernels.
    """
    for name, rank in (("cn1", 4), ("cn2", 4), ("fc1", 2), ("fc2", 2)):
        shape = list(state[f"{name}.weight"].shape)
        if len(shape) != rank or min(shape) < 1 or (rank == 4 and shape[2] != shape[3]):
            raise _rejected(path, f"{name}.weight has shape {shape}, which is invalid for this layer")
    first, second = state["cn1.weight"], state["cn2.weight"]
    kernel_sizes = (first.shape[2], second.shape[2])
    height, width = pooled_size(image_shape, kernel_sizes, (1, 1))
    expected, actual = second.shape[0] * height * width, state["fc1.weight"].shape[1]
    if expected != actual:
        raise _rejected(path, f"its first linear layer takes {actual} inputs, and the convolutions give {expected}")
    return ConvNet(
        channels=(first.shape[0], second.shape[0]),
        kernel_sizes=kernel_sizes,
        hidden=len(state["fc1.weight"]),
        dropout=kind.dropout,
    )
