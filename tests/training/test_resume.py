"""An interrupted training run continues bit for bit; invalid checkpoints are set aside and reported."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from campaigns.tiny import StopAfter, data, leftovers, outcome, recipe, train_or_resume

from penstroke import recipes, runs, storage
from penstroke.data import Dataset, fingerprint
from penstroke.errors import ModelError, RunError, StorageError
from penstroke.inference import Classifier
from penstroke.networks import ConvNet
from penstroke.runs import Run
from penstroke.training import Callback, CheckpointInterval, Progress, State, fit, resume_run, train_run
from penstroke.training.batches import shuffled
from penstroke.training.checkpoint import latest, read
from penstroke.training.snapshot import capture, restore

VARIANTS: list[dict[str, Any]] = [
    {"optimizer": "adadelta"},
    {"optimizer": "adam", "lr": 0.002},
    {"optimizer": "adamw", "lr": 0.002, "weight_decay": 0.1},
    {"optimizer": "muon", "lr": 0.05, "momentum": 0.5},
    {"optimizer": "rmsprop", "lr": 0.002, "momentum": 0.5},
    {"optimizer": "sgd", "lr": 0.05, "momentum": 0.5},
    {"optimizer": "sgd", "lr": 0.05},
    {"schedule": "one-cycle", "label_smoothing": 0.1, "class_weights": "balanced"},
    {"validation": 0.2, "schedule": "step", "test_each_epoch": False},
    {"distortion": 0.4, "outliers": 0.2},
    {"network": "vggnet", "channels": (16, 16), "optimizer": "sgd", "lr": 0.1, "momentum": 0.9,
     "nesterov": True, "decay_biases": False, "crop": 0.1, "flip": True, "jitter": 0.2, "cutout": 0.3},
]  # fmt: skip


@pytest.mark.parametrize("changes", VARIANTS, ids=lambda changes: "-".join(map(str, changes.values())))
def test_an_interrupted_training_ends_as_an_uninterrupted_one(changes: dict[str, Any], tmp_path: Path) -> None:
    what = recipe(**changes)
    expected = outcome(train_or_resume(tmp_path / "whole", what))
    for steps in (1, 3, 5, 4):  # within an epoch, across two, and at the last step of one
        run = train_or_resume(tmp_path / "parts", what, (StopAfter(steps),))
        assert run.record.state == "unfinished"
    assert outcome(train_or_resume(tmp_path / "parts", what)) == expected
    assert expected["state"] == "finished"
    assert run.model_path.read_bytes() == (tmp_path / "whole" / "run" / "model.safetensors").read_bytes()
    assert not run.checkpoint_folder.exists(), "a finished run needs no checkpoints"
    assert not leftovers(tmp_path)


class Crash(Callback):
    """Ends a training run as a killed process does: nothing is written or removed."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, progress: Progress) -> None:
        if (progress.epoch - 1) * progress.steps + progress.step == self.step:
            raise ZeroDivisionError


def crashed(home: Path, step: int = 11) -> Run:
    with pytest.raises(ZeroDivisionError):
        train_or_resume(home, recipe(), (Crash(step),))
    (home / "optimizers").unlink(missing_ok=True)
    return runs.to_resume(home=home)


def test_a_training_stopped_after_its_last_step_is_calibrated_when_it_is_resumed(tmp_path: Path) -> None:
    class StopAtTheEnd(Callback):
        def on_epoch_end(self, row: Any) -> None:
            if row.epoch == 2:
                from penstroke.training import StopTraining

                raise StopTraining

    what = recipe(validation=0.2)
    expected = outcome(train_or_resume(tmp_path / "whole", what))
    run = train_or_resume(tmp_path / "parts", what, (StopAtTheEnd(),))
    assert run.record.state == "unfinished"
    assert outcome(train_or_resume(tmp_path / "parts", what)) == expected


