"""The one road from images to answers."""

from penstroke.inference.classifier import Classifier, Prediction
from penstroke.inference.reading import Reading

__all__ = ["Classifier", "Prediction", "Reading"]
