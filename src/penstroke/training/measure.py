"""Measurements during training: the results of each epoch, and the calibration of the model."""

import time
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from penstroke.data import Dataset, Split
from penstroke.errors import DataError
from penstroke.evaluation import Score, apply_temperature, calibrate, score
from penstroke.inference.backends.torch import forward_batches
from penstroke.inference.predictions import abstentions
from penstroke.models.description import Calibration
from penstroke.networks.layers import Network
from penstroke.recipes.parts import Evaluation, Validation
from penstroke.training.batches import Batches
from penstroke.training.history import EpochRow, State
from penstroke.training.tensors import TensorSplit
from penstroke.training.world import World


@dataclass
class Measurement:
    """Measures the network of a training run on images that it is not trained on.

    Args:
        test: the test split, if the recipe evaluates it after each epoch.
        validation: the validation split, if there is one.
        batch_size: images per batch.
        rejection_rate: fraction of the validation images, 0..1, that the calibrated model may reject.
        outliers: images that show none of the classes, on the device of the network.
        world: rank of this process and number of processes; each computes a part of the images.
    """

    test: TensorSplit | None
    validation: TensorSplit | None
    batch_size: int
    rejection_rate: float = 0.0
    outliers: Tensor | None = None
    world: World = World()  # noqa: RUF009 - frozen
    _calibrated: tuple[Network, Calibration | None] | None = None

    def epoch_row(self, state: State, batches: Batches, network: Network, *, last: bool) -> EpochRow:
        """Return the results of the current epoch, after its last step.

        Args:
            state: state of the training.
            batches: its batches; the last one of an epoch may be smaller, and its loss is weighted accordingly.
            network: the network to measure.
            last: whether this network is the one that is saved. Then it is calibrated before it is measured.
        """
        now = time.perf_counter()
        losses, images = state.losses.double().cpu(), batches.images
        remainder = images - batches.size * (len(losses) - 1)
        mean = (losses[:-1].sum() * batches.size + losses[-1] * remainder) / images
        network = self.calibrated(network)[0] if last else network
        return EpochRow(
            epoch=state.epoch,
            step_losses=tuple(losses.tolist()),
            train_loss=float(mean),
            seconds=now - state.epoch_started,
            test=self._score(network, self.test),
            validation=self._score(network, self.validation),
            test_seconds=time.perf_counter() - now,
            calibrated=last and self.validation is not None,
        )

    def calibrated_row(self, row: EpochRow, network: Network) -> EpochRow:
        """Return the results of an epoch with those of the calibrated network in the place of its own.

        Args:
            row: the results of the epoch whose weights are saved.
            network: the calibrated network. Without validation, the row is returned unchanged.
        """
        if row.calibrated or self.validation is None:
            return row
        test, validation = self._score(network, self.test), self._score(network, self.validation)
        return replace(row, test=test, validation=validation, calibrated=True)

    def calibrated(self, network: Network) -> tuple[Network, Calibration | None]:
        """Return the network with its temperature, and its calibration; computed once, after the last step.

        Without validation, the network is returned unchanged.
        """
        if self.validation is None:
            return network, None
        if self._calibrated is None:
            labels = self.validation.labels.cpu().numpy()
            log_probs = self._log_probs(network, self.validation)
            temperature, calibration = calibrate(log_probs, labels, self.rejection_rate)
            if self.outliers is not None:
                found = apply_temperature(
                    forward_batches(network, self.outliers, self.batch_size).cpu().numpy(), temperature
                )
                rejected = int(abstentions(found, calibration.threshold).sum())
                calibration = replace(calibration, outliers=len(found), outliers_rejected=rejected)
            self._calibrated = network.with_temperature(temperature).to(self.validation.device), calibration
        return self._calibrated

    def _score(self, network: Network, split: TensorSplit | None) -> Score | None:
        if split is None:
            return None
        return score(self._log_probs(network, split), split.labels.cpu().numpy())

    def _log_probs(self, network: Network, split: TensorSplit) -> Float[ndarray, "n classes"]:
        pieces = split.pieces(self.world.part(len(split)), self.batch_size)
        found = torch.cat([forward_batches(network, images, self.batch_size) for images in pieces])
        return self.world.whole(found, len(split)).cpu().numpy()


def build_measurement(
    evaluation: Evaluation,
    validation: Validation | None,
    data: Dataset,
    part: Split | None,
    device: torch.device,
    world: World = World(),  # noqa: B008 - frozen
) -> Measurement:
    """Return the measurement that a recipe specifies.

    Args:
        evaluation: whether the test split is measured, and in which batches.
        validation: options of the validation split.
        data: the test split is read only if it is measured.
        part: the validation split.
        device: device of the network.
        world: rank of this process and number of processes.

    Raises:
        DataError: the test split is measured, but is missing or cannot be read.
    """
    if evaluation.test_each_epoch and not data.has_test:
        raise DataError(
            f"The recipe evaluates the test split after each epoch, and the dataset {data.card.name!r} has none.",
            "Set test_each_epoch to False (--no-test-each-epoch), or add a test split to the dataset.",
        )
    return Measurement(
        TensorSplit.from_split(data.test, device) if evaluation.test_each_epoch else None,
        TensorSplit.from_split(part, device) if part else None,
        evaluation.test_batch_size,
        validation.rejection_rate if validation else 0.0,
        torch.from_numpy(data.outliers.parts()[1]).to(device) if data.outliers else None,
        world,
    )
