"""The npz format: the named arrays of a model, its program and its description, for ``numpy_program``."""

import io
import json
from typing import Any

import numpy as np

from penstroke.export.program import Program
from penstroke.models.description import Description


def npz_bytes(program: Program, description: Description) -> bytes:
    """Return the content of an ``.npz`` file, which NumPy loads without pickle.

    The arrays have their names in the network; ``program`` and ``description`` are JSON text.
    """
    texts = {"program": program.to_json(), "description": description.to_json()}
    arrays: dict[str, Any] = program.arrays | {name: np.array(json.dumps(value)) for name, value in texts.items()}
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()
