"""The one road from images to answers. What needs torch is imported when it is first asked for."""

from typing import TYPE_CHECKING, Any

from penstroke.inference.reading import Mark, Page, Reading

if TYPE_CHECKING:
    from penstroke.inference.classifier import Classifier, Prediction

__all__ = ["Classifier", "Mark", "Page", "Prediction", "Reading"]


def __getattr__(name: str) -> Any:
    if name not in ("Classifier", "Prediction"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from penstroke.inference import classifier

    return getattr(classifier, name)
