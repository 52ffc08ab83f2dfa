"""`deploy/env.example` names every variable that is read, and no other, with the value that holds without it."""

import re
from pathlib import Path

from cli.stage import TOKEN
from models.settings import Settings, Timing

ROOT = Path(__file__).parents[2]
NAMED = dict(re.findall(r"^#?(\w+)=(.*)$", (ROOT / "deploy" / "env.example").read_text(), re.MULTILINE))


def prefixed(fields, prefix):
    """Variables with their defaults."""
    return {f"{prefix}{name}".upper(): field.default for name, field in fields.items()}


def test_every_variable_that_is_read_is_named_and_no_other():
    settings = prefixed({name: field for name, field in Settings.model_fields.items() if name != "timing"}, "crowdops_")
    timing = prefixed(Timing.model_fields, "crowdops_timing__")
    processes = re.findall(r"\$\{(\w+)", (ROOT / "Procfile").read_text())
    assert NAMED.keys() == settings.keys() | timing.keys() | {*processes, TOKEN}


def test_the_values_are_the_defaults():
    wanted = prefixed(Timing.model_fields, "crowdops_timing__")
    assert {name: float(NAMED[name]) for name in wanted} == wanted
    assert NAMED["CROWDOPS_PROFILE"] == Settings.model_fields["profile"].default
    assert int(NAMED["CROWDOPS_CONCURRENCY"]) == Settings.model_fields["concurrency"].default
    assert int(NAMED["CROWDOPS_FLOWER_PORT"]) == Settings.model_fields["flower_port"].default
    assert f"${{CROWDOPS_WORKERS:-{NAMED['CROWDOPS_WORKERS']}}}" in (ROOT / "Procfile").read_text()
