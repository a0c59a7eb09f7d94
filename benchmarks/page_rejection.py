"""Whether ``read`` finds digits where there are none: ``python -m benchmarks.page_rejection MODEL``.

Counts the pages of six kinds, and the pictures that scikit-image ships, on which ``read`` finds no digit. Writes
``benchmarks/results/page-rejection.json``. With ``--part development``, nothing is saved.
"""

from pathlib import Path
from typing import Any

import cyclopts
import numpy as np
import skimage
from jaxtyping import UInt8
from numpy import ndarray

from benchmarks.conditions import save_result
from benchmarks.pages_without_digits import KINDS, page_without_digits
from penstroke import Classifier, runtime

PICTURES = (
    "astronaut", "brick", "camera", "cat", "cell", "chelsea", "clock", "coffee", "coins", "colorwheel", "eagle",
    "grass", "gravel", "horse", "hubble_deep_field", "immunohistochemistry", "logo", "microaneurysms", "moon", "page",
    "retina", "rocket", "text",
)  # fmt: skip
"""Names in ``skimage.data``. Those that are not installed with the package are left out."""


def shipped_pictures() -> dict[str, UInt8[ndarray, "h w *c"]]:
    """Return the pictures that are installed with scikit-image, in grey or colour."""
    found = {}
    for name in PICTURES:
        try:
            picture = np.asarray(getattr(skimage.data, name)())
        except (OSError, ModuleNotFoundError, ValueError):  # would be downloaded
            continue
        picture = (255 * picture).astype(np.uint8) if picture.dtype == bool else picture
        found[name] = picture[..., :3] if picture.ndim == 3 else picture
    return found


def main(model: str = "ready", /, *, n: int = 84, part: str = "test") -> None:
    """Count the pages without digits on which none are found.

    Parameters
    ----------
    model
        A run folder, a model file, or ``ready``.
    n
        Number of pages of each kind.
    part
        ``test``, or ``development``, whose pages were used to choose the rules.
    """
    runtime.configure()
    classifier = Classifier.load(Path(model) if model != "ready" else model)
    rows: dict[str, Any] = {}
    for kind in KINDS:
        found = [len(classifier.read(page_without_digits(seed, kind, part)).digits) for seed in range(n)]
        rows[kind] = {"none": sum(not count for count in found), "n": n, "digits": sum(found)}
        print(f"{kind}: {rows[kind]}", flush=True)
    shipped = {name: len(classifier.read(picture).digits) for name, picture in shipped_pictures().items()}
    print(f"scikit-image: {shipped}", flush=True)
    if part == "test":
        print(f"Saved {save_result('page-rejection', {'model': model, 'kinds': rows, 'scikit-image': shipped})}")


if __name__ == "__main__":
    cyclopts.run(main)
