"""The prediction of one part after another in one process, without Ray. Imports PyArrow.

A picture is prepared in a process of its own: a picture that ends this process, such as one that needs too much memory,
becomes a row with an error, and the process is replaced.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy import ndarray

from penstroke import storage
from penstroke.errors import DataError, ModelError, ProcessError
from penstroke.inference import Classifier
from penstroke.inference.backends import BATCH_SIZE, configure_backend
from penstroke.inference.predictions import Prediction
from penstroke.inference.worker import Preparation, Worker
from penstroke.scale.inputs import map_images
from penstroke.scale.job import ATTEMPTED, Task
from penstroke.scale.model import model_sha256
from penstroke.scale.parts import Part
from penstroke.scale.rows import PartFile, array_rows, picture_rows, read_part, write_rows

ATTEMPTS = 4
"""Number of processes that may end while they predict the same part, before the job is given up."""


class Predictor:
    """Predicts parts, and writes the file of each. The model is opened at the first part.

    Args:
        task: the model and the job.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._stack = ExitStack()

    def __call__(self, part: Part) -> PartFile:
        """Predict a part, write its file, and return what it holds.

        Raises:
            DataError: the array cannot be read. Pictures that cannot be used are rows with an error.
            ModelError: the model is damaged, or is not that of the job.
            MissingExtraError: the model needs PyTorch, and it is not installed.
            StorageError: the file cannot be written.
            ProcessError: processes have ended while they predicted this part, again and again.
        """
        path = Path(self._task.output) / part.name
        attempts = path.with_name(f".{part.name}{ATTEMPTED}")
        self._count(attempts, part)
        table = self._pictures(part) if part.start is None else self._images(part)
        write_rows(path, table, self._task.job)
        written = read_part(path, self._task.job, part.rows)
        assert written, "the file was just written"
        storage.remove_file(attempts)
        return written

    def close(self) -> None:
        """End the process that prepares pictures."""
        self._stack.close()

    def _count(self, attempts: Path, part: Part) -> None:
        """Count an attempt at a part in a file, which remains if this process is killed."""
        number = len(attempts.read_bytes()) if attempts.exists() else 0
        if number >= ATTEMPTS:
            raise ProcessError(
                f"{number} processes have ended while they predicted {part.row_names[0]} to {part.row_names[-1]}.",
                "They may need more memory than is available: use fewer --workers; then the same command continues.",
            )
        storage.write_bytes(attempts, b"1" * (number + 1))

    @cached_property
    def _classifier(self) -> Classifier:
        found = model_sha256(self._task.model)
        if found != self._task.model_sha256:
            raise ModelError(
                f"The model {self._task.model} has changed since the job began: its SHA-256 is {found}, not "
                f"{self._task.model_sha256}.",
                "Use the same model on all machines, and start a new job for another model.",
            )
        classifier = Classifier.load(self._task.model, threads=1)
        configure_backend(classifier.backend_name, threads=1)
        return classifier

    @cached_property
    def _worker(self) -> Worker:
        description = self._classifier.description
        worker = Worker(Preparation(description.preprocessing, description.image_shape, self._task.max_pixels))
        self._stack.callback(worker.stop)
        return worker

    def _images(self, part: Part) -> pa.Table:
        classifier = self._classifier
        description = classifier.description
        images = np.asarray(map_images(Path(part.files[0]), description.image_shape)[part.start : part.stop])
        if len(images) < part.rows:
            raise DataError(
                f"{part.files[0]} has lost images since the job began.", "Restore the file, or start a new job."
            )
        batches = (images[start : start + BATCH_SIZE] for start in range(0, len(images), BATCH_SIZE))
        log_probs = np.concatenate([classifier.log_probs(batch) for batch in batches])
        return array_rows(part.row_names, log_probs, description.classes, classifier.threshold)

    def _pictures(self, part: Part) -> pa.Table:
        predictions = list(self._predictions(part))
        return picture_rows(part.row_names, predictions, self._classifier.description.classes)

    def _predictions(self, part: Part) -> Iterator[Prediction]:
        prepared: Iterator[ndarray | DataError] = map(self._worker.prepare, part.files)
        while batch := list(islice(prepared, BATCH_SIZE)):
            yield from self._classifier.predict_prepared(batch)
