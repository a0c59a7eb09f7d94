"""Datasets: what there is, where it comes from, and how it becomes ``Split``s of tensors.

The catalogue needs no torch; everything else is imported when it is first asked for.
"""

from typing import TYPE_CHECKING, Any

from penstroke.data.catalog import CARDS, DatasetCard, card

if TYPE_CHECKING:
    from penstroke.data.sources import load
    from penstroke.data.split import Dataset, Split, carve

__all__ = ["CARDS", "Dataset", "DatasetCard", "Split", "card", "carve", "load"]

_LAZY = {"Split": "split", "Dataset": "split", "carve": "split", "load": "sources"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
