"""One epoch of the exercise and its test with Lightning, on tensors in memory, without progress bar and checkpoints.

``python -m benchmarks.peers.book_lightning DATA SEED`` prints JSON.
"""

import json
import logging
import sys
import time
import warnings
from pathlib import Path

import lightning
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader

from benchmarks.peers.book_data import BATCH, RATE, TEST_BATCH, read, result
from benchmarks.peers.book_pytorch import network, tensors


class Exercise(LightningModule):  # type: ignore[misc]
    """The training and the test of the chapter."""

    def __init__(self) -> None:
        super().__init__()
        self.network = network()
        self.correct = 0

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        images, labels = batch
        return F.nll_loss(self.network(images), labels)

    def test_step(self, batch: tuple[Tensor, Tensor]) -> None:
        images, labels = batch
        log_probs = self.network(images)
        self.log("loss", F.nll_loss(log_probs, labels))
        self.correct += int((log_probs.argmax(1) == labels).sum())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adadelta(self.parameters(), lr=RATE)


def main(data: Path, seed: int) -> None:
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    train, test = map(tensors, read(data))
    started = time.perf_counter()
    torch.manual_seed(seed)
    model = Exercise()
    trainer = Trainer(
        accelerator="cpu", max_epochs=1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(model, DataLoader(train, BATCH, shuffle=True))
    trained = time.perf_counter()
    trainer.test(model, DataLoader(test, TEST_BATCH), verbose=False)
    versions = {"lightning": lightning.__version__, "torch": torch.__version__}
    print(json.dumps(result(started, trained, model.correct, len(test), **versions)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
