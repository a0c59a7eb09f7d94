"""A training that was broken off goes on bit for bit; what cannot be trusted is set aside, aloud."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from campaigns.tiny import StopAfter, data, go_on, litter, outcome, recipe

from penstroke import recipes, runs, storage
from penstroke.data import Dataset
from penstroke.data import batches as data_batches
from penstroke.data.batches import batch_indices, batches
from penstroke.data.split import Split, fingerprint
from penstroke.errors import ModelError, RunError, StorageError
from penstroke.runs import Run
from penstroke.training import Progress, Sink, fit
from penstroke.training.checkpoint import Pace, latest, read
from penstroke.training.history import State
from penstroke.training.recorder import resume_run, train_run
from penstroke.training.snapshot import put_back, take

LR = {"adadelta": 0.5, "muon": 0.05, "sgd": 0.05}
VARIANTS = [{"optimizer": name, "lr": LR.get(name, 0.002), "momentum": 0.5} for name in recipes.OPTIMIZERS]
VARIANTS += [
    {"schedule": "one-cycle", "label_smoothing": 0.1},
    {"validation": 0.2, "schedule": "step", "test_each_epoch": False},
]


@pytest.mark.parametrize("changes", VARIANTS, ids=lambda changes: str(changes.get("optimizer", "more")))
def test_a_broken_training_ends_as_an_unbroken_one(changes: dict[str, object], tmp_path: Path) -> None:
    what = recipe(**changes)
    expected = outcome(go_on(tmp_path / "unbroken", what))
    for steps in (1, 3, 5, 4):  # within an epoch, across one, and at one's last step
        run = go_on(tmp_path / "broken", what, (StopAfter(steps),))
        assert run.read()["state"] == "unfinished"
    assert outcome(go_on(tmp_path / "broken", what)) == expected
    assert expected["state"] == "finished"
    assert not run.checkpoints.exists(), "a finished run needs no checkpoints"
    assert not litter(tmp_path)


class Crash(Sink):
    """Breaks a training off as a killed process does: nothing is tidied up."""

    def __init__(self, step: int) -> None:
        self.step = step

    def stepped(self, progress: Progress) -> None:
        if (progress.epoch - 1) * progress.steps + progress.step == self.step:
            raise ZeroDivisionError


def crashed(home: Path, step: int = 11) -> Run:
    with pytest.raises(ZeroDivisionError):
        go_on(home, recipe(), (Crash(step),))
    (home / "optimizers").unlink(missing_ok=True)
    return runs.to_resume(home=home)


def test_steps_logged_after_the_last_checkpoint_are_not_doubled(tmp_path: Path) -> None:
    expected = outcome(go_on(tmp_path / "a", recipe()))
    run = crashed(tmp_path / "b")
    assert run.read()["state"] == "running"
    assert [folder.name for folder in sorted(run.checkpoints.iterdir())] == ["0001-000004", "0001-000008"]
    assert len(list(run.rows("step"))) == 9, "one more than the checkpoint knows of"
    assert outcome(go_on(tmp_path / "b", recipe())) == expected


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_anew(tmp_path: Path) -> None:
    expected = outcome(go_on(tmp_path / "a", recipe()))
    run = crashed(tmp_path / "b", step=2)
    run.metrics.append({"kind": "step", "epoch": 1})
    assert outcome(go_on(tmp_path / "b", recipe())) == expected
    assert run.read()["resumed"][0]["after"] is None


def test_a_bad_checkpoint_is_set_aside_aloud_and_the_one_before_is_used(tmp_path: Path) -> None:
    expected = outcome(go_on(tmp_path / "a", recipe()))
    run = crashed(tmp_path / "b")
    bad = run.checkpoints / "0001-000008" / "training.safetensors"
    content = bytearray(bad.read_bytes())
    content[len(content) // 2] ^= 1
    bad.write_bytes(content)
    said: list[str] = []
    found = latest(run, said.append)
    assert found
    assert found.folder.name == "0001-000004"
    assert "0001-000008 is damaged" in said[0]
    assert (run.checkpoints / "0001-000008.rejected" / "manifest.json").is_file()
    assert outcome(go_on(tmp_path / "b", recipe())) == expected
    assert [folder.name for folder in run.checkpoints.iterdir()] == ["0001-000008.rejected"], "kept for ever"


def test_a_checkpoint_of_another_run_or_place_is_no_checkpoint(tmp_path: Path) -> None:
    run, other = crashed(tmp_path / "a"), tmp_path / "b"
    with pytest.raises(ZeroDivisionError):
        go_on(other, recipe(seed=1), (Crash(11),))
    newest = run.checkpoints / "0001-000008"
    newest.rename(run.checkpoints / "0002-000008")
    (other / "run" / "checkpoints" / "0001-000008").rename(newest)
    said: list[str] = []
    found = latest(run, said.append)
    assert found
    assert found.folder.name == "0001-000004"
    assert "another's place" in said[0]
    assert "another recipe" in said[1]


def test_other_images_are_refused_and_other_conditions_said_aloud(tmp_path: Path) -> None:
    run = crashed(tmp_path)
    images = data().train.images.clone()
    images[0, 0, 0, 0] += 1
    changed = Dataset(
        data().card, dataclasses.replace(data().train, images=images), lambda: data().test, requested="mnist5k"
    )
    with pytest.raises(RunError, match=r"not those that .* was trained on"):
        resume_run(run, changed, "cpu")
    state = run.checkpoints / "0001-000008"
    kept = read(state).context["conditions"]
    threads = torch.get_num_threads()
    torch.set_num_threads(kept["threads"] + 1)
    said: list[str] = []
    try:
        resume_run(run, data(), "cpu", say=said.append)
    finally:
        torch.set_num_threads(threads)
    assert any("may differ" in line and f"threads: {threads} then, {threads + 1} now" in line for line in said)
    assert run.read()["resumed"][-1]["differ"] == [f"threads: {threads} then, {threads + 1} now"]
    with pytest.raises(RunError, match="finished"):
        resume_run(run, data(), "cpu")


def test_two_processes_cannot_train_one_run(tmp_path: Path) -> None:
    run = crashed(tmp_path)
    with run.training(), pytest.raises(RunError, match="another process"):
        resume_run(Run(run.path), data(), "cpu")


class Poison(Sink):
    """Spoils a weight after a step, as a gradient that is not finite does."""

    def __init__(self, step: int, value: float = float("inf")) -> None:
        self.step, self.value = step, value

    def begun(self, state: State) -> None:
        self.state = state

    def stepped(self, progress: Progress) -> None:
        if progress.step == self.step:
            with torch.no_grad():
                next(self.state.model.parameters()).view(-1)[0] = self.value


@pytest.mark.parametrize("step", [4, 6, 9])
def test_numbers_that_go_wrong_are_named_and_the_last_checkpoint_kept(step: int, tmp_path: Path) -> None:
    what = recipe(test_each_epoch=False)
    with pytest.raises(ModelError, match=rf"step {step} of epoch 1 are not finite.* learning rate 0.5, on") as caught:
        go_on(tmp_path, what, (Poison(step),))
    run = runs.to_resume(home=tmp_path)
    images = batch_indices(data().train, what.batch_size, what.seed, 1, step - 1).tolist()
    assert f"on {len(images)} training images: {', '.join(map(str, images[:8]))}" in caught.value.message
    assert run.read()["state"] == "failed"
    found = latest(run, pytest.fail)
    assert found
    assert found.folder.name == ("0001-000008" if step == 9 else "0001-000004")
    assert all(value.isfinite().all() for value in found.snapshot.weights.values())
    assert not run.model_path.exists()


def test_no_checkpoint_is_written_of_numbers_that_are_not_finite(tmp_path: Path) -> None:
    class Late(Poison):
        def stepped(self, progress: Progress) -> None:
            super().stepped(progress)
            if progress.step == self.step:
                take(self.state)

    with pytest.raises(ModelError, match=r"cn1\.weight is not finite after step 3"):
        fit(recipe(), data(), "cpu", [Late(3, float("nan"))])


def test_a_snapshot_of_another_network_or_set_is_refused(tmp_path: Path) -> None:
    found = latest(crashed(tmp_path), pytest.fail)
    assert found
    good = found.snapshot
    broken = [
        ({**good.values, "step": 10}, good.tensors),
        ({**good.values, "step": -1}, good.tensors),
        ({**good.values, "epoch": 7}, good.tensors),
        ({**good.values, "epochs": [{}]}, good.tensors),
        (good.values, {**good.tensors, "losses.1": torch.zeros(3)}),
        (good.values, {**good.tensors, "optimizer.0.9.momentum": torch.zeros(3)}),
        (good.values, {**good.tensors, "optimizer.0.0.square_avg": torch.zeros(3)}),
        (good.values, {**good.tensors, "more": torch.zeros(3)}),
    ]
    for values, tensors in broken:
        with pytest.raises(ModelError, match="checkpoint"):
            fit(recipe(), data(), "cpu", start=dataclasses.replace(good, values=values, tensors=tensors))
    with pytest.raises(ModelError, match="weights do not fit"):
        fit(recipe(network=recipes.ConvNetSpec()), data(), "cpu", start=good)


def test_momenta_lie_in_memory_as_their_weights_do() -> None:
    class Keep(Sink):
        def begun(self, state: State) -> None:
            self.state = state

    first, second = Keep(), Keep()
    what = recipe(optimizer="muon", lr=0.05, epochs=1)
    fit(what, data(), "cpu", [first, StopAfter(3)])
    snapshot = take(first.state)
    kept = {name: value.contiguous().clone() for name, value in snapshot.tensors.items()}  # as a file keeps them
    fit(what, data(), "cpu", [second, StopAfter(1)], start=dataclasses.replace(snapshot, tensors=kept))
    for ours, theirs in zip(first.state.optimizers, second.state.optimizers, strict=True):
        for values, others in zip(ours.state.values(), theirs.state.values(), strict=True):
            assert all(values[name].stride() == others[name].stride() for name in values)
    with pytest.raises(ModelError):
        put_back(second.state, dataclasses.replace(take(first.state), weights={}))


@pytest.mark.parametrize("mapped", [False, True])
def test_an_epoch_can_begin_at_any_step(mapped: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_batches, "BLOCK", 16)
    monkeypatch.setattr(data_batches, "GROUP", 2)
    monkeypatch.setattr(data_batches, "release_pages", lambda images: None)
    split: Split = dataclasses.replace(data().train, mapped=mapped)
    cpu = torch.device("cpu")
    whole = list(batches(split, 7, 0, 1, cpu))
    assert len(whole) == 14
    for first in (1, 4, 5, 9, 13, 14):
        rest = list(batches(split, 7, 0, 1, cpu, first))
        assert len(rest) == 14 - first
        for (images, labels), (expected, truths) in zip(rest, whole[first:], strict=True):
            assert torch.equal(images, expected)
            assert torch.equal(labels, truths)
    for step, (images, _) in enumerate(whole):
        assert torch.equal(split.images[batch_indices(split, 7, 0, 1, step)], images)


def test_the_pace_keeps_to_its_share() -> None:
    assert Pace(steps=5).due(5, 0, 0)
    assert not Pace(steps=5).due(4, 1e9, 0)
    assert Pace(seconds=30).due(1, 30, 9)
    assert not Pace(seconds=30).due(10**9, 29, 0)
    assert not Pace(never=True).due(10**9, 1e9, 0)
    assert Pace().due(1, 10, 0.1)
    assert not Pace().due(10**9, 9.9, 0)
    assert not Pace().due(1, 49, 1.0), "a checkpoint of 1 s is worth 50 s"
    assert Pace().due(1, 50, 1.0)


def test_without_checkpoints_nothing_is_written(tmp_path: Path) -> None:
    run, _ = train_run(recipe(), data(), "cpu", tmp_path / "a", [StopAfter(3)], Pace(never=True))
    assert not run.checkpoints.exists()


def test_a_fingerprint_tells_sets_apart() -> None:
    split = data().train
    others = [
        dataclasses.replace(split, labels=split.labels.roll(1)),
        dataclasses.replace(split, images=split.images.roll(1, 0)),
        dataclasses.replace(split, classes=tuple(f"class {name}" for name in split.classes)),
    ]
    assert fingerprint(split) == fingerprint(dataclasses.replace(split, images=split.images.clone()))
    assert fingerprint(split) not in [fingerprint(other) for other in others]


def test_a_checkpoint_explains_itself(tmp_path: Path) -> None:
    from penstroke import Classifier

    run = crashed(tmp_path)
    folder = run.checkpoints / "0001-000008"
    state = json.loads((folder / "state.json").read_text())
    assert {"epoch", "step", "recipe", "conditions", "images", "metrics", "epochs", "seconds"} <= state.keys()
    assert state["recipe"]["name"] == "tiny"
    assert state["metrics"] <= run.metrics.size
    answers = Classifier.load(folder / "model.safetensors").log_probabilities(data().test.images)
    assert answers.shape == (50, 10)


def test_a_disk_that_keeps_something_else_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = storage.write_folder

    def writes_something_else(folder: Path, content: dict[str, bytes]) -> None:
        write(folder, content)
        (folder / "state.json").write_bytes(content["state.json"].replace(b"1", b"2", 1))

    monkeypatch.setattr(storage, "write_folder", writes_something_else)
    with pytest.raises(StorageError, match="was not kept by the disk"):
        go_on(tmp_path, recipe())
    run = runs.to_resume(home=tmp_path)
    assert run.read()["state"] == "failed"
    assert not run.generations()
    assert list(run.checkpoints.glob("*.rejected")), "it is set aside, not removed"