def test_steps_recorded_after_the_last_checkpoint_are_not_recorded_twice(tmp_path: Path) -> None:
    expected = outcome(train_or_resume(tmp_path / "a", recipe()))
    run = crashed(tmp_path / "b")
    assert run.record.state == "running"
    assert [folder.name for folder in sorted(run.checkpoint_folder.iterdir())] == ["0001-000004", "0001-000008"]
    assert len(list(run.rows("step"))) == 9, "one more than the checkpoint contains"
    assert outcome(train_or_resume(tmp_path / "b", recipe())) == expected


def test_a_run_that_was_killed_before_its_first_checkpoint_restarts(tmp_path: Path) -> None:
    expected = outcome(train_or_resume(tmp_path / "a", recipe()))
    run = crashed(tmp_path / "b", step=2)
    run.metrics.append({"kind": "step", "epoch": 1})
    assert outcome(train_or_resume(tmp_path / "b", recipe())) == expected
    assert run.record.resumed[0]["after"] is None


def test_the_interval_is_recorded_and_restored(tmp_path: Path) -> None:
    class CountCheckpoints(Callback):
        def on_step_end(self, progress: Progress) -> None:
            seen.extend(folder.name for folder in run.checkpoints() if folder.name not in seen)

    run, _ = train_run(
        recipe(), data(), device="cpu", out=tmp_path / "run", callbacks=[StopAfter(2)],
        interval=CheckpointInterval.parse("3"),
    )  # fmt: skip
    seen = [folder.name for folder in run.checkpoints()]
    assert run.record.checkpoint_every == "3"
    resume_run(run, data(), device="cpu", callbacks=[CountCheckpoints(), StopAfter(7)])
    assert seen == ["0001-000002", "0001-000005", "0001-000008"]
    assert run.record.checkpoint_every == "3"
    resume_run(run, data(), device="cpu", callbacks=[StopAfter(1)], interval=CheckpointInterval(seconds=90.0))
    assert run.record.checkpoint_every == "90s"
    run.update(checkpoint_every="sometimes")
    with pytest.raises(RunError, match="checkpoint_every is 'sometimes'"):
        resume_run(run, data(), device="cpu")


