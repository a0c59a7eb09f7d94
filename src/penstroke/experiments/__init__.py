"""Experiments: many trainings that differ in the seed or in fields of the recipe, with one table and one figure.

Importing this package imports neither torch nor NumPy; names that need them are imported on first use.
"""

from typing import TYPE_CHECKING

import lazy_loader

from penstroke.experiments.plan import Experiment, Plan, Setting, build_plan
from penstroke.experiments.variations import Variation, parse_variation

if TYPE_CHECKING:
    from penstroke.experiments.runner import open_experiments, run_experiments
    from penstroke.experiments.table import Row, Table, build_table

__all__ = [
    "Experiment",
    "Plan",
    "Row",
    "Setting",
    "Table",
    "Variation",
    "build_plan",
    "build_table",
    "open_experiments",
    "parse_variation",
    "run_experiments",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "runner": ["open_experiments", "run_experiments"],
        "table": ["Row", "Table", "build_table"],
    },
)
