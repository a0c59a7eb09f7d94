"""Inference: predictions of a trained model for pictures. PyTorch is imported on first use of a model."""

from typing import TYPE_CHECKING

import lazy_loader

from penstroke.inference.predictions import Detection, Page, Prediction

if TYPE_CHECKING:
    from penstroke.inference.classifier import Classifier

__all__ = ["Classifier", "Detection", "Page", "Prediction"]

__getattr__, __dir__, _ = lazy_loader.attach(__name__, submod_attrs={"classifier": ["Classifier"]})
