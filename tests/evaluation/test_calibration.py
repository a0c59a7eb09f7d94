"""Temperature, rejection threshold and calibration error on data whose answer is known."""

import numpy as np
import pytest
from scipy.special import log_softmax

from penstroke.evaluation import MAX_TEMPERATURE, apply_temperature, calibrate, calibration_error


def drawn(n: int = 20_000, classes: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Return calibrated log-probabilities, and labels that were drawn with these probabilities."""
    random = np.random.RandomState(0)
    log_probs = log_softmax(2 * random.normal(size=(n, classes)), axis=1)
    labels = (random.uniform(size=(n, 1)) > np.exp(log_probs).cumsum(1)).sum(1).clip(max=classes - 1)
    return log_probs, labels


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_of_overconfident_log_probs_is_found(temperature: float) -> None:
    log_probs, labels = drawn()
    changed = log_softmax(log_probs * temperature, axis=1).astype(np.float32)
    found, _ = calibrate(changed, labels, 0.0)
    assert found == pytest.approx(temperature, rel=0.03)
    before, after = (
        calibration_error(np.exp(values), labels) for values in (changed, apply_temperature(changed, found))
    )
    assert after < 0.012
    assert temperature == 1 or after < before / 3


def test_the_temperature_has_bounds() -> None:
    log_probs, labels = drawn(200)
    certain = log_softmax(np.eye(5)[labels] * 0.1, axis=1)
    low, _ = calibrate(certain, labels, 0.0)
    high, _ = calibrate(1000 * log_probs, np.roll(labels, 1), 0.0)
    assert 1 / MAX_TEMPERATURE <= low < 1.01 / MAX_TEMPERATURE
    assert 0.99 * MAX_TEMPERATURE < high <= MAX_TEMPERATURE


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.25])
def test_the_threshold_rejects_the_least_probable_fraction(rate: float) -> None:
    log_probs, labels = drawn(2_000)
    temperature, found = calibrate(log_probs, labels, rate)
    calibrated = apply_temperature(log_probs, temperature)
    accepted = np.exp(calibrated).max(1) >= found.threshold
    assert (found.images, found.rejected) == (2_000, round(2_000 * rate)) == (2_000, (~accepted).sum())
    assert found.wrong == (accepted & (calibrated.argmax(1) != labels)).sum()
    assert (found.threshold > 0) == (rate > 0)


@pytest.mark.parametrize("images", [2, 99, 100])
def test_a_threshold_needs_a_hundred_images(images: int) -> None:
    log_probs, labels = drawn(images)
    _, found = calibrate(log_probs, labels, 0.05)
    assert (found.threshold > 0) == (images == 100)
    assert found.rejected == (5 if images == 100 else 0)


def test_a_temperature_equals_scipys_log_softmax() -> None:
    log_probs = np.array([[-1e4, 0.0, -3.0], [-1.0, -1.5, -0.9]], np.float32)
    result = apply_temperature(log_probs, 1.7)
    assert result.dtype == np.float64
    assert np.allclose(result, log_softmax(log_probs.astype(np.float64) / 1.7, axis=1), rtol=1e-14)


def test_the_calibration_error_of_known_cases() -> None:
    certain = np.tile([1.0, 0.0], (300, 1))
    assert calibration_error(certain, np.zeros(300, np.int64)) == 0
    assert calibration_error(certain, np.ones(300, np.int64)) == 1
    half = np.tile([0.75, 0.25], (400, 1))
    assert calibration_error(half, np.arange(400) % 2, bins=4) == pytest.approx(0.25)


def test_a_few_correct_predictions_do_not_make_the_model_certain() -> None:
    labels = np.arange(8) % 4
    log_probs = np.log(np.where(np.eye(4)[labels] == 1, 0.7, 0.1)).astype(np.float32)
    temperature, _ = calibrate(log_probs, labels, 0.0)
    certain = np.exp(apply_temperature(log_probs, temperature).max(1))
    assert 0.8 < certain.mean() < 0.95
