"""Reference implementations that Penstroke is compared with, written from the descriptions of their authors.

Each takes ``uint8`` images ``[n, 1, 28, 28]``. As their authors do, the textbook and PyTorch's official example
convert each image to a PIL picture, a tensor and a normalised tensor in a ``DataLoader``; the one-epoch record preloads
tensors.

``python -m benchmarks.references NAME SEED`` runs one of them in a new process with PyTorch's default settings. It
prints the seconds of training and testing (without reading the data) and the accuracies as JSON.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from numpy import ndarray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from penstroke import evaluate, load
from penstroke.data import Split


class ToTensor:
    """Convert a PIL image to a tensor in 0..1, channels first, as torchvision's ``ToTensor`` does."""

    def __call__(self, picture: Image.Image) -> Tensor:
        """Return ``float32 [1, h, w]``."""
        kinds = {"I": np.int32, "I;16": np.int16, "F": np.float32}
        pixels = torch.from_numpy(np.array(picture, kinds.get(picture.mode, np.uint8), copy=True))
        pixels = pixels.view(picture.size[1], picture.size[0], len(picture.getbands()))
        pixels = pixels.permute((2, 0, 1)).contiguous()
        return pixels.to(dtype=torch.get_default_dtype()).div(255) if isinstance(pixels, torch.ByteTensor) else pixels


class Normalize(nn.Module):
    """Normalise an image as torchvision's ``Normalize`` does: new tensors per image, standard deviations checked."""

    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        self.mean, self.std = (mean,), (std,)

    def forward(self, image: Tensor) -> Tensor:
        """Return the normalised image."""
        image = image.clone()
        mean = torch.as_tensor(self.mean, dtype=image.dtype, device=image.device)
        std = torch.as_tensor(self.std, dtype=image.dtype, device=image.device)
        if (std == 0).any():
            raise ValueError("a standard deviation is zero")
        return image.sub_(mean.view(-1, 1, 1)).div_(std.view(-1, 1, 1))


class PerSample(Dataset[tuple[Tensor, int]]):
    """Images as torchvision's datasets return them: PIL image to tensor to normalised tensor, one at a time.

    The operations per image are those of torchvision, which cannot be imported beside every build of PyTorch.
    """

    def __init__(self, split: Split, mean: float, std: float) -> None:
        self.images, self.labels = torch.tensor(split.images[:, 0]), torch.tensor(split.labels)
        self.transforms: list[Callable[[Any], Any]] = [ToTensor(), Normalize(mean, std)]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image, label = self.images[index], int(self.labels[index])
        picture: Any = Image.fromarray(image.numpy())
        for transform in self.transforms:
            picture = transform(picture)
        return picture, label


def loader(split: Split, batch_size: int, mean: float, std: float, shuffle: bool) -> DataLoader[tuple[Tensor, int]]:
    """Return the textbook's loader: per-sample transforms, default options."""
    return DataLoader(PerSample(split, mean, std), batch_size=batch_size, shuffle=shuffle)


