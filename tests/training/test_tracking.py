"""TensorBoard and MLflow get the metrics of a run, and tracking does not change or end a training."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from campaigns.tiny import EVERY_4_STEPS, StopAfter, data, recipe
from support.server import free_port

from penstroke.data import Dataset
from penstroke.errors import DataError, ModelError, UsageError
from penstroke.runs import Run
from penstroke.training import Callback, fit, resume_run, train_run
from penstroke.training.fitted import Fitted
from penstroke.training.tracking import Scalar, Tracker, build_tracker
from penstroke.training.tracking.tensorboard import EMBEDDED


class Recording(Tracker):
    """Keeps what it is sent; fails at the call with number ``fails``."""

    def __init__(self, reported: list[str], fails: int = 0) -> None:
        super().__init__(reported.append)
        self.sent: list[Scalar] = []
        self.began: list[int] = []
        self.ended: list[bool] = []
        self.fails, self.calls = fails, 0

    def start(self, run: Run, done: int) -> None:
        self.began.append(done)

    def send(self, scalars: Sequence[Scalar]) -> None:
        self.calls += 1
        if self.calls == self.fails:
            raise ConnectionError("the server is away")
        self.sent += scalars

    def end(self, run: Run, data: Dataset, fitted: Fitted | None) -> None:
        self.ended.append(fitted is not None and fitted.history.finished)


def values(scalars: Sequence[Scalar], name: str) -> list[tuple[int, float]]:
    return [(each.step, each.value) for each in scalars if each.name == name]


def test_a_tracker_gets_each_step_and_epoch(tmp_path: Path) -> None:
    reported: list[str] = []
    tracker = Recording(reported)
    run, fitted = train_run(recipe(validation=0.2), data(), device="cpu", out=tmp_path / "run", callbacks=[tracker])
    rows = fitted.history.epochs
    steps = len(rows[0].step_losses)
    losses = [loss for row in rows for loss in row.step_losses]
    assert values(tracker.sent, "train/loss") == list(enumerate(losses, 1))
    assert values(tracker.sent, "test/accuracy") == [(steps * row.epoch, row.test.accuracy) for row in rows if row.test]
    assert [step for step, _ in values(tracker.sent, "validation/loss")] == [steps, 2 * steps]
    assert (tracker.began, tracker.ended, reported) == ([0], [True], [])
    plain, _ = train_run(recipe(validation=0.2), data(), device="cpu", out=tmp_path / "plain")
    assert run.model_path.read_bytes() == plain.model_path.read_bytes()


def test_a_resumed_training_is_tracked_from_its_step(tmp_path: Path) -> None:
    first, second = Recording([]), Recording([])
    run, _ = train_run(
        recipe(), data(), device="cpu", out=tmp_path / "run", callbacks=[first, StopAfter(7)], interval=EVERY_4_STEPS
    )
    resume_run(run, data(), device="cpu", callbacks=[second])
    assert (first.ended, second.began, second.ended) == ([False], [7], [True])
    steps = [step for step, _ in values(first.sent + second.sent, "train/loss")]
    assert steps == list(range(1, 19))


@pytest.mark.parametrize("fails", [1, 2, 3])
def test_a_service_that_fails_does_not_end_the_training(fails: int, tmp_path: Path) -> None:
    reported: list[str] = []
    tracker = Recording(reported, fails)
    run, _ = train_run(recipe(), data(), device="cpu", out=tmp_path / "run", callbacks=[tracker])
    assert run.finished
    assert reported == ["the tracking by Recording ended: ConnectionError: the server is away"]
    assert tracker.calls == fails


def test_a_failed_training_is_ended_as_failed(tmp_path: Path) -> None:
    class Diverge(Callback):
        def on_step_end(self, progress: Any) -> None:
            raise ModelError("The training diverged.")

    tracker = Recording([])
    with pytest.raises(ModelError):
        train_run(recipe(), data(), device="cpu", out=tmp_path / "run", callbacks=[tracker, Diverge()])
    assert tracker.ended == [False]
    assert len(values(tracker.sent, "train/loss")) == 1


def test_a_training_that_fails_before_its_first_step_is_not_tracked(tmp_path: Path) -> None:
    reported: list[str] = []
    tracker = Recording(reported)
    sealed = Dataset(data().card, data().train, None, requested="mnist5k")
    with pytest.raises(DataError, match="has none"):
        train_run(recipe(), sealed, device="cpu", out=tmp_path / "run", callbacks=[tracker])
    assert (tracker.began, tracker.ended, reported) == ([], [], [])


def test_the_methods_of_a_run_are_called_by_train_run_and_not_by_fit(tmp_path: Path) -> None:
    called: list[Any] = []

    class Both(Callback):
        def on_run_start(self, run: Run, data: Dataset) -> None:
            called.append((run.record.state, data.card.name))

        def on_run_end(self, run: Run, fitted: Fitted | None) -> None:
            called.append((run.record.state, fitted is not None))

    fit(recipe(epochs=1), data(), device="cpu", callbacks=[Both()])
    assert not called
    train_run(recipe(epochs=1), data(), device="cpu", out=tmp_path / "run", callbacks=[Both()])
    assert called == [("running", "mnist5k"), ("finished", True)]


def test_callbacks_are_checked_before_a_run_is_created(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="each callback must be an instance"):
        train_run(recipe(), data(), device="cpu", out=tmp_path / "run", callbacks=[print])  # type: ignore[list-item]
    assert not list(tmp_path.iterdir())


def test_an_unknown_tracker_and_a_missing_server_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="The tracker 'wandb' is unknown"):
        build_tracker("wandb")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(UsageError, match="MLFLOW_TRACKING_URI is not set"):
        build_tracker("mlflow")


def events(run: Run) -> Any:
    """Return what TensorBoard reads in the folder of a run."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(run.path / "tensorboard"), size_guidance={"scalars": 0})
    return found.Reload()


