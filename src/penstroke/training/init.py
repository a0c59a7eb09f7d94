"""The first weights of a training that starts from another model.

A layer is loaded if all its tensors have the names and shapes that they have in the other model; the others start from
random weights. The output layer is loaded only if the classes are the same, too.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy import ndarray
from torch import nn

from penstroke import recipes
from penstroke.data import Split
from penstroke.errors import ModelError, RunError, UsageError
from penstroke.inference import Classifier
from penstroke.inference.source import is_bundled, model_path
from penstroke.models.description import Description
from penstroke.models.modules import load_module, tensors_of, weights_of
from penstroke.networks import NetworkSpec
from penstroke.networks.committee import Committee
from penstroke.networks.layers import wrap_module
from penstroke.networks.spec import UnregisteredNetwork
from penstroke.recipes import Recipe

NOT_LAYERS = ("normalise", "calibration")
"""Layers without trained weights: the first one, and the last one of a calibrated model."""

Shapes = Mapping[str, tuple[int, ...]]
"""The shape of each tensor of a network."""
Channels = float | tuple[float, ...] | None
"""One value for all channels, or one for each, or None to measure it on the training images."""


@dataclass(frozen=True, eq=False)
class Source:
    """A model whose weights another training starts from.

    Args:
        name: ``ready`` or the path of a run or model file; empty for a model in memory.
        description: the description of the model.
        weights: its tensors by name.
    """

    name: str
    description: Description
    weights: Mapping[str, ndarray]

    @property
    def title(self) -> str:
        """What messages call the model."""
        return self.name or "the given model"

    @property
    def sha256(self) -> str:
        """SHA-256 (hexadecimal) of names, shapes and values of the tensors."""
        digest = hashlib.sha256()
        for name in sorted(self.weights):
            array = np.ascontiguousarray(self.weights[name])
            digest.update(f"{name} {array.dtype} {array.shape}\n".encode() + array.tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Init:
    """What a training takes from another model."""

    source: str
    """``ready`` or the path of a run or model file; empty for a model in memory."""
    sha256: str
    """Hash of the weights of the model, hexadecimal."""
    loaded: tuple[str, ...]
    """Layers that start from its weights."""
    new: tuple[str, ...]
    """Layers that start from random weights."""
    freeze: float = 0.0
    """Fraction of the training, 0..1, in which the loaded layers do not change."""
    mean: tuple[float, ...] | None = None
    """Pixel mean of the model, if the first layer was trained with it and is loaded; otherwise None."""
    std: tuple[float, ...] | None = None
    """Pixel standard deviation, likewise."""
    weights: Mapping[str, ndarray] = field(default_factory=dict, repr=False, compare=False)
    """The tensors of the model; empty if a checkpoint contains later ones."""

    def load_into(self, network: nn.Module) -> None:
        """Copy the weights of the loaded layers into a network."""
        chosen = {name: torch.from_numpy(array) for name, array in self.weights.items() if _layer(name) in self.loaded}
        network.load_state_dict(chosen, strict=False)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, without the weights."""
        values: dict[str, Any] = {"source": self.source, "sha256": self.sha256, "freeze": self.freeze}
        values |= {"loaded": list(self.loaded), "new": list(self.new)}
        return values if self.mean is None else values | {"mean": list(self.mean), "std": list(self.std or ())}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Init":
        """Return what ``to_json`` wrote, without the weights."""
        mean, std = (tuple(values[name]) if values.get(name) else None for name in ("mean", "std"))
        loaded, new = tuple(values["loaded"]), tuple(values["new"])
        return cls(values["source"], values["sha256"], loaded, new, float(values["freeze"]), mean, std)

    def reopened(self) -> "Init":
        """Return the same with the weights, read again.

        Raises:
            RunError: the model is missing, or its weights have changed.
        """
        remedy = "Restore the model, or train a new run."
        if not self.source:
            raise RunError("The run started from a model in memory, and has no checkpoint.", "Train a new run.")
        try:
            source = open_source(self.source)
        except (ModelError, RunError) as error:
            raise RunError(f"The model that the run starts from cannot be read. {error.message}", remedy) from error
        if source.sha256 != self.sha256:
            raise RunError(f"The weights of {self.source} have changed since the run started from them.", remedy)
        return replace(self, weights=source.weights)

    def __str__(self) -> str:
        """Return a sentence about what is loaded."""
        kept = "" if self.mean is None else "; mean and standard deviation of the pixels are those of the model"
        frozen = f"; the loaded layers are frozen for {100 * self.freeze:.0f} % of the training" if self.freeze else ""
        return (
            f"the training starts from {self.source or 'the given model'}: layers loaded: {', '.join(self.loaded)}; "
            f"new: {', '.join(self.new) or 'none'}{kept}{frozen}"
        )


def open_source(init: Classifier | str | Path) -> Source:
    """Return the model that a training starts from.

    Args:
        init: a classifier, a run folder, a model file, or ``ready`` for the bundled model.

    Raises:
        RunError: the run does not exist.
        ModelError: the model is missing or damaged, or is an ONNX file.
    """
    if isinstance(init, Classifier):
        _check_single(init.source, init.description)
    if isinstance(init, Classifier) and init.backend_name == "torch":
        return Source(_full_name(init.source), init.description, init.backend.weights())
    given = init.source if isinstance(init, Classifier) else init
    path = model_path(given)
    if path.suffix == ".onnx":
        raise ModelError(
            f"{given} is an ONNX file: training cannot start from it.",
            "Use the run or the model file that the ONNX file comes from.",
        )
    module, description = load_module(path)
    _check_single(str(given), description)
    return Source(_full_name(str(given)), description, weights_of(module))


