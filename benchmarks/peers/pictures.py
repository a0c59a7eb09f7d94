"""Read a folder of pictures as arrays, for the programs of this package."""

from pathlib import Path

import numpy as np
from PIL import Image


def read_pictures(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the pictures ``uint8 [n, h, w, 3]`` and the labels ``int64 [n]`` of a folder with one for each class."""
    images, labels = [], []
    for label, name in enumerate(sorted(path.name for path in folder.iterdir())):
        for path in sorted((folder / name).iterdir()):
            images.append(np.asarray(Image.open(path).convert("RGB")))
            labels.append(label)
    return np.stack(images), np.array(labels)
