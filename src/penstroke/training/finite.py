"""Stops a training whose numbers go wrong, and says where: the step, its images, the learning rate.

On the CPU each loss is looked at before its step is taken. Elsewhere looking would wait for the device at every step:
there the losses are looked at every 100 steps.
"""

from typing import NoReturn

from penstroke.data.batches import batch_indices
from penstroke.data.split import Split
from penstroke.errors import ModelError
from penstroke.training.history import State
from penstroke.training.snapshot import is_finite

EVERY = 100
"""Steps between two looks at losses that are not in the CPU's memory."""


class FiniteCheck:
    """Watches the epoch under way.

    Args:
        state: of the training.
        split: the training images.
        batch_size: images per step.
        seed: of the training.
    """

    def __init__(self, state: State, split: Split, batch_size: int, seed: int) -> None:
        self._state, self._split, self._batch_size, self._seed = state, split, batch_size, seed
        self._rates: list[float] = []
        self._first = state.step
        self._on_cpu = state.losses.is_cpu
        self._numbers = state.losses.numpy() if self._on_cpu else None  # a view, quicker to read than a tensor

    def stepped(self, lr: float) -> None:
        """Look at the loss of the step just done, at learning rate ``lr``.

        Raises:
            ModelError: it, or one before it, is not a finite number.
        """
        self._rates.append(lr)
        step = self._state.step
        if self._numbers is not None:
            loss = self._numbers[step - 1]
            if loss - loss != 0:  # true for NaN and infinity alone
                self._refuse_loss(step - 1)
        elif step % EVERY == 0:
            self._look_back()

    def ended(self) -> None:
        """Look at all that the epoch left: its losses and the weights.

        Raises:
            ModelError: a number is not finite.
        """
        self._look_back()
        if not self._weights_are_finite():
            self._refuse("the weights after", len(self._state.losses) - 1, "are not finite numbers")

    def _look_back(self) -> None:
        wrong = (~self._state.losses[: self._state.step].isfinite()).nonzero()
        if len(wrong):
            self._refuse_loss(int(wrong[0]))

    def _refuse_loss(self, step: int) -> NoReturn:
        if self._on_cpu and step and not self._weights_are_finite():
            # The step of a loss that is not finite was not taken: the one before it spoiled the weights.
            self._refuse("the gradients of", step - 1, "are not finite numbers")
        self._refuse("the loss of", step, f"is {self._state.losses[step].item()}")

    def _weights_are_finite(self) -> bool:
        return all(is_finite(weight) for weight in self._state.model.parameters())

    def _refuse(self, what: str, step: int, how: str) -> NoReturn:
        epoch = self._state.epoch
        images = batch_indices(self._split, self._batch_size, self._seed, epoch, step).tolist()
        named = ", ".join(map(str, images[:8])) + (", ..." if len(images) > 8 else "")
        done = step - self._first  # below 0: the step before a break
        at = f" at learning rate {self._rates[done]:g}" if done >= 0 else ""
        raise ModelError(
            f"The training went wrong: {what} step {step + 1} of epoch {epoch} {how}{at}, "
            f"on {len(images)} training images: {named}.",
            "Take a smaller learning rate (--lr).",
        )
