"""The explanation of one picture: attributions for its most probable class and another one, and their drawing."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64, UInt8
from numpy import ndarray

from penstroke.inference import Classifier, Prediction
from penstroke.inference.predictions import make_predictions
from penstroke.pictures import preprocess
from penstroke.pictures.files import MAX_PIXELS
from penstroke.report.html.images import attribution_pixels, attribution_scale
from penstroke.report.html.words import percent


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a model answers as it does for one picture."""

    image: UInt8[ndarray, "c h w"]
    """The picture as the network takes it."""
    prediction: Prediction
    classes: Int64[ndarray, " k"]
    """Positions of the explained classes; the first one is the most probable."""
    log_odds: Float32[ndarray, " k"]
    """Log-odds of these classes, in nats."""
    log_odds_of_black: Float32[ndarray, " k"]
    """Log-odds of these classes for a black image."""
    attributions: Float32[ndarray, "k c h w"]
    """See ``penstroke.inference.explanations.attributions``."""
    method: str

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, without the attributions of single pixels."""
        prediction = self.prediction
        rows = zip(self.classes.tolist(), self.log_odds.tolist(), self.log_odds_of_black.tolist(), strict=True)
        sums = self.attributions.sum((1, 2, 3)).tolist()
        return {
            "label": prediction.label,
            "probability": prediction.probability,
            "abstained": prediction.abstained,
            "reason": prediction.reason,
            "classes": [
                {
                    "label": prediction.classes[place],
                    "probability": prediction.probabilities[place],
                    "log_odds": odds,
                    "log_odds_of_black": black,
                    "attribution": total,
                }
                for (place, odds, black), total in zip(rows, sums, strict=True)
            ],
        }


def explain_picture(
    classifier: Classifier,
    picture: Path,
    other: str | None = None,
    method: str = "integrated-gradients",
    max_pixels: int = MAX_PIXELS,
) -> Explanation:
    """Return the explanation of a picture.

    Args:
        classifier: a classifier that PyTorch computes.
        picture: the picture file.
        other: a class to explain beside the most probable one; None selects the second most probable.
        method: see ``penstroke.inference.explanations.METHODS``.
        max_pixels: a picture with more pixels is rejected before it is decoded.

    Raises:
        DataError: the file is not readable, or contains no symbol.
        MissingExtraError, UsageError: see ``penstroke.inference.explanations.attributions``.
    """
    from penstroke.inference import explanations

    description = classifier.description
    image = preprocess(picture, description.preprocessing, description.image_shape, max_pixels)
    both = classifier.log_probs(np.stack([image, np.zeros_like(image)]))
    (prediction,) = make_predictions(both[:1], description.classes, classifier.threshold)
    ranked = np.argsort(-both[0], kind="stable")
    second = ranked[1] if other in (None, description.classes[ranked[0]]) else description.classes.index(str(other))
    classes = np.array([ranked[0], second], np.int64)
    odds, black = (explanations.log_odds(np.repeat(row[None], 2, 0), classes).astype(np.float32) for row in both)
    values = explanations.attributions(classifier, np.repeat(image[None], 2, 0), classes, method)
    return Explanation(image, prediction, classes, odds, black, values, method)


def draw_explanation(found: Explanation, path: Path) -> Path:
    """Write an explanation as PNG: the image, and the pixels that speak for and against each class."""
    from matplotlib.figure import Figure

    from penstroke.report.fonts import choose_font
    from penstroke.report.plots import save_figure

    names = [found.prediction.classes[place] for place in found.classes]
    font = choose_font(names)
    figure = Figure(figsize=(8.4, 3.3), layout="constrained")
    scale = attribution_scale(found.attributions)
    grey = found.image[0] if len(found.image) == 1 else found.image.transpose(1, 2, 0)
    shown = [grey, *(attribution_pixels(found.image, values, scale) for values in found.attributions)]
    titles = ["what the model sees"]
    for name, place in zip(names, found.classes, strict=True):
        titles.append(f"for {font.text(name)} ({percent(found.prediction.probabilities[place])})")
    for axis, pixels, title in zip(figure.subplots(1, 3), shown, titles, strict=True):
        axis.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axis.set_title(title, fontsize=11, **font.style)
        axis.set_axis_off()
    note = (
        "orange: how much the answer depends on the pixel"
        if found.method == "gradient"
        else ("orange pixels speak for the class, blue ones against it")
    )
    figure.supxlabel(f"{note}  ({found.method.replace('-', ' ')})", fontsize=9, color="#5d5e66")
    return save_figure(figure, path)
