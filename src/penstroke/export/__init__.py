"""Export of models: ONNX, PyTorch programs, NumPy arrays and web pages, each compared with its model.

Importing this package imports neither torch nor NumPy. The public names are imported when they are first used.
"""

from typing import TYPE_CHECKING

import lazy_loader

from penstroke.export.target import Target

if TYPE_CHECKING:
    from penstroke.export.formats import Exported, export_model

__all__ = ["Exported", "Target", "export_model"]

__getattr__, __dir__, _ = lazy_loader.attach(__name__, submod_attrs={"formats": ["Exported", "export_model"]})
