"""Metrics and calibration of a model's log-probabilities. This package does not depend on PyTorch."""

from penstroke.evaluation.calibration import (
    MAX_TEMPERATURE,
    MIN_REJECTION_IMAGES,
    apply_temperature,
    calibrate,
    calibration_error,
)
from penstroke.evaluation.corruptions import CORRUPTIONS, corrupt
from penstroke.evaluation.measure import evaluate
from penstroke.evaluation.metrics import (
    Bin,
    Coverage,
    binned_calibration_error,
    brier_score,
    coverage_curve,
    reliability,
    roc_auc,
    top_k_correct,
    wilson_interval,
)
from penstroke.evaluation.report import ClassRow, Report, Score, score
from penstroke.evaluation.robustness import CorruptionErrors, FamilyErrors, corruption_errors
from penstroke.evaluation.stored import read_report, save_report

__all__ = [
    "CORRUPTIONS",
    "MAX_TEMPERATURE",
    "MIN_REJECTION_IMAGES",
    "Bin",
    "ClassRow",
    "CorruptionErrors",
    "Coverage",
    "FamilyErrors",
    "Report",
    "Score",
    "apply_temperature",
    "binned_calibration_error",
    "brier_score",
    "calibrate",
    "calibration_error",
    "corrupt",
    "corruption_errors",
    "coverage_curve",
    "evaluate",
    "read_report",
    "reliability",
    "roc_auc",
    "save_report",
    "score",
    "top_k_correct",
    "wilson_interval",
]
