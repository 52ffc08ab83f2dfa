"""Prolific: one task run is one study, one unit is one place, one agent is one submission."""
