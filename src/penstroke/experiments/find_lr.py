"""The learning-rate range test (Smith, 2015, https://arxiv.org/abs/1506.01186). Imports torch.

A network is trained for a few hundred steps while the learning rate rises exponentially. Only training images are used:
neither the validation split nor the test split is read.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from penstroke.data import Dataset
from penstroke.errors import UsageError
from penstroke.recipes import Recipe
from penstroke.runtime import choose_device
from penstroke.training.adapt import adapt
from penstroke.training.loop import step_of
from penstroke.training.start import build_start, split_validation

LOW, HIGH = 1e-5, 100.0
"""The range of learning rates."""
STEPS = 350
"""Number of steps: 50 for each factor of ten."""
SMOOTHING = 0.9
"""Weight of the past in the exponential mean of the losses."""
STOP = 4.0
"""The test ends when the mean loss exceeds its lowest value by this factor."""
MARGIN = 10.0
"""The suggested learning rate is that of the lowest loss divided by this factor."""


@dataclass(frozen=True)
class RangeTest:
    """The result of a range test; each tuple has one value for each step.

    Args:
        rates: learning rates, increasing.
        losses: losses of the batches.
        smoothed: exponential mean of the losses, corrected for its start.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]

    @property
    def lowest(self) -> float:
        """The learning rate with the lowest mean loss."""
        return self.rates[self.smoothed.index(min(self.smoothed))]

    @property
    def steepest(self) -> float:
        """The learning rate at which the mean loss falls fastest, before its lowest value."""
        last = max(1, self.smoothed.index(min(self.smoothed)))
        window = max(1, STEPS // 35)
        falls = [self.smoothed[max(0, step - window)] - self.smoothed[step] for step in range(last + 1)]
        step = max(range(last + 1), key=lambda step: falls[step])
        return self.rates[max(0, step - window // 2)]

    @property
    def suggested(self) -> float:
        """A learning rate to start from: a tenth of that with the lowest mean loss, with two significant digits."""
        return float(f"{self.lowest / MARGIN:.1e}")

    def rows(self) -> list[dict[str, Any]]:
        """Return one row for each step: lr, loss, smoothed loss."""
        columns = zip(self.rates, self.losses, self.smoothed, strict=True)
        return [{"lr": lr, "loss": loss, "smoothed": smoothed} for lr, loss, smoothed in columns]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"suggested": self.suggested, "lowest": self.lowest, "steepest": self.steepest, "steps": self.rows()}


def find_lr(
    recipe: Recipe,
    data: Dataset,
    *,
    low: float = LOW,
    high: float = HIGH,
    steps: int = STEPS,
    device: str = "auto",
    report: Callable[[int, int], None] = lambda *_: None,
) -> RangeTest:
    """Return the losses of one training in which the learning rate rises from ``low`` to ``high``.

    The schedule of the recipe is not used. With ``muon``, the learning rate of the head rises by the same factors. The
    test ends early when the loss grows or is not finite.

    Args:
        recipe: the training.
        data: its training images are used, without the validation split of the recipe.
        low: first learning rate.
        high: last learning rate.
        steps: number of steps.
        device: see ``fit``.
        report: called after each step with the number of steps so far and in total.

    Raises:
        UsageError: the range is empty, there are too few steps, or the recipe does not fit the images.
    """
    if not 0 < low < high or steps < 20:
        raise UsageError(
            f"The range test goes from {low:g} to {high:g} in {steps} steps.",
            "Give a first learning rate above 0, a higher last one, and at least 20 steps.",
        )
    target = choose_device(device)
    train, _ = split_validation(data, recipe.validation)
    recipe, _ = adapt(recipe, train)
    state, batches, loss_of = build_start(recipe, data, train, target)
    state.network.train()
    rates: list[float] = []
    losses: list[float] = []
    smoothed: list[float] = []
    mean = 0.0
    source, take = batches.endless(), step_of(recipe.accumulate)
    for step in range(steps):
        lr = low * (high / low) ** (step / (steps - 1))
        images, labels = next(source)
        factor = lr / recipe.optimizer.lr
        loss = float(take(state.network, state.optimizers, images, labels, loss_of, factor, batches.world))
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        corrected = mean / (1 - SMOOTHING ** (step + 1))
        if not math.isfinite(corrected) or (smoothed and corrected > STOP * min(smoothed)):
            break
        rates.append(lr)
        losses.append(loss)
        smoothed.append(corrected)
        report(step + 1, steps)
    return RangeTest(tuple(rates), tuple(losses), tuple(smoothed))


def range_figure(test: RangeTest, title: str) -> Any:
    """Draw the losses over the learning rates, with the suggested learning rate. Imports matplotlib."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axis = figure.subplots()
    axis.plot(test.rates, test.losses, color="#c9d6e2", linewidth=0.8, label="loss of each batch")
    axis.plot(test.rates, test.smoothed, color="#1f5f99", label="mean loss")
    for name, rate, style in (("suggested", test.suggested, "-"), ("lowest loss", test.lowest, ":")):
        axis.axvline(rate, color="#c0392b", linewidth=1, linestyle=style, label=f"{name}: {rate:.2g}")
    axis.set(xscale="log", xlabel="learning rate", ylabel="training loss", ylim=(0, 1.15 * max(test.smoothed)))
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=8)
    figure.suptitle(title, fontsize=9)
    return figure
