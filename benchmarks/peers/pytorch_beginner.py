"""The network of PyTorch's tutorial "Training a classifier", on pictures in a folder, for a number of seconds.

After https://pytorch.org/tutorials/beginner/blitz/cifar10_tutorial.html; the data are tensors in memory, not files:
``python -m benchmarks.peers.pytorch_beginner FOLDER SECONDS SEED`` prints JSON.
"""

import json
import sys
import time
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.peers.pictures import read_pictures


def main(folder: Path, seconds: float, seed: int) -> None:
    started = time.perf_counter()
    torch.manual_seed(seed)
    parts = []
    for name in ("train", "test"):
        images, labels = read_pictures(folder / name)
        scaled = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
        parts.append(TensorDataset((scaled - 0.5) / 0.5, torch.from_numpy(labels)))
    classes, side = int(parts[0].tensors[1].max()) + 1, (parts[0].tensors[0].shape[2] - 4) // 2
    network = nn.Sequential(
        nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(16 * ((side - 4) // 2) ** 2, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, classes),
    )  # fmt: skip
    criterion, optimizer = nn.CrossEntropyLoss(), torch.optim.SGD(network.parameters(), lr=0.001, momentum=0.9)
    best, epochs = 0.0, 0
    while time.perf_counter() - started < seconds:
        for images, labels in DataLoader(parts[0], batch_size=4, shuffle=True):
            optimizer.zero_grad()
            criterion(network(images), labels).backward()
            optimizer.step()
        epochs += 1
        accuracy = _accuracy(network, parts[1])
        best = max(best, accuracy)
    result = {"accuracy": accuracy, "best": best, "epochs": epochs, "seconds": time.perf_counter() - started}
    print(json.dumps(result | {"versions": {"torch": torch.__version__}}))


def _accuracy(network: nn.Module, test: TensorDataset) -> float:
    images, labels = test.tensors
    with torch.no_grad():
        return float((network(images).argmax(1) == labels).float().mean())


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
