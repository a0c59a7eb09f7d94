"""Recipes: complete, typed descriptions of training runs, and the functions that return the built-in ones.

Importing this package imports neither torch nor NumPy.
"""

from penstroke.recipes.options import Option, options
from penstroke.recipes.parts import (
    OPTIMIZERS,
    SCHEDULES,
    SGD,
    Adadelta,
    Adam,
    AdamW,
    Augmentation,
    Constant,
    Evaluation,
    Muon,
    OneCycle,
    Optimizer,
    RMSprop,
    Schedule,
    Selection,
    StepDecay,
    Validation,
)
from penstroke.recipes.presets import RECIPES, best, book, distilled, fast, general, get, robust, sprint
from penstroke.recipes.recipe import Recipe

__all__ = [
    "OPTIMIZERS",
    "RECIPES",
    "SCHEDULES",
    "SGD",
    "Adadelta",
    "Adam",
    "AdamW",
    "Augmentation",
    "Constant",
    "Evaluation",
    "Muon",
    "OneCycle",
    "Optimizer",
    "Option",
    "RMSprop",
    "Recipe",
    "Schedule",
    "Selection",
    "StepDecay",
    "Validation",
    "best",
    "book",
    "distilled",
    "fast",
    "general",
    "get",
    "options",
    "robust",
    "sprint",
]
