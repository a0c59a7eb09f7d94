"""The HTML report of a model: one file without links to other files. This package does not import torch."""

from penstroke.report.html.page import MAX_BYTES, Request, Written, write_report

__all__ = ["MAX_BYTES", "Request", "Written", "write_report"]
