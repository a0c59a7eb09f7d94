"""Check that losses and weights are finite. The error names the step, its images and the learning rate.

On the CPU, each loss is checked before its step is taken. On other devices a check waits for the device, so losses are
checked every 100 steps.
"""

from typing import NoReturn

from penstroke.errors import ModelError
from penstroke.training.batches import Batches
from penstroke.training.history import State
from penstroke.training.snapshot import is_finite

STEPS_PER_CHECK = 100
"""Steps between two checks of losses on devices other than the CPU."""


class FiniteCheck:
    """Checks the current epoch of a training run.

    Args:
        state: state of the training.
        batches: its batches.
    """

    def __init__(self, state: State, batches: Batches) -> None:
        self._state, self._batches = state, batches
        self._rates: list[float] = []
        self._first = state.step
        self._on_cpu = state.losses.is_cpu
        self._losses = state.losses.numpy() if self._on_cpu else None  # reading an array is faster than a tensor

    def on_step_end(self, lr: float) -> None:
        """Check the loss of the latest step, which used the learning rate ``lr``.

        Raises:
            ModelError: this loss or an earlier one is not finite.
        """
        self._rates.append(lr)
        step = self._state.step
        if self._losses is not None:
            loss = self._losses[step - 1]
            if loss - loss != 0:  # not 0 only for NaN and infinity; all processes have the same losses
                self._raise_for_loss(step - 1)
        elif step % STEPS_PER_CHECK == 0:
            self._check_losses()

    def on_epoch_end(self) -> None:
        """Check all losses of the epoch, and the weights.

        Raises:
            ModelError: a number is not finite.
        """
        self._check_losses()
        if not self._weights_are_finite():
            self._raise("the weights after", len(self._state.losses) - 1, "are not finite")

    def _check_losses(self) -> None:
        invalid = (~self._state.losses[: self._state.step].isfinite()).nonzero()
        if len(invalid):
            self._raise_for_loss(int(invalid[0]))

    def _raise_for_loss(self, step: int) -> NoReturn:
        if self._on_cpu and step and not self._weights_are_finite():
            # No step was taken from a loss that is not finite, so the weights come from the step before.
            self._raise("the gradients of", step - 1, "are not finite")
        self._raise("the loss of", step, f"is {self._state.losses[step].item()}")

    def _weights_are_finite(self) -> bool:
        return all(is_finite(weight) for weight in self._state.network.parameters())

    def _raise(self, what: str, step: int, problem: str) -> NoReturn:
        epoch = self._state.epoch
        images = self._batches.indices(epoch, step).tolist()
        listed = ", ".join(map(str, images[:8])) + (", ..." if len(images) > 8 else "")
        done = step - self._first  # negative for a step before the resumption
        rate = f" at learning rate {self._rates[done]:g}" if done >= 0 else ""
        raise ModelError(
            f"The training diverged: {what} step {step + 1} of epoch {epoch} {problem}{rate}, "
            f"on {len(images)} training images: {listed}.",
            "Use a smaller learning rate (--lr).",
        )
