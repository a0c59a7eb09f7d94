"""Penstroke trains, tests and runs classifiers of small images, handwritten digits first.

The public names are imported when they are first used: ``import penstroke`` imports neither torch, NumPy nor
scikit-learn.
"""

from typing import TYPE_CHECKING, Any

import lazy_loader

from penstroke.errors import MissingExtraError

if TYPE_CHECKING:
    from penstroke import recipes
    from penstroke.data import Dataset, load
    from penstroke.estimator import PenstrokeClassifier
    from penstroke.evaluation import evaluate
    from penstroke.inference import Classifier
    from penstroke.networks import ConvNet, PatchNet, ResNet, VGGNet
    from penstroke.recipes import Recipe
    from penstroke.training import Callback, StopTraining, fit

__version__ = "0.1.0"

__all__ = [
    "Callback",
    "Classifier",
    "ConvNet",
    "Dataset",
    "PatchNet",
    "PenstrokeClassifier",
    "Recipe",
    "ResNet",
    "StopTraining",
    "VGGNet",
    "__version__",
    "evaluate",
    "fit",
    "load",
    "recipes",
]

_load, __dir__, _ = lazy_loader.attach(
    __name__,
    submodules=["recipes"],
    submod_attrs={
        "data": ["Dataset", "load"],
        "estimator": ["PenstrokeClassifier"],
        "evaluation": ["evaluate"],
        "inference": ["Classifier"],
        "networks": ["ConvNet", "PatchNet", "ResNet", "VGGNet"],
        "recipes": ["Recipe"],
        "training": ["Callback", "StopTraining", "fit"],
    },
)


def __getattr__(name: str) -> Any:
    """Return a public name, which is imported when it is first used.

    Raises:
        MissingExtraError: it needs PyTorch or scikit-learn, which is not installed.
    """
    try:
        return _load(name)
    except ModuleNotFoundError as error:
        if package := {"torch": "torch", "sklearn": "scikit-learn"}.get(error.name or ""):
            raise MissingExtraError("train", f"This needs the package {package}, which is not installed.") from error
        raise
