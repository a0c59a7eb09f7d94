"""The interface of training callbacks. This module does not import torch."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from penstroke.errors import UsageError
from penstroke.schema import shown
from penstroke.training.world import World

if TYPE_CHECKING:
    from penstroke.data import Dataset
    from penstroke.runs import Run
    from penstroke.training.fitted import Fitted
    from penstroke.training.history import EpochRow, Progress, State


class StopTraining(Exception):
    """Raised by a callback to end the training after the current step."""


class Callback:
    """Base class of training callbacks. Subclasses override the methods that they need.

    A callback does not change the training, but the methods of training, steps and epochs may raise ``StopTraining``
    to end it. The two methods of a run are called by ``train_run`` and ``resume_run``, and not by ``fit``.
    """

    def on_run_start(self, run: "Run", data: "Dataset") -> None:
        """Called before a run is trained or resumed. The folder of the run exists."""

    def on_train_start(self, state: "State") -> None:
        """Called before the first step. ``state`` is updated until the training ends."""

    def on_step_end(self, progress: "Progress") -> None:
        """Called after each step."""

    def on_epoch_end(self, row: "EpochRow") -> None:
        """Called after each epoch and its evaluation."""

    def on_run_end(self, run: "Run", fitted: "Fitted | None") -> None:
        """Called after the results of a run were written; ``fitted`` is None if the training failed."""


class CallbackGroup(Callback):
    """Several callbacks as one. All of them are notified before the training ends.

    Args:
        callbacks: notified in this order.
        world: the training ends in all processes if a callback of any process raises ``StopTraining``.
        first: notified before the others.

    Raises:
        UsageError: ``callbacks`` is not a list or tuple of callbacks.
    """

    def __init__(self, callbacks: Sequence[Callback], world: World, first: Sequence[Callback] = ()) -> None:
        check_callbacks(callbacks)
        self._callbacks, self._world = (*first, *callbacks), world

    def on_train_start(self, state: "State") -> None:
        """Notify all callbacks."""
        self._notify(lambda callback: callback.on_train_start(state))

    def on_step_end(self, progress: "Progress") -> None:
        """Notify all callbacks."""
        # After the last step of an epoch, no step follows in which the processes could learn of a request to stop.
        self._notify(lambda callback: callback.on_step_end(progress), later=progress.step < progress.steps)

    def on_epoch_end(self, row: "EpochRow") -> None:
        """Notify all callbacks."""
        self._notify(lambda callback: callback.on_epoch_end(row))

    def _notify(self, call: Callable[[Callback], None], *, later: bool = False) -> None:
        stop = False
        for callback in self._callbacks:
            try:
                call(callback)
            except StopTraining:
                stop = True
        if self._world.any(stop, later=later):
            raise StopTraining


def check_callbacks(callbacks: object) -> None:
    """Check the type of the callbacks that a user passes.

    Raises:
        UsageError: ``callbacks`` is not a list or tuple of callbacks.
    """
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
