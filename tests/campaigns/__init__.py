"""Trials of what must never happen, in numbers: ``make campaign`` runs them in full, the tests a share of each."""
