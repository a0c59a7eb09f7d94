"""Augmentation, pictures that show no digit, and what a training makes of both."""

import dataclasses
import json
from dataclasses import replace

import pytest
import torch
from trained import dataset, head, small

from penstroke import Classifier, fit, recipes
from penstroke.data.augment import NO_CLASS, distorted, joined, mixed_in
from penstroke.data.made_digits import made_digits
from penstroke.data.non_digits import non_digits, others
from penstroke.evaluation.calibration import calibrate, calibration_error
from penstroke.models.description import Calibration, Description
from penstroke.training.losses import smoothed_nll


def test_a_distortion_is_a_function_of_the_random_state_and_of_its_strength() -> None:
    images = head(dataset().train, 64).images
    torch.manual_seed(1)
    once = distorted(images, 0.6)
    torch.manual_seed(1)
    assert torch.equal(distorted(images, 0.6), once)
    assert once.shape == images.shape
    assert once.min() >= 0
    assert once.max() <= 255
    assert torch.equal(distorted(images, 0), images.float())
    changes = []
    for strength in (0.1, 0.5, 1.0):
        torch.manual_seed(2)
        changes.append(float((distorted(images, strength) - images).abs().mean()))
    assert changes == sorted(changes)
    assert changes[2] > 2 * changes[0]


def test_a_distorted_digit_stays_in_the_picture_and_keeps_its_ink() -> None:
    images = head(dataset().train, 256).images
    torch.manual_seed(3)
    ink = (distorted(images, 1.0) > 60).sum((1, 2, 3)) / (images > 60).sum((1, 2, 3))
    assert ink.quantile(0.02) > 0.15
    assert 0.6 < ink.median() < 1.5


def test_what_is_no_digit_comes_in_all_kinds_and_always_alike() -> None:
    made = non_digits(64, seed=5)
    assert made.shape == (64, 1, 28, 28)
    assert made.dtype == torch.uint8
    assert torch.equal(made, non_digits(64, seed=5))
    assert not torch.equal(made, non_digits(64, seed=6))
    assert len({tuple(image.flatten().tolist()) for image in made}) >= 61, "few are alike, such as scenes with no ink"
    assert (made.float().mean((1, 2, 3)) > 1).float().mean() > 0.9, "few are empty"


def test_joined_digits_stand_side_by_side() -> None:
    bars, rings = torch.zeros(2, 2, 1, 28, 28, dtype=torch.uint8)
    bars[..., 4:24, 11:16] = 200
    rings[..., 4:24, 8:20] = 250
    rings[..., 6:22, 10:18] = 0
    torch.manual_seed(0)
    for both in joined(bars, rings)[:, 0]:
        columns = (both > 60).any(0).nonzero()[:, 0]
        assert 14 <= len(columns) <= 20
        assert columns.tolist() == list(range(int(columns[0]), int(columns[-1]) + 1)), "they touch"
        assert abs(float(columns.float().mean()) - 13.5) <= 1, "in the middle"
        assert both[12, columns[1]] == 200
        assert both[5, columns[-2]] == 250


def test_a_wide_pair_is_made_smaller_until_it_fits() -> None:
    blocks = torch.zeros(1, 1, 28, 28, dtype=torch.uint8)
    blocks[..., 4:24, 4:24] = 255
    both = joined(blocks, blocks)[0, 0] > 60
    assert 19 <= int(both.any(0).sum()) <= 21
    assert 9 <= int(both.any(1).sum()) <= 12


def test_empty_pictures_join_as_nothing() -> None:
    empty = torch.zeros(1, 1, 28, 28, dtype=torch.uint8)
    assert not joined(empty, empty).any()


def test_made_digits_are_of_all_classes_and_always_alike() -> None:
    images, labels = made_digits(200, seed=1)
    assert set(labels.tolist()) == set(range(10))
    again = made_digits(200, seed=1)
    assert torch.equal(images, again[0])
    assert torch.equal(labels, again[1])
    assert ((images > 60).sum((1, 2, 3)) > 15).all()
    both, named = others(80, 1, torch.device("cpu"))
    assert both.shape == (80, 1, 28, 28)
    assert int((named != NO_CLASS).sum()) == 20


def test_a_share_of_a_batch_becomes_no_class() -> None:
    batch = head(dataset().train, 40)
    images, labels = mixed_in(batch.images, batch.labels, 0.2, (non_digits(16, 0), torch.full((16,), NO_CLASS)))
    assert images.shape == batch.images.shape
    assert (labels == NO_CLASS).tolist() == [True] * 8 + [False] * 32
    assert torch.equal(images[8:], batch.images[8:])
    assert torch.equal(labels[8:], batch.labels[8:])


def test_no_class_asks_for_all_classes_alike() -> None:
    even, sure = torch.full((1, 4), 0.25).log(), torch.tensor([[0.97, 0.01, 0.01, 0.01]]).log()
    nothing = torch.tensor([NO_CLASS])
    assert smoothed_nll(even, nothing, 0.0) < smoothed_nll(sure, nothing, 0.0)
    assert smoothed_nll(sure, torch.tensor([0]), 0.0) == pytest.approx(-sure[0, 0].item())


def test_a_temperature_mends_answers_that_are_too_sure() -> None:
    torch.manual_seed(0)
    true = torch.log_softmax(torch.randn(4000, 10) * 2, 1)
    labels = torch.multinomial(true.exp(), 1)[:, 0]
    found = calibrate(3 * true, labels, refuse=0.1)
    assert found.temperature == pytest.approx(3, rel=0.05)
    assert (found.images, found.refused) == (4000, 400)
    mended = torch.log_softmax(3 * true / found.temperature, 1)
    answered = mended.exp().amax(1) >= found.threshold
    assert found.wrong == int((mended.argmax(1) != labels)[answered].sum())
    before = calibration_error(torch.log_softmax(3 * true, 1).exp(), labels)
    assert calibration_error(mended.exp(), labels) < 0.02 < 0.1 < before


def test_calibration_error_is_the_mean_gap_between_sure_and_right() -> None:
    probabilities = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]])
    assert calibration_error(probabilities, torch.tensor([0, 0, 0, 1]), bins=2) == pytest.approx(0.1)


def test_a_training_that_holds_images_back_knows_how_sure_it_may_be() -> None:
    recipe = recipes.fast(validation=0.2, non_digits=0.1, distortion=0.3, epochs=2)
    fitted = fit(recipe, small(), "cpu")
    known = fitted.description.calibration
    assert known
    assert known.images == 400
    assert 0 < known.refused <= 3
    again = Description.from_json(json.loads(json.dumps(fitted.description.to_json())))
    assert again.calibration == known

    images = dataset().test.images[:200].numpy()
    strict = replace(fitted.description, calibration=dataclasses.replace(known, threshold=1.0))
    assert all(reading.abstained for reading in Classifier(fitted.model, strict).readings(images))
    lax = replace(fitted.description, calibration=dataclasses.replace(known, threshold=0.0))
    assert not any(reading.abstained for reading in Classifier(fitted.model, lax).readings(images))


@pytest.mark.parametrize(
    "wrong", [{"temperature": 0.0}, {"temperature": float("nan")}, {"threshold": 1.5}, {"wrong": -1}, {"more": 1}]
)
def test_a_calibration_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    good: dict[str, object] = {"temperature": 1.2, "threshold": 0.5, "images": 10, "refused": 1, "wrong": 0}
    assert Calibration.from_json(good).threshold == 0.5
    with pytest.raises(ValueError, match="calibration"):
        Calibration.from_json(good | wrong)
