"""Images in the page are the images of the data, and colours have the sign of the value."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from penstroke.data import Dataset
from penstroke.report.html.images import (
    MAX_SIDE,
    attribution_pixels,
    data_uri,
    heat_uri,
    image_pixels,
    kernel_uris,
    map_uris,
    strip,
)


def pixels(uri: str) -> np.ndarray:
    head, _, content = uri.partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


def test_images_are_unchanged(small: Dataset) -> None:
    assert np.array_equal(pixels(data_uri(image_pixels(small.test.images[0]))), small.test.images[0, 0])
    colour = np.random.default_rng(0).integers(0, 256, (3, 20, 30), dtype=np.uint8)
    assert np.array_equal(pixels(data_uri(image_pixels(colour))), colour.transpose(1, 2, 0))


@pytest.mark.parametrize("shape", [(1, 500, 200), (3, 3, 1000), (1, 1, 65)])
def test_large_images_are_reduced(shape: tuple[int, int, int]) -> None:
    found = image_pixels(np.full(shape, 7, np.uint8))
    assert max(found.shape[:2]) == MAX_SIDE
    assert (found == 7).all()


def test_a_strip_holds_its_images_and_transparent_gaps(small: Dataset) -> None:
    found = pixels(strip(list(small.test.images[:3])))
    assert found.shape == (28, 3 * 28 + 4, 4)
    assert np.array_equal(found[:, 30:58, 0], small.test.images[1, 0])
    assert not found[:, 28:30, 3].any()


def test_maps_share_a_scale_and_constant_maps_are_drawn() -> None:
    maps = np.zeros((2, 10, 10), np.float32)
    maps[1, :5] = 4
    first, second = map(pixels, map_uris(maps))
    assert (first == 0).all()
    assert (second[0, 0], second[9, 9]) == (255, 0)
    assert (pixels(map_uris(np.ones((1, 4, 4), np.float32))[0]) == 0).all()


def test_the_sign_of_kernels_and_attributions_is_a_colour() -> None:
    red, blue = 0, 2
    kernel = pixels(kernel_uris(np.array([[[[1.0, -1.0], [0.0, 0.5]]]]))[0]).astype(int)
    assert kernel[0, 0, red] > kernel[0, 0, blue]
    assert kernel[0, 1, blue] > kernel[0, 1, red]
    assert (kernel[1, 0] == kernel[1, 0, 0]).all()
    found = attribution_pixels(np.full((1, 1, 3), 100, np.uint8), np.array([[[2.0, -2.0, 0.0]]])).astype(int)
    assert found[0, 0, red] > found[0, 0, blue]
    assert found[0, 1, blue] > found[0, 1, red]
    assert (found[0, 2] == 30).all()
    assert (attribution_pixels(np.zeros((1, 2, 2), np.uint8), np.zeros((1, 2, 2))) == 0).all()


def test_shares_become_stronger_colours() -> None:
    found = pixels(heat_uri(np.array([[0.0, 0.1, 1.0]]))).astype(int)
    assert found[0, 0, 2] > found[0, 1, 2] > found[0, 2, 2]
