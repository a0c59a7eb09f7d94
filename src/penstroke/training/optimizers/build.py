"""The optimizers of a recipe for the parameters of a network."""

from collections.abc import Collection
from typing import assert_never

from torch import nn

from penstroke.recipes import parts
from penstroke.training.optimizers.adadelta import Adadelta
from penstroke.training.optimizers.base import Optimizer
from penstroke.training.optimizers.flat import FlatWeights
from penstroke.training.optimizers.muon import Muon
from penstroke.training.optimizers.standard import SGD, Adam, AdamW, RMSprop

HEAD_BETAS = (0.7, 0.9)
"""Betas of the Adam that trains the parameters that Muon does not; small values suit short training runs."""


def build_optimizers(
    spec: parts.Optimizer, network: nn.Module, head: Collection[str], names: Collection[str] | None = None
) -> list[Optimizer]:
    """Return the optimizers that together train parameters of a network.

    Muon trains the matrices and kernels outside the head at ``lr``; Adam trains the other parameters at ``head_lr``.
    SGD without ``decay_biases`` is two optimizers, of which the one for biases and normalisation has no weight decay.

    Args:
        spec: the kind of optimizer and its options.
        network: the network to train.
        head: names of the layers that map features to classes.
        names: names of the parameters to train; None for all.
    """
    trained = {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}
    if names is not None:
        trained = {name: parameter for name, parameter in trained.items() if name in names}
    if isinstance(spec, parts.Muon):
        inner = [name for name, weight in trained.items() if weight.ndim > 1 and not _in_layers(name, head)]
        others = [weight for name, weight in trained.items() if name not in inner]
        matrices = [trained[name] for name in inner]
        muon = Muon(matrices, spec.lr, spec.momentum, rescale=spec.rescale, by_gram=spec.by_gram)
        return [muon, Adam(others, spec.head_lr, betas=HEAD_BETAS)]
    if isinstance(spec, parts.SGD) and not spec.decay_biases:
        matrices = [weight for weight in trained.values() if weight.ndim > 1]
        vectors = [weight for weight in trained.values() if weight.ndim <= 1]
        groups = ((matrices, spec.weight_decay), (vectors, 0.0))
        return [_sgd(spec, FlatWeights(weights), decay) for weights, decay in groups if weights]
    weights = FlatWeights(trained.values())
    match spec:
        case parts.Adadelta():
            return [Adadelta(weights, spec.lr, spec.weight_decay)]
        case parts.Adam():
            return [Adam(weights, spec.lr, spec.weight_decay)]
        case parts.AdamW():
            return [AdamW(weights, spec.lr, spec.weight_decay)]
        case parts.RMSprop():
            return [RMSprop(weights, spec.lr, spec.momentum, spec.weight_decay)]
        case parts.SGD():
            return [_sgd(spec, weights, spec.weight_decay)]
    assert_never(spec)


def _sgd(spec: parts.SGD, weights: FlatWeights, weight_decay: float) -> SGD:
    return SGD(weights, spec.lr, spec.momentum, weight_decay, nesterov=spec.nesterov)


def last_layer(network: nn.Module) -> str:
    """Return the name of the last layer with parameters: the head of a network that does not name one."""
    names = [name for name, _ in network.named_parameters()]
    return names[-1].rpartition(".")[0] if names else ""


def _in_layers(name: str, layers: Collection[str]) -> bool:
    return any(name.startswith(f"{layer}.") for layer in layers)
