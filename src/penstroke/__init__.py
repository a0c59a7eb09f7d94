"""Penstroke trains, tests and runs classifiers of small images, handwritten digits first.

The public names are imported when they are first used: ``import penstroke`` imports neither torch nor NumPy.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from penstroke import recipes
    from penstroke.data import Dataset, load
    from penstroke.evaluation import evaluate
    from penstroke.inference import Classifier
    from penstroke.networks import ConvNet, PatchNet
    from penstroke.recipes import Recipe
    from penstroke.training import Callback, StopTraining, fit

__version__ = "0.1.0"

__all__ = [
    "Callback",
    "Classifier",
    "ConvNet",
    "Dataset",
    "PatchNet",
    "Recipe",
    "StopTraining",
    "__version__",
    "evaluate",
    "fit",
    "load",
    "recipes",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submodules=["recipes"],
    submod_attrs={
        "data": ["Dataset", "load"],
        "evaluation": ["evaluate"],
        "inference": ["Classifier"],
        "networks": ["ConvNet", "PatchNet"],
        "recipes": ["Recipe"],
        "training": ["Callback", "StopTraining", "fit"],
    },
)
