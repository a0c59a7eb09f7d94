"""Networks from and to model files. Importing this module imports torch."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor, nn

from penstroke.errors import ModelError, PenstrokeError, UsageError
from penstroke.models.committee import TEMPERATURE
from penstroke.models.description import Description
from penstroke.models.files import MAX_BYTES, MAX_HEADER, REMEDY, TensorType, open_model, write_model
from penstroke.networks import NetworkSpec
from penstroke.networks.layers import Network
from penstroke.networks.spec import per_channel

MIN_TEMPERATURE, MAX_TEMPERATURE = 1e-3, 1e3
"""Range of the temperatures that are accepted in a file."""


def load_module(path: Path) -> tuple[Network, Description]:
    """Return the network in a model file, on the CPU and in eval mode, and its description.

    Args:
        path: a file written by ``save_model``.

    Raises:
        ModelError: the file is missing, invalid or damaged, or its weights do not match its description.
    """
    with open_model(path) as model:
        with _named(path):
            # Before the weights are read, so that a wrong description allocates no memory.
            _check_tensors(model.tensors, _expected_tensors(model.description, TEMPERATURE in model.tensors))
        weights = model.read_weights()
    with _named(path):
        return module_from(model.description, weights), model.description


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Convert errors to a ``ModelError`` that names the file."""
    try:
        yield
    except PenstrokeError as error:
        raise ModelError(f"The model file {path} cannot be used. {error.message}", error.remedy) from error


def module_from(description: Description, weights: Mapping[str, ndarray]) -> Network:
    """Return the network of a description with the given weights, on the CPU and in eval mode.

    PyTorch's global generator is left unchanged.

    Args:
        description: what the model is.
        weights: tensors by name, as from ``weights_of``. With ``calibration.temperature``, the network is calibrated.

    Raises:
        ModelError: names, shapes, dtypes or values of the weights do not match the description.
        UsageError: the images are too small for the network.
    """
    tensors = {name: TensorType(array.dtype.name, array.shape) for name, array in weights.items()}
    _check_tensors(tensors, _expected_tensors(description, TEMPERATURE in weights))
    for name, values in (("mean", description.mean), ("std", description.std)):
        expected = per_channel(name, values, description.image_shape[0])
        if not np.array_equal(weights[f"normalise.{name}"], np.array(expected, np.float32)):
            raise ModelError(f"The {name} of the first layer does not match the description.", REMEDY)
    with torch.random.fork_rng(devices=[]):
        module = description.network.build(
            description.image_shape, len(description.classes), description.mean, description.std
        )
    temperatures = {name: float(array) for name, array in weights.items() if name.endswith(TEMPERATURE)}
    for temperature in temperatures.values():
        if not MIN_TEMPERATURE <= temperature <= MAX_TEMPERATURE:
            raise ModelError(
                f"The temperature is {temperature:g} but must be from {MIN_TEMPERATURE:g} to {MAX_TEMPERATURE:g}.",
                REMEDY,
            )
    if TEMPERATURE in temperatures:
        module = module.with_temperature(temperatures[TEMPERATURE])
    module.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    return module.eval()


def weights_of(module: nn.Module) -> dict[str, ndarray]:
    """Return a copy of the state dict of a network as NumPy arrays, with their dtypes.

    Raises:
        ModelError: a tensor has a dtype that NumPy lacks, such as bfloat16.
    """
    return {name: _array(name, value) for name, value in module.state_dict().items()}


def _array(name: str, value: Tensor) -> ndarray:
    try:
        return value.detach().cpu().contiguous().clone().numpy()
    except TypeError as error:
        raise ModelError(
            f"{name} has the dtype {value.dtype}, which a model file cannot store.",
            "Convert the network with `network.float()` before saving it.",
        ) from error


def save_model(path: Path, module: Network, description: Description) -> None:
    """Write the weights of a network and its description to a model file, atomically.

    Raises:
        StorageError: the file cannot be written; an existing file is left unchanged.
    """
    write_model(path, weights_of(module), description)


def check_network(spec: NetworkSpec, image_shape: tuple[int, int, int], classes: int) -> None:
    """Check that a network can be built for such images, without allocating memory for it.

    Raises:
        UsageError: the images are too small for the network, or its weights are too large for a model file.
    """
    tensors_of(spec, image_shape, classes)


def tensors_of(spec: NetworkSpec, image_shape: tuple[int, int, int], classes: int) -> dict[str, TensorType]:
    """Return the type of each tensor of a new network, built on the meta device."""
    too_large = UsageError(
        f"The weights of the network are larger than a model file can be, {MAX_BYTES} bytes.",
        "Use fewer channels or hidden units, or smaller images.",
    )
    try:
        with torch.device("meta"):
            module = spec.build(image_shape, classes)
    except (RuntimeError, OverflowError) as error:  # the sizes overflow
        raise too_large from error
    state: dict[str, Tensor] = module.state_dict()
    if sum(value.nbytes for value in state.values()) > MAX_BYTES - MAX_HEADER:
        raise too_large
    return {
        name: TensorType(str(value.dtype).removeprefix("torch."), tuple(value.shape)) for name, value in state.items()
    }


def _expected_tensors(description: Description, calibrated: bool) -> dict[str, TensorType]:
    """Return the type of each tensor that a model file with this description has."""
    expected = tensors_of(description.network, description.image_shape, len(description.classes))
    return expected | ({TEMPERATURE: TensorType("float32", ())} if calibrated else {})


def _check_tensors(actual: Mapping[str, TensorType], expected: Mapping[str, TensorType]) -> None:
    for name in sorted(expected.keys() | actual.keys()):
        if actual.get(name) not in _accepted(expected.get(name)):
            raise ModelError(
                f"The weights do not match the description: the tensor {name[:80]!r} is {_shown(actual.get(name))} "
                f"instead of {_shown(expected.get(name))}.",
                REMEDY,
            )


def _accepted(expected: TensorType | None) -> tuple[TensorType | None, ...]:
    """Return the types in which a file may store a tensor: its own, and half precision, which is converted."""
    if expected is None or expected.dtype != "float32":
        return (expected,)
    return expected, TensorType("float16", expected.shape)


def _shown(tensor: TensorType | None) -> str:
    return f"{tensor.dtype} {list(tensor.shape)}" if tensor else "missing"
