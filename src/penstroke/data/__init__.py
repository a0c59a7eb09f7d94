"""Datasets: the catalogue, downloads, and readers that return ``Split``s of NumPy arrays.

Importing this package imports neither NumPy nor a library for downloads. Names other than those of the catalogue are
imported on first use. PyTorch is never imported.
"""

from typing import TYPE_CHECKING

import lazy_loader

from penstroke.data.catalog import CARDS, DatasetCard, card
from penstroke.data.source_names import split_source

if TYPE_CHECKING:
    from penstroke.data.description import describe
    from penstroke.data.fetch import cached, ensure, import_files
    from penstroke.data.sources import absolute_source, load
    from penstroke.data.split import Dataset, Split
    from penstroke.data.statistics import fingerprint, pixel_statistics, training_fingerprint
    from penstroke.data.stratified import stratified_split

__all__ = [
    "CARDS",
    "Dataset",
    "DatasetCard",
    "Split",
    "absolute_source",
    "cached",
    "card",
    "describe",
    "ensure",
    "fingerprint",
    "import_files",
    "load",
    "pixel_statistics",
    "split_source",
    "stratified_split",
    "training_fingerprint",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "fetch": ["cached", "ensure", "import_files"],
        "description": ["describe"],
        "sources": ["absolute_source", "load"],
        "split": ["Dataset", "Split"],
        "statistics": ["fingerprint", "pixel_statistics", "training_fingerprint"],
        "stratified": ["stratified_split"],
    },
)
