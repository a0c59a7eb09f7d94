"""The committee of an experiment: the trainings of several seeds as one model, calibrated as a whole."""

from dataclasses import replace
from typing import TypedDict

from penstroke import runs
from penstroke.errors import RunError
from penstroke.experiments.runner import Experiments
from penstroke.models.committee import committee_description, committee_weights
from penstroke.models.files import read_model
from penstroke.models.modules import module_from, save_model
from penstroke.recipes import Evaluation
from penstroke.runs import Run
from penstroke.runtime import choose_device, environment
from penstroke.scale.model import model_sha256
from penstroke.training.measure import build_measurement
from penstroke.training.start import split_validation

NAME = "committee"


class Member(TypedDict):
    """A member of a committee, as ``run.json`` records it."""

    run: str
    """Name of its run."""
    sha256: str
    """Hash of its model file."""


def make_committee(experiments: Experiments, device: str = "auto") -> Run:
    """Return the run ``committee`` in the folder of an experiment, which is made unless it exists.

    All members have the same validation split. None was trained on it, so the temperature and the rejection threshold
    of the mean of their probabilities are determined on it. The test images are not read.

    Args:
        experiments: the trainings of one setting, all done.
        device: see ``fit``.

    Raises:
        RunError: fewer than two trainings are finished; the others diverged.
        ModelError: the model of a run is missing or damaged.
        StorageError: the run cannot be written.
    """
    finished = [run for each in experiments.plan.experiments() if (run := experiments.run(each)).finished]
    if len(finished) < 2:
        raise RunError(
            f"{len(finished)} of {len(experiments.plan)} trainings in {experiments.folder} are finished, and a "
            "committee needs two.",
            "Choose a recipe that does not diverge, or more seeds.",
        )
    members = [Member(run=run.path.name, sha256=model_sha256(run.path)) for run in finished]
    existing = Run(experiments.folder / NAME)
    if runs.is_run(existing.path) and existing.finished and existing.record.members == members:
        return existing
    models = {run.path.name: read_model(runs.model_file(run.path)) for run in finished}
    description = committee_description({name: model[0] for name, model in models.items()})
    description = replace(description, calibration=None)
    weights = committee_weights([model[1] for model in models.values()], description.image_shape[0])
    recipe, used = experiments.plan.settings[0].recipe, choose_device(device)
    validation = split_validation(experiments.data, recipe.validation)[1]
    measurement = build_measurement(Evaluation(), recipe.validation, experiments.data, validation, used)
    network, calibration = measurement.calibrated(module_from(description, weights).to(used))
    record = finished[0].record
    run = runs.create(NAME, environment(str(used)), existing.path, data=record.data, members=members)
    save_model(run.model_path, network.cpu(), replace(description, calibration=calibration))
    run.update(state="finished")
    return run
