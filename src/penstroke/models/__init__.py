"""Networks: each takes raw images 0..255 and returns log-probabilities."""

from penstroke.models.build import build
from penstroke.models.convnet import ConvNet

__all__ = ["ConvNet", "build"]
