"""Pictures of handwriting and objects: decoding, preprocessing for a network, segmentation of pages.

Names are imported on first use, because SciPy is slow to import. The functions ``prepare`` and ``segment`` are
imported from the modules of the same names.
"""

from typing import TYPE_CHECKING

import lazy_loader

from penstroke.errors import EmptyPicture

if TYPE_CHECKING:
    from penstroke.pictures.basics import Stage
    from penstroke.pictures.files import MAX_PIXELS, decode_picture, open_picture
    from penstroke.pictures.preprocessing import PREPROCESSINGS, load_pixels, preprocess, preprocess_with_stages

__all__ = [
    "MAX_PIXELS",
    "PREPROCESSINGS",
    "EmptyPicture",
    "Stage",
    "decode_picture",
    "load_pixels",
    "open_picture",
    "preprocess",
    "preprocess_with_stages",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "basics": ["Stage"],
        "files": ["MAX_PIXELS", "decode_picture", "open_picture"],
        "preprocessing": ["PREPROCESSINGS", "load_pixels", "preprocess", "preprocess_with_stages"],
    },
)