class ChapterNet(nn.Module):
    """The textbook's network, or with other widths the official example's."""

    def __init__(self, channels: tuple[int, int], hidden: int, dropout: tuple[float, float]) -> None:
        super().__init__()
        self.cn1 = nn.Conv2d(1, channels[0], 3, 1)
        self.cn2 = nn.Conv2d(channels[0], channels[1], 3, 1)
        self.dp1 = nn.Dropout2d(dropout[0]) if hidden == 64 else nn.Dropout(dropout[0])
        self.dp2 = nn.Dropout(dropout[1])
        self.fc1 = nn.Linear(channels[1] * 144, hidden)
        self.fc2 = nn.Linear(hidden, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Return log-probabilities of normalised images."""
        x = F.relu(self.cn1(x))
        x = F.relu(self.cn2(x))
        x = F.max_pool2d(x, 2)
        x = torch.flatten(self.dp1(x), 1)
        x = self.dp2(F.relu(self.fc1(x)))
        return F.log_softmax(self.fc2(x), dim=1)


def textbook_net() -> nn.Module:
    """Return the textbook's network."""
    return ChapterNet((16, 32), 64, (0.10, 0.25))


def official_net() -> nn.Module:
    """Return the network of PyTorch's official MNIST example."""
    return ChapterNet((32, 64), 128, (0.25, 0.5))


def train_epoch(model: nn.Module, batches: DataLoader[tuple[Tensor, int]], optimizer: torch.optim.Optimizer) -> None:
    """Train for one epoch and read the loss every 10 batches, as both examples do."""
    model.train()
    for step, (images, labels) in enumerate(batches):
        optimizer.zero_grad()
        loss = F.nll_loss(model(images), labels)
        loss.backward()
        optimizer.step()
        if step % 10 == 0:
            loss.item()


def test_pass(model: nn.Module, batches: DataLoader[tuple[Tensor, int]]) -> float:
    """Return the accuracy in 0..1, measured as in both examples."""
    model.eval()
    loss, correct = 0.0, 0
    with torch.no_grad():
        for images, labels in batches:
            log_probs = model(images)
            loss += F.nll_loss(log_probs, labels, reduction="sum").item()
            correct += int(log_probs.argmax(1).eq(labels).sum().item())
    return correct / len(batches.dataset)  # type: ignore[arg-type]


def textbook(train: Split, test: Split, epochs: int = 2, seed: int = 0) -> Iterator[float]:
    """Run the exercise as the chapter does, and yield the accuracy after each epoch."""
    torch.manual_seed(seed)
    model = textbook_net()
    optimizer = torch.optim.Adadelta(model.parameters(), lr=0.5)
    for _ in range(epochs):
        train_epoch(model, loader(train, 32, 0.1302, 0.3069, shuffle=True), optimizer)
        yield test_pass(model, loader(test, 500, 0.1302, 0.3069, shuffle=True))


def official(train: Split, test: Split, epochs: int = 14, seed: int = 1) -> Iterator[float]:
    """Train as PyTorch's official example does, and yield the accuracy after each epoch."""
    torch.manual_seed(seed)
    model = official_net()
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    for _ in range(epochs):
        train_epoch(model, loader(train, 64, 0.1307, 0.3081, shuffle=True), optimizer)
        yield test_pass(model, loader(test, 1000, 0.1307, 0.3081, shuffle=False))
        schedule.step()


def record_net() -> nn.Module:
    """Return the network of the published one-epoch record."""
    return nn.Sequential(
        nn.Conv2d(1, 24, 5), nn.MaxPool2d(2), nn.ReLU(),
        nn.Conv2d(24, 32, 3), nn.MaxPool2d(2), nn.ReLU(),
        nn.Flatten(), nn.Linear(800, 256), nn.ReLU(), nn.Linear(256, 10),
    )  # fmt: skip


def record(train: Split, seed: int = 0) -> Callable[[UInt8[ndarray, "n c h w"]], Float32[ndarray, "n classes"]]:
    """Train one epoch on preloaded tensors, as the published record does; return a function for ``evaluate``."""
    torch.manual_seed(seed)
    model = record_net()

    def normalised(raw: UInt8[ndarray, "n c h w"]) -> Tensor:
        return torch.tensor(raw).float().div(255).sub(0.1307).div(0.3081)

    images, labels = normalised(train.images), torch.tensor(train.labels)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, betas=(0.7, 0.9))
    steps = -(-len(labels) // 256)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.01, total_steps=steps, cycle_momentum=False)
    for chosen in torch.randperm(len(labels)).split(256):
        optimizer.zero_grad()
        F.cross_entropy(model(images[chosen]), labels[chosen]).backward()
        optimizer.step()
        schedule.step()

    def log_probs(raw: UInt8[ndarray, "n c h w"]) -> Float32[ndarray, "n classes"]:
        model.eval()
        with torch.no_grad():
            return F.log_softmax(model(normalised(raw)), dim=1).numpy()

    return log_probs


def main() -> None:
    """Run ``textbook``, ``textbook-epoch``, ``textbook-tested``, ``official``, ``official-epoch`` or ``record``."""
    name, seed = sys.argv[1], int(sys.argv[2])
    data = load("mnist")
    train, test = data.train, data.test
    accuracies: list[float] = []
    start = time.perf_counter()
    if name == "record":
        log_probs = record(train, seed)
        elapsed = time.perf_counter() - start
        accuracies.append(evaluate(log_probs, test).score.accuracy)
    elif name == "textbook-epoch":
        model = textbook_net()
        optimizer = torch.optim.Adadelta(model.parameters(), lr=0.5)
        train_epoch(model, loader(train, 32, 0.1302, 0.3069, shuffle=True), optimizer)
        elapsed = time.perf_counter() - start
    else:
        run = textbook if name.startswith("textbook") else official
        for accuracy in run(train, test, seed=seed):
            accuracies.append(accuracy)
            if name in ("textbook-tested", "official-epoch") or (name == "official" and accuracy >= 0.99):
                break
        elapsed = time.perf_counter() - start
    print(json.dumps({"seconds": elapsed, "accuracies": accuracies}))


if __name__ == "__main__":
    main()
