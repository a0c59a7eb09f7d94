"""The result of a training run."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from penstroke.models.description import Description
from penstroke.networks.layers import Network
from penstroke.training.history import History

if TYPE_CHECKING:
    from penstroke.inference import Classifier


@dataclass(frozen=True, repr=False)
class Fitted:
    """A trained model and the history of its training."""

    model: Network
    """The trained network in eval mode, with its calibration: raw images in, log-probabilities out."""
    description: Description
    history: History

    def classifier(self) -> "Classifier":
        """Return the classifier of this model, on the device of the training."""
        from penstroke.inference import Classifier

        return Classifier.from_module(self.model, self.description, next(self.model.parameters()).device)

    def save(self, path: str | Path) -> None:
        """Write the model to a file, such as ``model.safetensors``, from which ``Classifier.load`` restores it.

        Raises:
            ModelError: the network is a module that was passed to ``fit``, not a registered network.
            StorageError: ``path`` is a folder, or the file cannot be written.
            UsageError: ``path`` ends with ``.onnx``.
        """
        self.classifier().save(path)

    def __repr__(self) -> str:
        rows = self.history.epochs
        parts = [
            self.description.network.kind,
            f"{len(rows)} epoch{'s' * (len(rows) != 1)}",
            "finished" if self.history.finished else "stopped",
        ]
        kept = self.history.kept_row
        if kept:
            parts.append(f"training loss {kept.train_loss:.4f}")
            for name, score in (("test", kept.test), ("validation", kept.validation)):
                parts += [f"{name} accuracy {100 * score.accuracy:.2f} %"] if score else []
        return f"Fitted({', '.join(parts)})"
