"""The Parquet files: the rows are those of ``Classifier``, and a file states which part it is."""

import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from penstroke import Classifier
from penstroke.data import Dataset
from penstroke.errors import DataError
from penstroke.inference import Prediction
from penstroke.scale.rows import array_rows, picture_rows, read_part, write_rows

COLUMNS = ["file", "label", "probability", "abstained", "reason", "error"]


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load("ready")


@pytest.fixture(scope="module")
def images(sample: Dataset) -> np.ndarray:
    """Return 40 digits, and 20 images of noise, on which the model abstains."""
    noise = np.random.default_rng(0).integers(0, 256, (20, 1, 28, 28), np.uint8)
    return np.concatenate([sample.test.images[:40], noise])


def test_the_rows_of_an_array_equal_those_of_predictions(classifier: Classifier, images: np.ndarray) -> None:
    names = [f"a.npy#{index}" for index in range(len(images))]
    classes, threshold = classifier.description.classes, classifier.threshold
    table = array_rows(names, classifier.log_probs(images), classes, threshold)
    assert table.column_names == [*COLUMNS, *(f"p_{name}" for name in classes)]
    assert table.equals(picture_rows(names, classifier.predict(images), classes))
    assert 0 < table["reason"].null_count < len(images)
    assert table["label"].null_count == len(images) - table["reason"].null_count
    assert table["error"].null_count == len(images)


def test_the_same_rows_give_the_same_bytes_and_the_footer_names_the_part(
    classifier: Classifier, images: np.ndarray, tmp_path: Path
) -> None:
    predictions = [
        *classifier.predict(images),
        Prediction((), ("0", "1"), error=DataError("It is damaged.", "Repair it.")),
    ]
    table = picture_rows([f"{number}.png" for number in range(61)], predictions, classifier.description.classes)
    path = tmp_path / "part-000000.parquet"
    assert read_part(path, "job", 61) is None
    write_rows(path, table, "job")
    first = path.read_bytes()
    write_rows(path, table, "job")
    assert path.read_bytes() == first
    found = read_part(path, "job", 61)
    assert found
    assert (found.rows, found.errors) == (61, 1)
    assert found.abstained == sum(bool(prediction.reason) for prediction in predictions) > 0
    assert pq.read_table(path).to_pylist()[-1]["error"] == "It is damaged. Repair it."

    for job, rows in (("other", 61), ("job", 60)):
        with pytest.raises(ValueError, match="another job"):
            read_part(path, job, rows)
    (tmp_path / "part-000001.parquet").write_bytes(first)
    with pytest.raises(ValueError, match="another job"):
        read_part(tmp_path / "part-000001.parquet", "job", 61)
    for content in (first[:-1], b"", b"PAR1", first[: len(first) // 2]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="damaged"):
            read_part(path, "job", 61)


def test_a_name_that_is_not_unicode_is_escaped(classifier: Classifier, images: np.ndarray) -> None:
    name = os.fsdecode(b"\xff.png")
    failed = Prediction((), ("0", "1"), error=DataError(f"{name} is empty."))
    for table in (
        picture_rows([name], [failed], ("0", "1")),
        array_rows([name], classifier.log_probs(images[:1]), classifier.description.classes, 0.5),
    ):
        assert table["file"].to_pylist() == ["\\udcff.png"]
    assert picture_rows([name], [failed], ("0", "1"))["error"].to_pylist() == ["\\udcff.png is empty."]