def test_tensorboard_reads_scalars_confusion_matrix_and_embedding(tmp_path: Path) -> None:
    reported: list[str] = []
    tracker = build_tracker("tensorboard", reported.append)
    run, fitted = train_run(recipe(), data(), device="cpu", out=tmp_path / "run", callbacks=[tracker])
    assert not reported
    found = events(run)
    losses = [(event.step, event.value) for event in found.Scalars("train/loss")]
    expected = [loss for row in fitted.history.epochs for loss in row.step_losses]
    assert losses == [(step, pytest.approx(loss)) for step, loss in enumerate(expected, 1)]
    last = fitted.history.epochs[-1].test
    assert last
    assert found.Scalars("test/accuracy")[-1].value == pytest.approx(last.accuracy)
    (image,) = found.Images("confusion")
    assert (image.width, image.height) == (240, 240)
    text = found.Tensors("confusion/text_summary")[0].tensor_proto.string_val[0].decode()
    counts = np.array([row.split("|")[2:-1] for row in text.splitlines()[2:]], int)
    assert counts.sum() == 50
    assert counts.trace() == last.correct
    (folder,) = (run.path / "tensorboard").glob("*/default")
    rows = (folder / "tensors.tsv").read_text().splitlines()
    assert len(rows) == 50 <= EMBEDDED
    assert len(rows[0].split("\t")) == 8, "the input of the last layer"
    labels = (folder / "metadata.tsv").read_text().split()
    assert labels == [str(label) for label in data().test.labels]


def test_tensorboard_hides_the_steps_that_a_resumed_training_repeats(tmp_path: Path) -> None:
    class Crash(Callback):
        def on_step_end(self, progress: Any) -> None:
            if progress.step == 7:
                raise ZeroDivisionError

    what = recipe(epochs=1, test_each_epoch=False)
    tracker = build_tracker("tensorboard")
    with pytest.raises(ZeroDivisionError):
        train_run(
            what, data(), device="cpu", out=tmp_path / "run", callbacks=[tracker, Crash()], interval=EVERY_4_STEPS
        )
    tracker._flush()  # as after 100 steps
    tracker._writer.close()  # type: ignore[attr-defined]
    time.sleep(1)  # the names of event files have seconds, and are read in the order of the names
    resume_run(Run(tmp_path / "run"), data(), device="cpu", callbacks=[build_tracker("tensorboard")])
    found = events(Run(tmp_path / "run"))
    assert [event.step for event in found.Scalars("train/loss")] == list(range(1, 10))
    assert not found.Tags()["images"], "without validation and test there is nothing to measure"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of an MLflow server with an empty database."""
    folder = tmp_path_factory.mktemp("mlflow")
    address = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", "sqlite:///tracking.db"]
    command += ["--default-artifact-root", "artifacts", "--workers", "1", "--port", address.rpartition(":")[2]]
    environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        for _ in range(600):  # a migration of the database takes seconds
            try:
                urllib.request.urlopen(f"{address}/health", timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.2)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def test_a_server_of_mlflow_gets_recipe_metrics_and_state(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    reported: list[str] = []
    out, first = tmp_path / "run", build_tracker("mlflow", reported.append)
    run, _ = train_run(recipe(), data(), device="cpu", out=out, callbacks=[first, StopAfter(7)])
    fitted = resume_run(run, data(), device="cpu", callbacks=[build_tracker("mlflow", reported.append)])
    assert not reported
    client = MlflowClient(server)
    experiment = client.get_experiment_by_name("penstroke")
    second, first_run = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time DESC"])
    assert (first_run.info.status, second.info.status) == ("KILLED", "FINISHED")
    assert second.data.tags["penstroke.run"] == str(out.resolve())
    assert second.data.tags["penstroke.resumed_after_step"] == "7"
    assert second.data.params["optimizer"] == "adadelta"
    assert second.data.params["channels"] == "(2, 3)"
    losses = [
        (metric.step, metric.value)
        for each in (first_run, second)
        for metric in sorted(client.get_metric_history(each.info.run_id, "train/loss"), key=lambda found: found.step)
    ]
    expected = [loss for row in fitted.history.epochs for loss in row.step_losses]
    assert losses == [(step, pytest.approx(loss)) for step, loss in enumerate(expected, 1)]
    last = fitted.history.epochs[-1].test
    assert last
    assert second.data.metrics["test/accuracy"] == pytest.approx(last.accuracy)


def test_a_server_that_does_not_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(UsageError, match=r"MLflow at http://127.0.0.1:9 cannot be used"):
        build_tracker("mlflow")
