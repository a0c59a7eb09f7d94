"""Weights that others saved from this exercise, or from PyTorch's official MNIST example, made ours.

The one place where a file of Python's pickle format is opened, and with ``weights_only=True`` alone: such a file can
name tensors, and nothing else.
"""

import pickle  # for the name of its error; nothing is unpickled with it
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from penstroke.errors import ModelError
from penstroke.models.convnet import pooled_size
from penstroke.models.description import Description
from penstroke.models.files import new_model
from penstroke.recipes import ConvNetSpec

MAX_BYTES = 1 << 28
"""Largest file that is opened: 256 MiB, two hundred times what either network needs."""


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
    ours = dict(zip(kind.layers, KINDS[0].layers, strict=True))
    state = {f"{ours[name.partition('.')[0]]}.{name.partition('.')[2]}": value for name, value in state.items()}
    description = Description(
        network=_spec(path, state, kind, image_shape),
        image_shape=image_shape,
        classes=tuple(str(digit) for digit in range(len(state["fc2.weight"]))),
        mean=kind.mean,
        std=kind.std,
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
    if not path.is_file():
        raise _refused(path, "there is no such file" if not path.exists() else "it is no file")
    if (size := path.stat().st_size) > MAX_BYTES:
        raise _refused(path, f"it has {size} bytes, more than {MAX_BYTES}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as fault:
        if b"Unsupported" in str(fault).encode() or "global" in str(fault).lower():
            raise _refused(path, "it holds more than tensors (a whole model or code), which is never run") from fault
        raise _refused(path, "it is no file of PyTorch's, or a damaged one") from fault
    except Exception as fault:  # a damaged file makes PyTorch raise nearly anything
        raise _refused(path, f"it is no file of PyTorch's, or a damaged one ({type(fault).__name__})") from fault
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        raise _refused(path, "it is no plain state dict of names and tensors")
    if any(not value.is_floating_point() or value.is_sparse or value.is_quantized for value in state.values()):
        raise _refused(path, "its tensors are not all of a floating-point type")
    if not all(value.isfinite().all() for value in state.values()):
        raise _refused(path, "its weights are not all finite numbers")
    return {name.removeprefix("module."): value.float() for name, value in state.items()}


def _recognise(path: Path, state: dict[str, Tensor]) -> Kind:
    for kind in KINDS:
        if set(state) == {f"{layer}.{part}" for layer in kind.layers for part in ("weight", "bias")}:
            return kind
    names = ", ".join(sorted(state)[:6]) or "no tensors"
    raise _refused(path, f"its names are those of neither network: {names}{', ...' if len(state) > 6 else ''}")


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
