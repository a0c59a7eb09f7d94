"""Campaigns: long trials of reliability, and of safety with hostile input.

``pytest -m campaign`` runs all of them in full, ``python -m campaigns.run NAME`` a single one. The ordinary tests run a
small fraction of each.
"""
