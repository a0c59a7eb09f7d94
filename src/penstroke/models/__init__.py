"""Networks: each takes raw images 0..255 and returns log-probabilities.

What needs torch is imported when it is first asked for; ``models.description`` does without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstroke.models.build import build
    from penstroke.models.convnet import ConvNet

__all__ = ["ConvNet", "build"]

_HOMES = {"ConvNet": "convnet", "build": "build"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
