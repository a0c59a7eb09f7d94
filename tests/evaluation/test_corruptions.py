"""Corruptions: equal seeds give equal images, more severity more damage, and each family does what it says."""

from itertools import pairwise

import numpy as np
import pytest

from penstroke.data import Dataset
from penstroke.errors import UsageError
from penstroke.evaluation import CORRUPTIONS, corrupt
from penstroke.evaluation.corruptions import CHUNK, SEVERITIES

FAMILIES = sorted(CORRUPTIONS)


@pytest.fixture(scope="module")
def images(sample: Dataset) -> np.ndarray:
    return sample.test.images[:100]


def test_there_are_sixteen_families() -> None:
    assert len(CORRUPTIONS) == 16
    assert all(function.__doc__ for function in CORRUPTIONS.values())


@pytest.mark.parametrize("name", FAMILIES)
def test_equal_seeds_give_equal_images(images: np.ndarray, name: str) -> None:
    before = images.copy()
    first, second = corrupt(images, name, 3, seed=1), corrupt(images, name, 3, seed=1)
    assert (first.dtype.name, first.shape) == ("uint8", images.shape)
    assert np.array_equal(first, second)
    assert np.array_equal(images, before)
    assert not np.array_equal(first, images)
    fixed = name in ("zoom_blur", "scale", "brightness", "canny_edges")
    assert np.array_equal(first, corrupt(images, name, 3, seed=2)) == fixed


@pytest.mark.parametrize("name", FAMILIES)
def test_damage_increases_with_severity(images: np.ndarray, name: str) -> None:
    if name == "canny_edges":
        pytest.skip("edges differ from the image as much at every severity")
    damage = [np.abs(corrupt(images, name, level).astype(int) - images).mean() for level in SEVERITIES]
    # The clouds of fog become finer from severity 3 to 4, at the same density.
    assert all(later > 0.98 * earlier for earlier, later in pairwise(damage)), damage
    assert name == "fog" or damage == sorted(damage)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("shape", [(3, 1, 8, 8), (2, 3, 40, 60), (0, 1, 28, 28)])
def test_images_of_other_sizes(name: str, shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert corrupt(images, name, 5).shape == shape


@pytest.mark.parametrize("name", FAMILIES)
def test_a_blank_image_gives_no_warning(name: str) -> None:
    assert corrupt(np.zeros((2, 1, 28, 28), np.uint8), name, 5).shape == (2, 1, 28, 28)


def test_chunks_have_different_random_states() -> None:
    images = np.full((CHUNK + 1, 1, 8, 8), 128, np.uint8)
    found = corrupt(images, "impulse_noise", 5)
    assert not np.array_equal(found[0], found[CHUNK])
    assert np.array_equal(found[:CHUNK], corrupt(images[:CHUNK], "impulse_noise", 5))


def test_known_effects(images: np.ndarray) -> None:
    assert np.array_equal(corrupt(images, "brightness", 2), np.minimum(images.astype(int) + 51, 255))
    moved = corrupt(images, "translate", 2)
    pad = np.pad(images, ((0, 0), (0, 0), (2, 2), (2, 2)))
    corners = [pad[:, :, y : y + 28, x : x + 28] for y in (0, 4) for x in (0, 4)]
    matches = [np.array([np.array_equal(a, b) for a, b in zip(moved, each, strict=True)]) for each in corners]
    assert np.array(matches).sum(0).min() >= 1
    assert all(match.sum() > 10 for match in matches)
    noise = corrupt(np.full((200, 1, 28, 28), 128, np.uint8), "impulse_noise", 4)
    assert (noise == 0).mean() == pytest.approx(0.085, abs=0.003)
    assert (noise == 255).mean() == pytest.approx(0.085, abs=0.003)
    photons = corrupt(np.full((200, 1, 28, 28), 102, np.uint8), "shot_noise", 3) / 255
    assert photons.mean() == pytest.approx(0.4, abs=0.005)
    assert photons.var() == pytest.approx(0.4 / 12, rel=0.05)
    ink = [corrupt(images, "scale", level).sum() / images.sum() for level in (1, 5)]
    assert ink == pytest.approx([0.81, 0.25], rel=0.05)
    lines = [corrupt(np.zeros((50, 1, 28, 28), np.uint8), "dotted_line", level) > 0 for level in (1, 5)]
    assert 10 < lines[0].sum((1, 2, 3)).mean() < 18 < 40 < lines[1].sum((1, 2, 3)).mean()


def test_a_rotation_turns_about_the_centre() -> None:
    image = np.zeros((40, 1, 29, 29), np.uint8)
    image[:, :, 14, 14:26] = 255  # a line from the centre to the right
    turned = corrupt(image, "rotate", 5)[:, 0].astype(float)
    rows, columns = np.mgrid[:29, :29] - 14
    mass = turned.sum((1, 2))
    angle = np.arctan2((turned * rows).sum((1, 2)) / mass, (turned * columns).sum((1, 2)) / mass)
    assert sorted({round(float(each), 1) for each in angle}) == [-1.0, 1.0]


def test_the_edges_of_an_image_do_not_depend_on_others(images: np.ndarray) -> None:
    whole = corrupt(images, "canny_edges", 1)
    assert all(np.array_equal(whole[i], corrupt(images[i : i + 1], "canny_edges", 1)[0]) for i in range(len(images)))


def test_edges_are_those_of_scikit_image(images: np.ndarray) -> None:
    from skimage.feature import canny

    found = corrupt(images, "canny_edges", 2)[:, 0] > 0
    expected = [canny(image[0] / 255, sigma=0.9, low_threshold=0.2, high_threshold=0.4) for image in images]
    overlap = (found & expected).sum() / np.maximum((found | expected).sum(), 1)
    assert overlap > 0.85  # its thresholds are absolute, and its gradients are those of Sobel


@pytest.mark.parametrize(("name", "severity"), [("rottate", 3), ("rotate", 0), ("rotate", 6), ("rotate", 2.5)])
def test_an_unknown_corruption_is_rejected(images: np.ndarray, name: str, severity: int) -> None:
    with pytest.raises(UsageError, match=r"does not exist|from 1 to 5"):
        corrupt(images, name, severity)
