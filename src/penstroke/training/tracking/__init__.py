"""Trackers: callbacks that send the metrics of a run to TensorBoard or MLflow. Importing this imports neither."""

from collections.abc import Callable

from penstroke.errors import UsageError, nearest
from penstroke.training.tracking.tracker import Scalar, Tracker

TRACKERS = ("tensorboard", "mlflow")
"""The names of the trackers."""

__all__ = ["TRACKERS", "Scalar", "Tracker", "build_tracker"]


def build_tracker(name: str, report: Callable[[str], None] = lambda _: None) -> Tracker:
    """Return the tracker called ``name``.

    Args:
        name: ``tensorboard`` writes to ``RUN/tensorboard``; ``mlflow`` sends to the server at ``MLFLOW_TRACKING_URI``.
        report: called with one sentence if the tracking fails during the training, which continues.

    Raises:
        UsageError: there is no tracker of that name, or ``MLFLOW_TRACKING_URI`` is not set.
        MissingExtraError: the package of the tracker is not installed.
    """
    if name == "tensorboard":
        from penstroke.training.tracking.tensorboard import TensorBoard

        return TensorBoard(report)
    if name == "mlflow":
        from penstroke.training.tracking.mlflow import MLflow

        return MLflow(report)
    raise UsageError(f"The tracker {name!r} is unknown.", nearest(name, TRACKERS))
