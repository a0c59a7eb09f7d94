"""Models: networks with their description, in files.

``description`` and ``files`` do not import torch; ``modules`` and ``third_party`` do. The public names are imported
when they are first used.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from penstroke.models.description import Calibration, Description
    from penstroke.models.files import read_description, read_model, write_model
    from penstroke.models.modules import check_network, load_module, module_from, save_model, weights_of
    from penstroke.models.third_party import load_third_party

__all__ = [
    "Calibration",
    "Description",
    "check_network",
    "load_module",
    "load_third_party",
    "module_from",
    "read_description",
    "read_model",
    "save_model",
    "weights_of",
    "write_model",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "description": ["Calibration", "Description"],
        "files": ["read_description", "read_model", "write_model"],
        "modules": ["check_network", "load_module", "module_from", "save_model", "weights_of"],
        "third_party": ["load_third_party"],
    },
)