def _check_single(source: str, description: Description) -> None:
    if isinstance(description.network, Committee):
        raise ModelError(f"{source} is a committee: training cannot start from it.", "Name one of its members.")


def _full_name(source: str) -> str:
    """Return the source with an absolute path, so that it is found from another folder."""
    return source if not source or is_bundled(source) else str(Path(source).expanduser().resolve())


def resolve(
    recipe: Recipe | str,
    init: Init | Classifier | str | Path | None,
    freeze: float,
    train: Split,
    module: nn.Module | None = None,
) -> tuple[Recipe, Init | None]:
    """Return the recipe, and what the training takes from another model.

    Args:
        recipe: a recipe, or the name of one, whose network is then replaced by that of the model.
        init: the model, or what ``plan`` returned, or None.
        freeze: see ``plan``.
        train: the training images.
        module: the module that is trained instead of the network of the recipe.

    Raises:
        UsageError, RunError, ModelError: see ``open_source`` and ``plan``.
    """
    by_name = isinstance(recipe, str)
    recipe = recipes.get(recipe) if isinstance(recipe, str) else recipe
    if init is None and freeze:
        raise UsageError(
            f"freeze is {freeze}, and the training starts from random weights, which must be trained.",
            "Omit it, or name the model to start from (--init).",
        )
    if init is None or isinstance(init, Init):
        return recipe, init
    source = open_source(init)
    if module is None and by_name:
        recipe = recipe.replace(network=source.description.network)
    return recipe, plan(source, recipe.network if module is None else module, train, freeze)


def statistics(recipe: Recipe, init: Init | None) -> tuple[Channels, Channels]:
    """Return pixel mean and standard deviation: those of the other model if they are kept, or of the recipe."""
    return (init.mean, init.std) if init and init.mean else (recipe.mean, recipe.std)


def plan(source: Source, network: NetworkSpec | nn.Module, train: Split, freeze: float = 0.0) -> Init:
    """Return which layers of a network start from the weights of a model.

    Args:
        source: the model.
        network: the network to train.
        train: the training images.
        freeze: fraction of the training, 0..1, in which the loaded layers do not change.

    Raises:
        UsageError: the network is of another kind or no layer agrees, or ``freeze`` is not in 0..1 or nothing would be
            trained.
    """
    own = isinstance(network, nn.Module)
    spec = UnregisteredNetwork() if isinstance(network, nn.Module) else network
    theirs = source.description.network
    if theirs.kind != spec.kind:
        raise UsageError(
            f"The network to train is {spec.kind!r}, and that of {source.title} is {theirs.kind!r}: no layer has the "
            "same weights.",
            "Omit the options of the network (--network and others); then that of the model is used. In Python, use "
            "recipe.replace(network=classifier.description.network).",
        )
    shapes = _shapes(network, train)
    names = list(dict.fromkeys(_layer(name) for name in shapes))
    layers = [layer for layer in names if layer not in NOT_LAYERS]
    head = spec.head or tuple(layers[-1:])
    same_classes = source.description.classes == train.classes
    found = {name: array.shape for name, array in source.weights.items()}
    loaded = tuple(
        layer
        for layer in layers
        if _of(layer, shapes) == _of(layer, found) and (same_classes or not _inside(layer, head))
    )
    new = tuple(layer for layer in layers if layer not in loaded)
    if not loaded:
        raise UsageError(_nothing_agrees(source, layers, shapes, found, train), _size_remedy(source, train, own))
    _check_freeze(freeze, source, new)
    kept = layers[0] in loaded
    mean, std = (source.description.mean, source.description.std) if kept else (None, None)
    return Init(source.name, source.sha256, loaded, new, float(freeze), mean, std, source.weights)


def _shapes(network: NetworkSpec | nn.Module, train: Split) -> Shapes:
    if isinstance(network, nn.Module):
        state = wrap_module(network, (0.0,), (1.0,)).state_dict()
        return {name: tuple(value.shape) for name, value in state.items()}
    _, channels, height, width = train.images.shape
    tensors = tensors_of(network, (channels, height, width), len(train.classes))
    return {name: tensor.shape for name, tensor in tensors.items()}


def _layer(tensor: str) -> str:
    """Return the name of the layer that has a tensor."""
    return tensor.rpartition(".")[0]


def _of(layer: str, shapes: Shapes) -> Shapes:
    return {name: shape for name, shape in shapes.items() if _layer(name) == layer}


def _inside(layer: str, outer: tuple[str, ...]) -> bool:
    return any(layer == name or layer.startswith(f"{name}.") for name in outer)


def _check_freeze(freeze: float, source: Source, new: tuple[str, ...]) -> None:
    if not 0 <= freeze <= 1:
        raise UsageError(f"freeze is {freeze}; it must be a number from 0 to 1.", "Try 0.5.")
    if freeze and not new:
        raise UsageError(
            f"freeze is {freeze}, and all layers are loaded from {source.title}: nothing would be trained.",
            "Omit it (--freeze).",
        )


def _nothing_agrees(source: Source, layers: list[str], ours: Shapes, theirs: Shapes, train: Split) -> str:
    first = next(iter(_of(layers[0], ours)))
    has = list(theirs[first]) if first in theirs else "missing"
    images = "x".join(map(str, train.images.shape[1:]))
    return (
        f"No layer of the network to train, for images of {images}, has the shape that it has in {source.title}, for "
        f"images of {'x'.join(map(str, source.description.image_shape))}: {first} is {list(ours[first])} here and "
        f"{has} there."
    )


def _size_remedy(source: Source, train: Split, own: bool) -> str:
    _, height, width = source.description.image_shape
    if source.description.image_shape != train.images.shape[1:]:
        return f"Use images of the size and colour of the model's, for example with --size {width}x{height}."
    return "Use the same module." if own else "Omit the options of the network, such as --channels and --hidden."
