"""The committee of several seeds: its calibration, and when it is made again."""

from pathlib import Path

import numpy as np
import pytest

from penstroke import recipes, runs, storage
from penstroke.data import Dataset
from penstroke.errors import RunError
from penstroke.evaluation import calibrate
from penstroke.experiments import build_plan
from penstroke.experiments.committee import make_committee
from penstroke.experiments.runner import Experiments
from penstroke.experiments.source import Source
from penstroke.inference import Classifier
from penstroke.runs import Run
from penstroke.training import train_run
from penstroke.training.start import split_validation


@pytest.fixture(scope="module")
def experiments(small: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Experiments:
    """Return an experiment of two seeds, both trained, with validation."""
    recipe = recipes.fast(validation=0.2, rejection_rate=0.05)
    found = Experiments(build_plan(recipe, (), 2), tmp_path_factory.mktemp("seeds"), small, Source())
    for each in found.plan.experiments():
        train_run(each.recipe, small, device="cpu", out=found.run(each).path)
    return found


def test_the_mean_is_calibrated_on_the_validation_split(experiments: Experiments) -> None:
    run = make_committee(experiments, "cpu")
    assert run.path == experiments.folder / "committee"
    classifier = Classifier.load(run.path)
    members = [experiments.run(each).path for each in experiments.plan.experiments()]
    plain = Classifier.load("+".join(map(str, members)))
    held_out = split_validation(experiments.data, experiments.plan.settings[0].recipe.validation)[1]
    assert held_out is not None
    temperature, calibration = calibrate(plain.log_probs(held_out.images), held_out.labels, 0.05)
    assert classifier.description.calibration == calibration
    assert calibration.images == len(held_out)
    found = classifier.backend.weights()["calibration.temperature"]
    assert float(found) == pytest.approx(temperature, rel=1e-4)
    images = experiments.data.test.images[:50]
    np.testing.assert_array_equal(classifier.log_probs(images).argmax(1), plain.log_probs(images).argmax(1))


def test_it_is_made_again_only_for_other_members(experiments: Experiments) -> None:
    first = make_committee(experiments, "cpu")
    assert first.finished
    assert not first.is_training
    assert make_committee(experiments, "cpu") == first
    assert [member["run"] for member in first.record.members] == ["seed-0", "seed-1"]
    first.update(members=[])
    second = make_committee(experiments, "cpu")
    assert second.path.name != first.path.name
    storage.remove_folder(second.path)


def test_fewer_than_two_finished_trainings_make_no_committee(experiments: Experiments, tmp_path: Path) -> None:
    one = Experiments(experiments.plan, tmp_path, experiments.data, experiments.source)
    (tmp_path / "seed-0").symlink_to(experiments.folder / "seed-0", target_is_directory=True)
    failed: Run = runs.create("seed-1", {}, tmp_path / "seed-1")
    failed.update(state="failed")
    with pytest.raises(RunError, match=r"1 of 2 trainings in .* are finished, and a committee needs two"):
        make_committee(one, "cpu")