def test_an_invalid_checkpoint_is_set_aside_and_reported_and_the_previous_one_is_used(tmp_path: Path) -> None:
    expected = outcome(train_or_resume(tmp_path / "a", recipe()))
    run = crashed(tmp_path / "b")
    bad = run.checkpoint_folder / "0001-000008" / "training.safetensors"
    content = bytearray(bad.read_bytes())
    content[len(content) // 2] ^= 1
    bad.write_bytes(content)
    reported: list[str] = []
    found = latest(run, reported.append)
    assert found
    assert found.folder.name == "0001-000004"
    assert "0001-000008 is damaged" in reported[0]
    assert (run.checkpoint_folder / "0001-000008.rejected" / "manifest.json").is_file()
    assert outcome(train_or_resume(tmp_path / "b", recipe())) == expected
    assert [folder.name for folder in run.checkpoint_folder.iterdir()] == ["0001-000008.rejected"], "it is kept"


def test_a_checkpoint_of_another_run_or_step_is_invalid(tmp_path: Path) -> None:
    run, other = crashed(tmp_path / "a"), tmp_path / "b"
    with pytest.raises(ZeroDivisionError):
        train_or_resume(other, recipe(seed=1), (Crash(11),))
    newest = run.checkpoint_folder / "0001-000008"
    newest.rename(run.checkpoint_folder / "0002-000008")
    (other / "run" / "checkpoints" / "0001-000008").rename(newest)
    reported: list[str] = []
    found = latest(run, reported.append)
    assert found
    assert found.folder.name == "0001-000004"
    assert "belongs to epoch 1, step 8" in reported[0]
    assert "belongs to another recipe" in reported[1]


def test_other_images_are_rejected_and_other_conditions_reported(tmp_path: Path) -> None:
    run = crashed(tmp_path)
    images = data().train.images.copy()
    images[0, 0, 0, 0] += 1
    changed = Dataset(
        data().card, dataclasses.replace(data().train, images=images), lambda: data().test, requested="mnist5k"
    )
    with pytest.raises(RunError, match=r"not those that .* was trained on"):
        resume_run(run, changed, device="cpu")
    state = run.checkpoint_folder / "0001-000008"
    kept = read(state).context["conditions"]
    threads = torch.get_num_threads()
    torch.set_num_threads(kept["threads"] + 1)
    reported: list[str] = []
    try:
        resume_run(run, data(), device="cpu", report=reported.append)
    finally:
        torch.set_num_threads(threads)
    assert any("may differ" in line and f"threads: {threads} then, {threads + 1} now" in line for line in reported)
    assert any("resumes after epoch 1, step 8" in line for line in reported)
    assert run.record.resumed[-1]["differ"] == [f"threads: {threads} then, {threads + 1} now"]
    with pytest.raises(RunError, match="finished"):
        resume_run(run, data(), device="cpu")


def test_two_processes_cannot_train_one_run(tmp_path: Path) -> None:
    run = crashed(tmp_path)
    with run.locked_for_training(), pytest.raises(RunError, match="another process"):
        resume_run(Run(run.path), data(), device="cpu")


class Poison(Callback):
    """Makes a weight infinite after a step, as a gradient that is not finite does."""

    def __init__(self, step: int, value: float = float("inf")) -> None:
        self.step, self.value = step, value

    def on_train_start(self, state: State) -> None:
        self.state = state

    def on_step_end(self, progress: Progress) -> None:
        if progress.step == self.step:
            with torch.no_grad():
                next(self.state.network.parameters()).view(-1)[0] = self.value


@pytest.mark.parametrize("step", [4, 6, 9])
def test_numbers_that_are_not_finite_are_named_and_the_last_checkpoint_is_kept(step: int, tmp_path: Path) -> None:
    what = recipe(test_each_epoch=False)
    with pytest.raises(ModelError, match=rf"step {step} of epoch 1 are not finite.* learning rate 0.5, on") as caught:
        train_or_resume(tmp_path, what, (Poison(step),))
    run = runs.to_resume(home=tmp_path)
    images = shuffled(96, what.seed, 1)[(step - 1) * 11 :][:11].tolist()
    assert f"on {len(images)} training images: {', '.join(map(str, images[:8]))}" in caught.value.message
    assert run.record.state == "failed"
    assert run.record.error == {"kind": "model", "message": caught.value.message, "remedy": caught.value.remedy}
    found = latest(run, pytest.fail)
    assert found
    assert found.folder.name == ("0001-000008" if step == 9 else "0001-000004")
    assert str(found.folder) in caught.value.remedy
    assert all(value.isfinite().all() for value in found.snapshot.weights.values())
    assert not run.model_path.exists()


def test_no_checkpoint_is_written_of_numbers_that_are_not_finite() -> None:
    class Late(Poison):
        def on_step_end(self, progress: Progress) -> None:
            super().on_step_end(progress)
            if progress.step == self.step:
                capture(self.state)

    with pytest.raises(ModelError, match=r"cn1\.weight is not finite after step 3"):
        fit(recipe(), data(), device="cpu", callbacks=[Late(3, float("nan"))])


def test_a_snapshot_of_another_network_or_dataset_is_rejected(tmp_path: Path) -> None:
    found = latest(crashed(tmp_path), pytest.fail)
    assert found
    good = found.snapshot
    incomplete = {name: value for name, value in good.tensors.items() if name != "optimizer.0.0.square_avg"}
    broken = [
        ({**good.values, "step": 10}, good.tensors),
        ({**good.values, "step": -1}, good.tensors),
        ({**good.values, "epoch": 7}, good.tensors),
        ({**good.values, "epochs": [{}]}, good.tensors),
        (good.values, {**good.tensors, "losses.1": torch.zeros(3)}),
        (good.values, {**good.tensors, "optimizer.0.9.momentum": torch.zeros(3)}),
        (good.values, {**good.tensors, "optimizer.0.0.square_avg": torch.zeros(3)}),
        (good.values, {**good.tensors, "more": torch.zeros(3)}),
        (good.values, incomplete),
    ]
    for values, tensors in broken:
        snapshot = dataclasses.replace(good, values=values, tensors=tensors)
        with pytest.raises(ModelError, match="checkpoint"):
            fit(recipe(), data(), device="cpu", start=snapshot)
    with pytest.raises(ModelError, match="weights of the checkpoint do not match"):
        fit(recipe(network=ConvNet()), data(), device="cpu", start=good)


class Keep(Callback):
    def on_train_start(self, state: State) -> None:
        self.state = state


def test_the_state_of_an_optimizer_has_the_memory_layout_of_the_weights() -> None:
    first, second = Keep(), Keep()
    what = recipe(optimizer="muon", lr=0.05, epochs=1)
    fit(what, data(), device="cpu", callbacks=[first, StopAfter(3)])
    snapshot = capture(first.state)
    kept = {name: value.contiguous().clone() for name, value in snapshot.tensors.items()}  # as a file keeps them
    start = dataclasses.replace(snapshot, tensors=kept)
    fit(what, data(), device="cpu", callbacks=[second, StopAfter(1)], start=start)
    for ours, theirs in zip(first.state.optimizers, second.state.optimizers, strict=True):
        for weight, values, others in zip(ours.weights, ours.state, theirs.state, strict=True):
            assert all(values[name].stride() == others[name].stride() for name in values)
            assert all(value.stride() == weight.stride() for value in values.values() if value.ndim)
    with pytest.raises(ModelError):
        restore(second.state, dataclasses.replace(capture(first.state), weights={}))


def test_without_checkpoints_none_are_written(tmp_path: Path) -> None:
    interval = CheckpointInterval(never=True)
    run, _ = train_run(recipe(), data(), device="cpu", out=tmp_path / "a", callbacks=[StopAfter(3)], interval=interval)
    assert not run.checkpoint_folder.exists()
    assert run.record.checkpoint_every == "never"


def test_a_checkpoint_describes_itself(tmp_path: Path) -> None:
    run = crashed(tmp_path)
    folder = run.checkpoint_folder / "0001-000008"
    state = json.loads((folder / "state.json").read_text())
    assert {"epoch", "step", "recipe", "conditions", "images", "metrics", "epochs", "seconds"} <= state.keys()
    assert state["recipe"]["name"] == "tiny"
    assert state["metrics"] <= run.metrics.size
    log_probs = Classifier.load(folder / "model.safetensors").log_probs(data().test.images)
    assert log_probs.shape == (50, 10)
    assert np.isfinite(log_probs).all()


def test_a_disk_that_stores_other_bytes_is_detected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = storage.write_folder

    def write_other_bytes(folder: Path, content: dict[str, bytes]) -> None:
        write(folder, content)
        (folder / "state.json").write_bytes(content["state.json"].replace(b"1", b"2", 1))

    monkeypatch.setattr(storage, "write_folder", write_other_bytes)
    with pytest.raises(StorageError, match="differs from what was written"):
        train_or_resume(tmp_path, recipe())
    run = runs.to_resume(home=tmp_path)
    assert run.record.state == "failed"
    assert not run.checkpoints()
    assert list(run.checkpoint_folder.glob("*.rejected")), "it is set aside, not removed"


def test_runs_of_arrays_are_recorded(tmp_path: Path) -> None:
    arrays = Dataset.from_arrays(data().train.images, data().train.labels, name="digits")
    run, _ = train_run(recipes.fast(batch_size=32), arrays, device="cpu", out=tmp_path / "run")
    known = {"name": "digits", "requested": "digits", "source": "digits", "notes": []}
    assert run.record.data == known | {"fingerprint": fingerprint(arrays.train)}
