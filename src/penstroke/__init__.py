"""Penstroke: train, test, explain, ship and serve classifiers of small images, handwritten digits first.

The public names are imported when they are first used, so that ``import penstroke`` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstroke import recipes
    from penstroke.data import load
    from penstroke.evaluation import evaluate
    from penstroke.inference import Classifier
    from penstroke.models import ConvNet
    from penstroke.training import fit

__version__ = "0.1.0"

__all__ = ["Classifier", "ConvNet", "__version__", "evaluate", "fit", "load", "recipes"]

_HOMES = {
    "Classifier": "inference",
    "ConvNet": "models",
    "evaluate": "evaluation",
    "fit": "training",
    "load": "data",
}


def __getattr__(name: str) -> Any:
    if name == "recipes":
        return import_module("penstroke.recipes")
    if name not in _HOMES:
        raise AttributeError(f"module 'penstroke' has no attribute {name!r}")
    return getattr(import_module(f"penstroke.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
