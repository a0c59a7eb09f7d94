"""The parity gate."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy import ndarray

from penstroke import Classifier
from penstroke.data import Dataset, Split
from penstroke.errors import CheckFailed
from penstroke.export.gate import BATCH_SIZE, BOUND, ODD_BATCH, check_drawings, check_parity, mcnemar

Model = Callable[[ndarray], ndarray]


@pytest.fixture(scope="module")
def split() -> Split:
    """Return 300 random images of one pixel row, in three classes."""
    rng = np.random.default_rng(0)
    return Split(
        rng.integers(1, 255, (300, 1, 1, 4)).astype(np.uint8), rng.integers(0, 3, 300), ("a", "b", "c"), "test"
    )


def model(images: ndarray) -> ndarray:
    """Return log-probabilities that depend on the pixels."""
    logits = images.reshape(len(images), 4)[:, :3] / 64 + [0, 0.1, 0.3]
    return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)


def changed(amount: float, image: Callable[[ndarray], bool]) -> Model:
    """Return ``model`` with another probability of the first class for the images for which ``image`` is true."""

    def run(images: ndarray) -> ndarray:
        probabilities = np.exp(model(images))
        for row, one in zip(probabilities, images, strict=True):
            if image(one):
                row[0] += amount
                row[1] -= amount
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.log(np.abs(probabilities))

    return run


def first_in_a_batch(images: ndarray) -> ndarray:
    """Return a wrong output for batches of one image."""
    return model(images) if len(images) > 1 else model(255 - images)


def test_an_equal_model_passes_and_is_measured(split: Split) -> None:
    sizes = []

    def recorded(images: ndarray) -> ndarray:
        sizes.append((len(images), int(images.min()), int(images.max())))
        return model(images)

    parity = check_parity(recorded, model, split)
    right = int((model(split.images).argmax(1) == split.labels).sum())
    assert (parity.images, parity.largest_difference, parity.different_labels) == (300, 0, 0)
    assert (parity.correct, parity.correct_of_model, parity.p_value) == (right, right, 1)
    batches = [size for size, _, _ in sizes]
    assert batches == [BATCH_SIZE, 300 - BATCH_SIZE, 1, ODD_BATCH, 1, 1]
    assert [(low, high) for _, low, high in sizes[-2:]] == [(0, 0), (255, 255)]


@pytest.mark.parametrize(
    "runtime",
    [
        changed(2 * BOUND, lambda image: image[0, 0, 0] == 200),
        changed(2 * BOUND, lambda image: not image.any()),
        changed(2 * BOUND, lambda image: bool((image == 255).all())),
        first_in_a_batch,
        lambda images: model(255 - images),
    ],
    ids=["some images", "all 0", "all 255", "one image", "all images"],
)
def test_a_difference_on_any_image_or_edge_case_fails(split: Split, runtime: Model) -> None:
    with pytest.raises(CheckFailed, match=r"differs from the model by up to .* at most 0.0001"):
        check_parity(runtime, model, split)


def test_a_smaller_difference_passes(split: Split) -> None:
    parity = check_parity(changed(BOUND / 2, lambda image: True), model, split)
    assert parity.largest_difference == pytest.approx(BOUND / 2, rel=0.01)


def test_a_different_label_fails_even_if_the_probabilities_are_close(split: Split) -> None:
    def undecided(sign: float) -> Model:
        row = np.log(np.array([0.5 + sign * 1e-6, 0.5 - sign * 1e-6], np.float32))
        return lambda images: np.tile(row, (len(images), 1))

    two = Split(split.images, split.labels.clip(0, 1), ("a", "b"), "test")
    with pytest.raises(CheckFailed, match="in 310 labels of 310 images"):
        check_parity(undecided(1), undecided(-1), two)


@pytest.mark.parametrize("bound", [BOUND, None])
@pytest.mark.parametrize(
    ("runtime", "message"),
    [
        (lambda images: model(images).astype(np.float64), "returns float64 of shape"),
        (lambda images: model(images)[:, :2], r"shape \[310, 2\] instead of float32 of shape \[310, 3\]"),
        (lambda images: np.exp(model(images)), "not log-probabilities"),
        (changed(np.nan, lambda image: image[0, 0, 0] == 200), "not log-probabilities"),
    ],
    ids=["dtype", "shape", "probabilities", "NaN"],
)
def test_other_outputs_fail(split: Split, runtime: Model, message: str, bound: float | None) -> None:
    with pytest.raises(CheckFailed, match=message):
        check_parity(runtime, model, split, bound)


def errors_on(split: Split, count: int) -> Model:
    """Return a model that knows the labels, except those of the first ``count`` images."""
    known = {image.tobytes(): label for image, label in zip(split.images[count:], split.labels[count:], strict=True)}
    known |= {
        image.tobytes(): (label + 1) % 3 for image, label in zip(split.images[:count], split.labels, strict=False)
    }

    def run(images: ndarray) -> ndarray:
        labels = [known.get(image.tobytes(), 0) for image in images]
        return np.log(np.eye(3, dtype=np.float32)[labels] * 0.97 + 0.01)

    return run


def test_lower_precision_may_change_labels_but_not_lose_accuracy(split: Split) -> None:
    parity = check_parity(errors_on(split, 5), errors_on(split, 0), split, bound=None)
    assert (parity.correct, parity.correct_of_model) == (295, 300)
    assert parity.p_value == pytest.approx(2 * 0.5**5)
    assert parity.largest_difference == pytest.approx(0.97)
    with pytest.raises(CheckFailed, match=r"294 of 300 images correctly, significantly fewer .* 300 .*p = 0.031"):
        check_parity(errors_on(split, 6), errors_on(split, 0), split, bound=None)


def test_higher_accuracy_passes(split: Split) -> None:
    parity = check_parity(errors_on(split, 0), errors_on(split, 20), split, bound=None)
    assert parity.p_value < 0.001
    assert parity.correct > parity.correct_of_model


def test_mcnemar_counts_only_images_that_one_model_alone_classifies_correctly() -> None:
    """From the binomial distribution: of 10 such images, at most 2 in favour of one: 2 (1 + 10 + 45) / 1024."""
    right = np.array([1] * 50 + [0] * 50 + [1] * 8 + [0] * 2, bool)
    other = np.array([1] * 50 + [0] * 50 + [0] * 8 + [1] * 2, bool)
    assert mcnemar(right, other) == mcnemar(other, right) == pytest.approx(112 / 1024)
    assert mcnemar(right, right) == 1


def test_drawings_are_compared_with_the_preparation_of_the_package(
    book: Classifier, small: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstroke.export.gate.DRAWINGS", 20)
    sides = set()

    def with_shift(shift: int) -> Model:
        def run(drawing: ndarray) -> ndarray:
            assert drawing.dtype == np.uint8
            assert drawing.shape[0] == 1
            sides.add(drawing.shape[1:])
            return np.roll([book.predict(drawing[0]).probabilities], shift)

        return run

    parity = check_drawings(with_shift(0), book, small.test)
    assert (parity.drawings, parity.different_labels) == (20, 0)
    assert len(sides) > 5
    with pytest.raises(CheckFailed, match="another label than the model for 20 of 20 drawings"):
        check_drawings(with_shift(1), book, small.test)
