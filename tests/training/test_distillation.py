"""Distillation: the teacher's probabilities are the labels of the images that the network is trained on."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from penstroke import recipes
from penstroke.data import Dataset
from penstroke.errors import ModelError, RunError, UsageError
from penstroke.evaluation import evaluate
from penstroke.inference import Classifier
from penstroke.runs import Run
from penstroke.synthesis import NO_CLASS
from penstroke.training import fit, resume_run, train_run
from penstroke.training.callbacks import Callback, StopTraining
from penstroke.training.distillation import open_teacher, with_teacher
from penstroke.training.losses import build_loss, soft_nll

CPU = torch.device("cpu")


def short(**flat: object) -> recipes.Recipe:
    return recipes.fast(teacher="ready", label_smoothing=0, epochs=2, **flat)


def test_labels_are_the_probabilities_of_the_teacher_for_the_augmented_images(small: Dataset) -> None:
    teacher = open_teacher("ready", small.train, CPU)
    images, labels = (torch.tensor(values[:6]) for values in (small.train.images, small.train.labels))
    labels[2] = NO_CLASS
    seen, soft = with_teacher(lambda images, labels, _=slice(None): (images.flip(3), labels), teacher)(images, labels)
    assert torch.equal(seen, images.flip(3))
    with torch.no_grad():
        expected = teacher(images.flip(3)).exp()
    expected[2] = 0.1
    torch.testing.assert_close(soft, expected)
    part, whole = with_teacher(None, teacher)(images, labels, slice(2, 4))
    assert torch.equal(part, images[2:4])
    assert whole.shape == (6, 10), "the labels are those of the whole batch"


def test_the_loss_is_the_cross_entropy_of_probabilities() -> None:
    log_probs = torch.randn(4, 10).log_softmax(1)
    labels = torch.tensor([3, 1, 0, 9])
    hard = torch.nn.functional.one_hot(labels, 10).float()
    torch.testing.assert_close(soft_nll(log_probs, hard), torch.nn.functional.nll_loss(log_probs, labels))
    equal = torch.full((4, 10), 0.1)
    torch.testing.assert_close(soft_nll(equal.log(), equal), torch.tensor(10.0).log())
    assert build_loss(0.0, 0.1, taught=True) is soft_nll


def test_a_network_learns_from_the_teacher_alone(small: Dataset) -> None:
    shuffled = replace(small.train, labels=small.train.labels[::-1].copy())
    data = Dataset(small.card, shuffled, lambda: small.test, requested="small")
    fitted = fit(short(), data, progress=False)
    assert evaluate(fitted.classifier(), small.test).score.accuracy > 0.85


def test_an_interrupted_training_continues_with_the_same_teacher(small: Dataset, tmp_path: Path) -> None:
    class Stop(Callback):
        def on_epoch_end(self, row: object) -> None:
            raise StopTraining

    whole, _ = train_run(short(), small, device="cpu", out=tmp_path / "whole")
    run, _ = train_run(short(), small, device="cpu", out=tmp_path / "run", callbacks=[Stop()])
    resume_run(run, small, device="cpu")
    assert run.recipe().teacher == "ready"
    assert run.model_path.read_bytes() == whole.model_path.read_bytes()


def test_a_missing_teacher_and_one_for_other_images_are_errors(small: Dataset, sample_run: Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"teacher cannot be read. The run folder runs/best-seeds/committee") as caught:
        fit(recipes.distilled(), small, progress=False)
    assert "--teacher" in caught.value.remedy
    with pytest.raises(RunError, match="The teacher cannot be read"):
        open_teacher(str(tmp_path / "none"), small.train, CPU)
    other = replace(small.train, classes=tuple("abcdefghij"))
    with pytest.raises(ModelError, match=r"takes images of shape \[1, 28, 28\] with the classes 0, 1, 2"):
        open_teacher(str(sample_run.path), other, CPU)


def test_options_that_change_the_labels_or_the_loss_are_rejected(small: Dataset) -> None:
    with pytest.raises(UsageError, match=r"label_smoothing is 0.1 and class_weights is balanced but a teacher"):
        recipes.distilled(label_smoothing=0.1, class_weights="balanced")
    with pytest.raises(UsageError, match="loss is given, and the recipe has a teacher"):
        fit(short(), small, loss=torch.nn.NLLLoss(), progress=False)


def test_a_committee_is_a_teacher(small: Dataset, sample_run: Run) -> None:
    source = f"ready+{sample_run.path}"
    teacher = open_teacher(source, small.train, CPU)
    images = small.test.images[:5]
    with torch.no_grad():
        found = teacher(torch.from_numpy(images)).numpy()
    assert found == pytest.approx(Classifier.load(source, backend="torch").log_probs(images), abs=1e-5)
