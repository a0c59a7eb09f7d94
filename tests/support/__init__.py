"""Helpers that fixtures, tests and campaigns share."""
