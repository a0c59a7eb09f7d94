"""Speed of int8 beside float32."""

import numpy as np
import pytest
from numpy import ndarray

from penstroke.export import speed
from penstroke.export.speed import Gain, milliseconds_of


@pytest.mark.parametrize(
    ("single", "batch", "recommended"), [(2.0, 2.0, True), (2.0, 1.0, False), (1.0, 2.0, False), (1.05, 1.05, False)]
)
def test_int8_is_recommended_if_it_is_faster_at_every_batch_size(
    single: float, batch: float, recommended: bool
) -> None:
    gain = Gain(1000, {"1": {"float32": single, "int8": 1.0}, "500": {"float32": 10 * batch, "int8": 10.0}})
    assert gain.times_faster == {"1": single, "500": batch}
    assert gain.recommended == recommended
    assert gain.to_json()["recommended"] == recommended


def test_runtimes_are_measured_alternately_on_whole_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    calls = []

    class Backend:
        def __init__(self, name: str, seconds: float) -> None:
            self.name, self.seconds = name, seconds

        def log_probs(self, images: ndarray, batch_size: int = 1) -> ndarray:
            calls.append((self.name, len(images), batch_size))
            clock[0] += self.seconds * len(images)
            return images

        def weights(self) -> dict[str, ndarray]:
            return {}

    monkeypatch.setattr(speed, "REPEATS", {1: 3, 500: 2})
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    runtimes = {"a": Backend("a", 0.001), "b": Backend("b", 0.002)}
    found = milliseconds_of(runtimes, np.zeros((7, 1, 2, 2), np.uint8))
    assert found["1"] == pytest.approx({"a": 1, "b": 2})
    assert found["500"] == pytest.approx({"a": 500, "b": 1000})
    assert calls == [("a", 1, 1), ("b", 1, 1)] * 3 + [("a", 500, 500), ("b", 500, 500)] * 2
