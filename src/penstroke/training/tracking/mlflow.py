"""Tracking with MLflow, https://mlflow.org."""

import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from penstroke.errors import UsageError, require_extra
from penstroke.training.tracking.tracker import Scalar, Tracker

if TYPE_CHECKING:
    from penstroke.data import Dataset
    from penstroke.runs import Run
    from penstroke.training.fitted import Fitted


class MLflow(Tracker):
    """Sends recipe, metrics and state of a run to the MLflow server at ``MLFLOW_TRACKING_URI``.

    The experiment is ``penstroke``, or that of ``MLFLOW_EXPERIMENT_NAME``. A resumed training is a new run in MLflow.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        super().__init__(report)
        remedy = "Start `mlflow server`, and set MLFLOW_TRACKING_URI to its address, such as http://127.0.0.1:5000."
        if not (uri := os.environ.get("MLFLOW_TRACKING_URI")):
            raise UsageError("MLFLOW_TRACKING_URI is not set.", remedy)
        require_extra("track", "mlflow")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # by default, MLflow waits for minutes
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        self._client = MlflowClient(uri)
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "penstroke")
        try:
            found = self._client.get_experiment_by_name(name)
            self._experiment = found.experiment_id if found else self._client.create_experiment(name)
        except MlflowException as error:
            raise UsageError(f"MLflow at {uri} cannot be used: {error.message}", remedy) from error

    def start(self, run: "Run", done: int) -> None:
        """Create a run in MLflow."""
        from mlflow.entities import Param

        tags = {"penstroke.run": str(run.path.resolve()), "penstroke.resumed_after_step": str(done)}
        self._id = self._client.create_run(self._experiment, tags=tags, run_name=run.path.name).info.run_id
        fields = run.recipe().flat().items()
        self._client.log_batch(self._id, params=[Param(name, str(value)) for name, value in fields])

    def send(self, scalars: Sequence[Scalar]) -> None:
        """Send values in one request."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._client.log_batch(self._id, [Metric(each.name, each.value, now, each.step) for each in scalars])

    def end(self, run: "Run", data: "Dataset", fitted: "Fitted | None") -> None:  # noqa: ARG002 - for other trackers
        """Set the state of the run."""
        stopped = "FINISHED" if fitted and fitted.history.finished else "KILLED"
        self._client.set_terminated(self._id, stopped if fitted else "FAILED")
