"""Which weights a training run keeps, and whether it ends before its last epoch.

Both are functions of the training state: the epochs so far and the weights kept in ``State.kept``. This module reads no
images; the losses it compares were measured on the validation split.
"""

from copy import deepcopy

import torch
from torch import Tensor

from penstroke.networks.layers import Network
from penstroke.recipes.parts import Selection
from penstroke.training.callbacks import Callback
from penstroke.training.history import EpochRow, History, Progress, State

DECAY = 0.999
"""Weight of the earlier steps in the moving average, at most; after few steps it is (1 + steps) / (10 + steps)."""


class Keeper(Callback):
    """Updates ``State.kept`` after each step and epoch. It is notified before the callbacks of the user.

    Args:
        selection: what the recipe selects.
    """

    def __init__(self, selection: Selection) -> None:
        self._keep, self._patience = selection.keep, selection.patience
        self._state: State | None = None

    def on_train_start(self, state: State) -> None:
        """Keep a reference to the state."""
        self._state = state

    def on_step_end(self, progress: Progress) -> None:
        """Add the weights to the moving average, if that is kept.

        The average is one of the weights after each step, so that a resumed run continues it.
        """
        state = self._state
        if self._keep != "average" or state is None:
            return
        weights = state.network.state_dict()
        if not state.kept:
            state.kept = {name: value.clone() for name, value in weights.items()}
            return
        steps = (progress.epoch - 1) * progress.steps + progress.step
        decay = min(DECAY, (1 + steps) / (10 + steps))
        trained = {name for name, _ in state.network.named_parameters()}
        with torch.no_grad():
            for name, value in weights.items():
                if name in trained:
                    state.kept[name].lerp_(value, 1 - decay)
                else:
                    state.kept[name].copy_(value)

    def on_epoch_end(self, row: EpochRow) -> None:
        """Copy the weights if the validation loss of the epoch is the lowest so far, and the best ones are kept."""
        state = self._state
        if self._keep == "best" and state is not None and best_epoch(state.history) == row.epoch:
            state.kept = {name: value.clone() for name, value in state.network.state_dict().items()}

    def measures_last(self, state: State, epochs: int) -> bool:
        """Return whether the weights of the current epoch are known to be those that are kept."""
        return state.epoch == epochs and self._keep != "best"

    def measured(self, state: State) -> Network:
        """Return the network to measure after an epoch: that of its last step, or the moving average."""
        return _with_weights(state.network, state.kept) if self._keep == "average" else state.network

    def kept(self, state: State) -> Network:
        """Return the network that is kept, in a copy unless it is that of the last step."""
        return _with_weights(state.network, state.kept) if state.kept else state.network

    def kept_epoch(self, history: History) -> int | None:
        """Return the epoch whose weights are kept; None before the end of the first one."""
        return best_epoch(history) if self._keep == "best" else len(history.epochs) or None

    def exhausted(self, history: History) -> bool:
        """Return whether the validation loss has not become lower for as many epochs as the recipe allows."""
        best = best_epoch(history) if self._patience else None
        return best is not None and len(history.epochs) - best >= self._patience


def best_epoch(history: History) -> int | None:
    """Return the first epoch with the lowest validation loss, from 1; None if no epoch has one."""
    losses = {row.epoch: row.validation.loss for row in history.epochs if row.validation}
    return min(losses, key=lambda epoch: losses[epoch]) if losses else None


def _with_weights(network: Network, weights: dict[str, Tensor]) -> Network:
    """Return a copy of a network with other weights."""
    copied = deepcopy(network)
    copied.load_state_dict(weights)
    return copied
