"""The interface of training callbacks. This module does not import torch."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from penstroke.errors import UsageError
from penstroke.schema import shown
from penstroke.training.world import World

if TYPE_CHECKING:
    from penstroke.training.history import EpochRow, Progress, State


class StopTraining(Exception):
    """Raised by a callback to end the training after the current step."""


class Callback:
    """Base class of training callbacks. Subclasses override the methods that they need.

    A callback does not change the training, but each method may raise ``StopTraining`` to end it.
    """

    def on_train_start(self, state: "State") -> None:
        """Called before the first step. ``state`` is updated until the training ends."""

    def on_step_end(self, progress: "Progress") -> None:
        """Called after each step."""

    def on_epoch_end(self, row: "EpochRow") -> None:
        """Called after each epoch and its evaluation."""


class CallbackGroup(Callback):
    """Several callbacks as one. All of them are notified before the training ends.

    Args:
        callbacks: notified in this order.
        world: the training ends in all processes if a callback of any process raises ``StopTraining``.

    Raises:
        UsageError: ``callbacks`` is not a list or tuple of callbacks.
    """

    def __init__(self, callbacks: Sequence[Callback], world: World) -> None:
        _check_callbacks(callbacks)
        self._callbacks, self._world = callbacks, world

    def on_train_start(self, state: "State") -> None:
        """Notify all callbacks."""
        self._notify(lambda callback: callback.on_train_start(state))

    def on_step_end(self, progress: "Progress") -> None:
        """Notify all callbacks."""
        self._notify(lambda callback: callback.on_step_end(progress))

    def on_epoch_end(self, row: "EpochRow") -> None:
        """Notify all callbacks."""
        self._notify(lambda callback: callback.on_epoch_end(row))

    def _notify(self, call: Callable[[Callback], None]) -> None:
        stop = False
        for callback in self._callbacks:
            try:
                call(callback)
            except StopTraining:
                stop = True
        if self._world.any(stop):
            raise StopTraining


def _check_callbacks(callbacks: object) -> None:
    if not isinstance(callbacks, list | tuple):
        raise UsageError(
            f"callbacks is {shown(callbacks)} ({type(callbacks).__name__}); it must be a list of callbacks.",
            "Pass a list, for example callbacks=[callback].",
        )
    for callback in callbacks:
        if not isinstance(callback, Callback):
            raise UsageError(
                f"callbacks contains {shown(callback)}; each callback must be an instance of penstroke.Callback.",
                "Derive a class from penstroke.Callback, and pass an instance of it.",
            )
