"""The two networks whose third-party weights Penstroke imports, in plain PyTorch."""

import torch
from torch import nn
from torch.nn import functional as F


class Transcription(nn.Module):
    """The network as the chapter describes it, layer by layer, on normalised images."""

    def __init__(self, dropout: bool) -> None:
        super().__init__()
        self.cn1 = nn.Conv2d(1, 16, 3, 1)
        self.cn2 = nn.Conv2d(16, 32, 3, 1)
        self.dp1 = nn.Dropout2d(0.10 if dropout else 0.0)
        self.dp2 = nn.Dropout(0.25 if dropout else 0.0)
        self.fc1 = nn.Linear(4608, 64)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return log-probabilities."""
        x = F.relu(self.cn1(x))
        x = F.max_pool2d(F.relu(self.cn2(x)), 2)
        x = torch.flatten(self.dp1(x), 1)
        x = self.dp2(F.relu(self.fc1(x)))
        return F.log_softmax(self.fc2(x), dim=1)


class Official(nn.Module):
    """PyTorch's MNIST example, written from its description: 32 and 64 channels, 128 hidden units."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, 1)
        self.conv2 = nn.Conv2d(32, 64, 3, 1)
        self.fc1 = nn.Linear(9216, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return log-probabilities."""
        x = F.max_pool2d(F.relu(self.conv2(F.relu(self.conv1(x)))), 2)
        return F.log_softmax(self.fc2(F.relu(self.fc1(torch.flatten(x, 1)))), dim=1)
