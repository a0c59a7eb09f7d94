"""One epoch of the exercise and its test in plain PyTorch, on tensors in memory: a ``TensorDataset``, a ``DataLoader``.

``python -m benchmarks.peers.book_pytorch DATA SEED`` prints JSON.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.peers.book_data import BATCH, RATE, TEST_BATCH, Arrays, read, result


def network() -> nn.Sequential:
    """Return the network of the chapter."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout2d(0.10),
        nn.Flatten(), nn.Linear(4608, 64), nn.ReLU(), nn.Dropout(0.25), nn.Linear(64, 10), nn.LogSoftmax(dim=1),
    )  # fmt: skip


def tensors(arrays: Arrays) -> TensorDataset:
    """Return images ``float32 [n, 1, 28, 28]`` and labels as a dataset in memory."""
    images, labels = arrays
    return TensorDataset(torch.from_numpy(images[:, np.newaxis]), torch.from_numpy(labels))


def main(data: Path, seed: int) -> None:
    train, test = map(tensors, read(data))
    started = time.perf_counter()
    torch.manual_seed(seed)
    model = network()
    optimizer = torch.optim.Adadelta(model.parameters(), lr=RATE)
    model.train()
    for images, labels in DataLoader(train, BATCH, shuffle=True):
        optimizer.zero_grad()
        F.nll_loss(model(images), labels).backward()
        optimizer.step()
    trained = time.perf_counter()
    model.eval()
    correct, loss = 0, 0.0
    with torch.no_grad():
        for images, labels in DataLoader(test, TEST_BATCH):
            log_probs = model(images)
            loss += F.nll_loss(log_probs, labels, reduction="sum").item()
            correct += int((log_probs.argmax(1) == labels).sum())
    print(json.dumps(result(started, trained, correct, len(test), torch=torch.__version__)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
