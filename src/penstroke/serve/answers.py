"""The answers of a worker process: pictures in, JSON out, all through ``Classifier``."""

import base64
import binascii
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray
from PIL import Image

from penstroke.errors import DataError, EmptyPicture, ModelError
from penstroke.pictures.preprocessing import load_pixels, preprocess
from penstroke.serve.settings import MAX_BATCH_IMAGES

if TYPE_CHECKING:
    from penstroke.inference.classifier import Classifier
    from penstroke.inference.predictions import Detection, Prediction


@dataclass(frozen=True)
class Answer:
    """The answer for one picture, page or batch.

    Args:
        body: JSON, or the picture of a correction.
        labels: labels of the predictions in it, for the metrics; None where the model abstains.
        code: code of a problem; empty if there is none.
        detail: the sentence that describes the problem.
    """

    body: bytes = b""
    labels: tuple[str | None, ...] = ()
    code: str = ""
    detail: str = ""


class Answerer:
    """Answers requests with a classifier.

    Args:
        classifier: the model.
        max_pixels: pictures with more pixels are rejected before they are decoded.
    """

    def __init__(self, classifier: "Classifier", max_pixels: int) -> None:
        self._classifier = classifier
        self._max_pixels = max_pixels

    def predict(self, pictures: Sequence[bytes], options: Sequence[str]) -> list[Answer]:
        """Return an answer for each picture file.

        Args:
            pictures: contents of picture files.
            options: for each picture, ``""``, ``view`` (the answer contains the network's input) or ``raw`` (the
                picture is the network's input).
        """
        answers: list[Answer | None] = [None] * len(pictures)
        plain = [i for i, option in enumerate(options) if not option]
        images: list[tuple[int, ndarray]] = []
        for i, option in enumerate(options):
            if option:
                try:
                    images.append((i, self._image(pictures[i], option)))
                except EmptyPicture as error:
                    answers[i] = self._one(self._abstention(error))
                except DataError as error:
                    answers[i] = problem(error)
        found = self._classifier.predict_each([pictures[i] for i in plain], max_pixels=self._max_pixels, workers=0)
        for i, prediction in zip(plain, found, strict=True):
            answers[i] = problem(prediction.error) if prediction.error else self._one(prediction)
        if images:
            stack = np.stack([image for _, image in images])
            for (i, image), prediction in zip(images, self._classifier.predict(stack), strict=True):
                answers[i] = self._one(prediction, image if options[i] == "view" else None)
        return [answer or Answer(code="internal") for answer in answers]

    def read(self, picture: bytes, option: str) -> Answer:
        """Return the answer for a page. With ``view``, it also contains each symbol with all probabilities."""
        try:
            page = self._classifier.read(picture, max_pixels=self._max_pixels)
        except DataError as error:
            return problem(error)
        except ModelError as error:
            return Answer(code="not-readable", detail=error.message)
        values = page.to_json()
        if option == "view":
            values["symbols"] = [_symbol_json(detection) for detection in page.detections]
        labels = tuple(detection.prediction.label for detection in page.detections)
        return Answer(_encoded(values), labels)

    def batch(self, content: bytes, shape: Sequence[int]) -> Answer:
        """Return the answer for many images.

        Args:
            content: ``uint8`` images ``[n, c, h, w]``, or JSON with picture files in base64 under ``pictures``.
            shape: shape of the images; empty for JSON.
        """
        try:
            if shape:
                images = np.frombuffer(content, np.uint8).reshape(tuple(shape))
                predictions = self._classifier.predict(images)
            else:
                pictures = _decoded_pictures(content)
                predictions = list(self._classifier.predict_each(pictures, max_pixels=self._max_pixels, workers=0))
        except (DataError, ValueError) as error:
            detail = error.message if isinstance(error, DataError) else str(error)
            return Answer(code="invalid-batch", detail=detail)
        values = [_prediction_json(prediction) for prediction in predictions]
        labels = tuple(prediction.label for prediction in predictions if not prediction.error)
        return Answer(_encoded({"predictions": values}), labels)

    def correction(self, picture: bytes) -> Answer:
        """Return a drawing as the PNG that is stored: only its pixels are kept."""
        try:
            pixels = load_pixels(picture, self._max_pixels)
        except DataError as error:
            return problem(error)
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "PNG")
        return Answer(stream.getvalue())

    def _image(self, picture: bytes, option: str) -> ndarray:
        description = self._classifier.description
        if option == "view":
            return preprocess(picture, description.preprocessing, description.image_shape, self._max_pixels)
        pixels = load_pixels(picture, self._max_pixels, 1)
        image = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
        if image.shape != description.image_shape:
            raise DataError(
                f"The picture has {image.shape[2]} x {image.shape[1]} pixels and {image.shape[0]} channels; the "
                f"model takes images of shape {list(description.image_shape)} with raw=1.",
            )
        return image

    def _abstention(self, error: EmptyPicture) -> "Prediction":
        from penstroke.inference.predictions import Prediction

        return Prediction((), self._classifier.description.classes, reason=error.message)

    def _one(self, prediction: "Prediction", image: ndarray | None = None) -> Answer:
        values = prediction.to_json()
        if image is not None:
            values["input"] = _image_json(image)
        return Answer(_encoded(values), (prediction.label,))


def problem(error: DataError) -> Answer:
    """Return the answer for a picture that cannot be used, without the text of a library."""
    return Answer(code="invalid-picture", detail=_public(error))


def _public(error: DataError) -> str:
    message, damaged, _ = error.message.partition(" is damaged or truncated")
    return f"{message}{damaged}." if damaged else str(error)


def _prediction_json(prediction: "Prediction") -> dict[str, Any]:
    values = prediction.to_json()
    if prediction.error:
        values["error"]["message"] = _public(prediction.error)
    return values


def _symbol_json(detection: "Detection") -> dict[str, Any]:
    prediction = detection.prediction
    values = detection.to_json() | {
        "most_probable": prediction.most_probable,
        "probability": prediction.probability,
        "probabilities": list(prediction.probabilities),
        "abstained": prediction.abstained,
    }
    return values | ({} if detection.image is None else {"input": _image_json(detection.image)})


def _image_json(image: ndarray) -> dict[str, Any]:
    return {"shape": list(image.shape), "pixels": base64.b64encode(image.tobytes()).decode()}


def _decoded_pictures(content: bytes) -> list[bytes]:
    """Return the picture files of a batch in JSON.

    Raises:
        ValueError: the content is not such a batch.
    """
    try:
        values = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("The body is not JSON.") from None
    pictures = values.get("pictures") if isinstance(values, dict) else None
    if not isinstance(pictures, list) or not all(isinstance(picture, str) for picture in pictures):
        raise ValueError("The JSON must be an object with a list of base64 strings under `pictures`.")
    if len(pictures) > MAX_BATCH_IMAGES:
        raise ValueError(f"The batch has {len(pictures)} pictures; at most {MAX_BATCH_IMAGES} are classified.")
    try:
        return [base64.b64decode(picture, validate=True) for picture in pictures]
    except (binascii.Error, ValueError):
        raise ValueError("A picture of the batch is not base64.") from None


def _encoded(values: dict[str, Any]) -> bytes:
    return json.dumps(values).encode()
