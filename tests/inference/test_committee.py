"""Classifiers of several models: runs, model files, ONNX files and the bundled model."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from penstroke.data import Dataset
from penstroke.errors import ModelError, UsageError
from penstroke.export import export_model
from penstroke.export.program import program_of
from penstroke.export.target import Target
from penstroke.inference import Classifier
from penstroke.inference.source import members_of
from penstroke.models import Calibration, bundled, read_model, write_model
from penstroke.runs import Run


@pytest.fixture(scope="module")
def pair(sample_run: Run, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a run and a model file with other weights, as a committee."""
    path = tmp_path_factory.mktemp("other") / "model.safetensors"
    description, weights = read_model(sample_run.model_path)
    generator = np.random.default_rng(0)
    changed = {name: array * generator.normal(1, 0.2, array.shape).astype("f") for name, array in weights.items()}
    changed |= {name: array for name, array in weights.items() if name.startswith("normalise")}
    write_model(path, changed, replace(description, calibration=None))
    return f"{sample_run.path}+{path}"


def mean_of(source: str, images: np.ndarray) -> np.ndarray:
    each = [np.exp(Classifier.load(name).log_probs(images)) for name in source.split("+")]
    return np.asarray(np.mean(each, 0))


def test_probabilities_are_averaged_by_both_backends(pair: str, sample: Dataset, tmp_path: Path) -> None:
    images = sample.test.images[:60]
    classifier = Classifier.load(pair)
    assert (classifier.backend_name, classifier.source) == ("torch", pair)
    np.testing.assert_allclose(np.exp(classifier.log_probs(images)), mean_of(pair, images), atol=1e-6)
    for mixed in (f"ready+{pair}", f"{bundled.ONNX}+{pair}"):
        loaded = Classifier.load(mixed)
        np.testing.assert_allclose(np.exp(loaded.log_probs(images)), mean_of(mixed, images), atol=1e-6)
        with pytest.raises(ModelError, match="with an ONNX file cannot be saved"):
            loaded.save(tmp_path / "model.safetensors")
    assert Classifier.load(f"ready+{bundled.ONNX}").backend_name == "onnx"


def test_a_committee_is_saved_as_one_model(pair: str, sample: Dataset, tmp_path: Path) -> None:
    classifier = Classifier.load(pair)
    classifier.save(tmp_path / "committee.safetensors")
    again = Classifier.load(tmp_path / "committee.safetensors")
    assert again.description == classifier.description
    images = sample.test.images[:20]
    np.testing.assert_array_equal(again.log_probs(images), classifier.log_probs(images))
    with pytest.raises(ModelError, match="is a committee; it cannot be a member"):
        Classifier.load(f"ready+{tmp_path / 'committee.safetensors'}")


def test_a_committee_is_exported_as_one_graph(pair: str, sample: Dataset, tmp_path: Path) -> None:
    classifier = Classifier.load(pair)
    exported = export_model(classifier, Target("onnx"), tmp_path / "model.onnx", sample)
    assert exported.parity.different_labels == 0
    images = sample.test.images[:20]
    found = Classifier.load(tmp_path / "model.onnx").log_probs(images)
    np.testing.assert_allclose(found, classifier.log_probs(images), atol=1e-4)
    graph = onnx.load(tmp_path / "model.onnx")
    with pytest.raises(ModelError, match=r"npz and web do not support .*ReduceLogSumExp") as caught:
        program_of(graph)
    assert "--to onnx" in caught.value.remedy


def test_pictures_are_rejected_by_the_mean_threshold(pair: str, sample: Dataset, tmp_path: Path) -> None:
    paths = []
    for name, threshold in zip(pair.split("+"), (0.9, 1.0), strict=True):
        source = Path(name) / "model.safetensors" if Path(name).is_dir() else Path(name)
        description, weights = read_model(source)
        known = Calibration(threshold=threshold, images=10, rejected=0, wrong=0)
        paths.append(tmp_path / f"{threshold}.safetensors")
        write_model(paths[-1], weights, replace(description, calibration=known))
    classifier = Classifier.load("+".join(map(str, paths)))
    assert classifier.threshold == pytest.approx(0.95)
    found = classifier.predict(sample.test.images[:50])
    highest = np.exp(classifier.log_probs(sample.test.images[:50])).max(1)
    assert [one.abstained for one in found] == (highest < classifier.threshold).tolist()


def test_a_name_with_a_plus_sign_may_be_one_run(
    sample_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a+b").symlink_to(sample_run.path, target_is_directory=True)
    assert members_of("a+b") == []
    assert members_of("a+c") == ["a", "c"]
    assert Classifier.load("a+b").description.network.kind == "convnet"


@pytest.mark.parametrize(
    ("source", "message"),
    [("ready+", "lacks a name before or after a plus sign"), ("ready+ready", "ready is given more than once")],
)
def test_names_that_are_missing_or_repeated_are_rejected(source: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Classifier.load(source)


def test_training_cannot_start_from_a_committee(pair: str, tmp_path: Path) -> None:
    from penstroke.training.init import open_source

    classifier = Classifier.load(pair)
    classifier.save(tmp_path / "committee.safetensors")
    for source in (classifier, tmp_path / "committee.safetensors"):
        with pytest.raises(ModelError, match="is a committee: training cannot start from it"):
            open_source(source)
    with pytest.raises(ModelError, match=r"has several models, and one file is needed here") as caught:
        open_source(pair)
    assert ".save(" in caught.value.remedy


def test_devices_of_torch_are_chosen_for_the_whole(pair: str, sample: Dataset) -> None:
    if torch.cuda.is_available():
        pytest.skip("a GPU is available")
    with pytest.raises(UsageError, match="cuda"):
        Classifier.load(pair, device="cuda").log_probs(sample.test.images[:1])
