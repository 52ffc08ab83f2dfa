"""Stands in for Prolific's API v1 over real HTTP, with a seeded crowd, injected faults and its own ledger of effects.

It shares no code with the rest of the project, so that what it says happened can be held against what we believe.
"""
