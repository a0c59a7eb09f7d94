"""Optimizers. They do not subclass ``torch.optim.Optimizer``, which imports PyTorch's compiler (about one second)."""

from penstroke.training.optimizers.adadelta import Adadelta
from penstroke.training.optimizers.base import Optimizer
from penstroke.training.optimizers.build import build_optimizers, last_layer
from penstroke.training.optimizers.flat import FlatWeights
from penstroke.training.optimizers.muon import Muon
from penstroke.training.optimizers.standard import SGD, Adam, AdamW, RMSprop

__all__ = [
    "SGD", "Adadelta", "Adam", "AdamW", "FlatWeights", "Muon", "Optimizer", "RMSprop", "build_optimizers", "last_layer",
]  # fmt: skip
