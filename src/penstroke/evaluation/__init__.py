"""Metrics and calibration of a model's log-probabilities. This package does not depend on PyTorch."""

from penstroke.evaluation.calibration import MAX_TEMPERATURE, apply_temperature, calibrate, calibration_error
from penstroke.evaluation.report import ClassRow, Report, Score, evaluate, score

__all__ = [
    "MAX_TEMPERATURE",
    "ClassRow",
    "Report",
    "Score",
    "apply_temperature",
    "calibrate",
    "calibration_error",
    "evaluate",
    "score",
]
