"""Prediction of many pictures in many processes, on one machine or on a Ray cluster.

Importing this package imports neither Ray nor PyArrow nor torch. A module that needs one of them says so.
"""

from penstroke.scale.inputs import ImageArray, Pictures, open_array
from penstroke.scale.job import Job, Manifest, plan_job

__all__ = ["ImageArray", "Job", "Manifest", "Pictures", "open_array", "plan_job"]
