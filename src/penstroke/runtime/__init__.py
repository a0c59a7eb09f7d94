"""The conditions of a training run or a prediction: device, threads, memory, random state, environment.

Importing this package imports neither torch nor NumPy. It does not depend on datasets, models or recipes.
"""

from penstroke.runtime.conditions import differences, environment
from penstroke.runtime.device import DEVICES, choose_device, training_dtype
from penstroke.runtime.memory import KEEP_MEMORY, enough_memory, release_pages
from penstroke.runtime.seeds import derived_seed, seed_step
from penstroke.runtime.settings import available_cores, configure

__all__ = [
    "DEVICES",
    "KEEP_MEMORY",
    "available_cores",
    "choose_device",
    "configure",
    "derived_seed",
    "differences",
    "enough_memory",
    "environment",
    "release_pages",
    "seed_step",
    "training_dtype",
]
