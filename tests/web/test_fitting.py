"""Pictures of things on the page: in Node.js, it computes the image that the model was trained on, bit for bit."""

from typing import Any

import numpy as np
import pytest
from numpy import ndarray
from support.node import run_node

from penstroke.pictures import preprocess

CODE = """
const { fit } = createFitting();
return values.map(({ picture, width, height, shape, preprocessing }) =>
  fit({ values: picture, width, height }, shape, preprocessing));"""


def cases() -> list[tuple[ndarray, tuple[int, int, int]]]:
    """Return pictures of many sizes, with the shape of the image that each is fitted into."""
    rng = np.random.default_rng(0)
    found = []
    for number in range(60):
        height, width = rng.integers(1, 90, 2) if number % 6 else rng.integers(150, 500, 2)
        channels, rows, columns = rng.choice([1, 3]), *rng.integers(1, 41, 2)
        coarse = rng.integers(0, 256, (2 + height // 9, 2 + width // 9, 3), np.uint8)
        picture = np.kron(coarse, np.ones((9, 9, 1), np.uint8))[:height, :width]
        noise = rng.integers(0, 60, (height, width, 3))
        found.append(((picture // 2 + noise).astype(np.uint8), (int(channels), int(rows), int(columns))))
    found.append((np.full((5, 900, 3), 7, np.uint8), (3, 32, 32)))
    found.append((found[0][0], (3, *found[0][0].shape[:2])))
    return found


@pytest.mark.parametrize("preprocessing", ["letterbox", "crop"])
def test_it_equals_the_images_of_the_training(preprocessing: str) -> None:
    pictures = cases()
    values: list[dict[str, Any]] = [
        {
            "picture": np.concatenate([picture, np.full_like(picture[..., :1], 255)], -1),
            "width": picture.shape[1],
            "height": picture.shape[0],
            "shape": shape,
            "preprocessing": preprocessing,
        }
        for picture, shape in pictures
    ]
    for (picture, shape), found in zip(pictures, run_node(CODE, values), strict=True):
        expected = preprocess(picture, preprocessing, shape)
        difference = np.abs(np.reshape(found, shape) - expected.astype(int))
        assert difference.max() == 0, (picture.shape, shape)
