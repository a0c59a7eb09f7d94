"""What a model gets right and wrong, as data."""

from penstroke.evaluation.report import ClassRow, Report, Score, evaluate, score

__all__ = ["ClassRow", "Report", "Score", "evaluate", "score"]
