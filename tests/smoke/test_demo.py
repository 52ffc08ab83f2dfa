"""The demonstration itself, as a newcomer runs it: a process of its own, real workers, and a report at the end."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from models.settings import settings
from providers.prolific.simulator.server import running
from providers.prolific.simulator.simulator import Options

NOBODYS = {
    "CROWDOPS_DATABASE_URL": "postgresql+psycopg://nobody@127.0.0.1:1/production",
    "CROWDOPS_BROKER_URL": "redis://127.0.0.1:1/0",
}
"""Servers that a developer may have named for real work; a demonstration that used them would end at once."""


@pytest.fixture
def demo(temporary_home):
    """A function that runs `crowdops demo --json` with options and returns its exit code and its report."""

    def run(*options, **environment):
        with temporary_home():
            names = os.environ | {"CROWDOPS_HOME": str(settings().home)} | NOBODYS | environment
            command = [sys.executable, "-m", "cli.main", "demo", "--json", *options]
            with subprocess.Popen(
                command, env=names, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            ) as process:
                try:
                    out, err = process.communicate(timeout=220)
                except subprocess.TimeoutExpired:
                    process.terminate()  # Not killed, so that it takes its processes along.
                    raise
        assert out, err
        return process.returncode, json.loads(out)

    return run


@pytest.mark.timeout(260)
def test_the_demonstration_kills_workers_and_every_unit_is_explained_and_every_payment_made_once(demo):
    code, report = demo("--units", "25", "--faults", "0.1")
    assert (code, report["problems"]) == (0, [])
    assert report["killed"] == 3
    assert report["ours"] == report["theirs"]
    assert (report["ours"]["draft"], report["ours"]["publish"], report["ours"]["places"]) == (2, 2, 25 + 24)
    ends = Counter((unit["run"].rpartition("-")[2], unit["status"]) for unit in report["units"])
    assert ends["whole", "accepted"] + ends["whole", "rejected"] >= 25
    assert ends["whole", "rejected"] == report["ours"]["reject"] > 0
    assert ends["half", "accepted"] > 0
    assert ends["half", "expired"] > 0
    assert report["people"]["returned"] > 0
    assert report["answers"] == report["people"]["approved"] + report["people"]["rejected"]
    assert report["thanks"]["planned"] == report["ours"]["bonus"] > 5
    assert report["thanks"]["added_again"] == 0
    assert any("bonus operation" in line and line.endswith("decided: retry") for line in report["summed"])
    money = {line["purpose"]: line for line in report["money"]["lines"]}
    for line in money.values():
        assert line["settled_minor"] == line["theirs_minor"] > 0
        assert line["open_minor"] == 0
    assert report["money"]["violations"] == []


def living(home):
    """The processes that were started for a home."""
    mark = f"CROWDOPS_HOME={home}".encode()
    return [path.parent.name for path in Path("/proc").glob("[0-9]*/environ") if mark in environment(path)]


def environment(path):
    """What a process was started with; nothing if it is gone."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_a_demonstration_at_the_vendor_that_the_environment_names_takes_everything_along_when_it_is_told_to_end(
    temporary_home,
):
    options = Options(speed=60, arrivals=15, token="somebody-elses")  # noqa: S106 - of a simulator
    with temporary_home() as home, running(options) as vendor:
        names = {"CROWDOPS_PROLIFIC_URL": vendor.url, "CROWDOPS_PROLIFIC_TOKEN": "somebody-elses"}
        names |= os.environ | {"CROWDOPS_HOME": str(home), "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "-m", "cli.main", "demo", "--units", "5"]
        with subprocess.Popen(command, env=names, stdout=subprocess.PIPE, text=True) as process:
            assert any("5 of 5 launched" in line for line in process.stdout)
            assert len(living(home)) > 3
            process.send_signal(signal.SIGTERM)
            process.stdout.read()  # To the end, since a closed pipe would end it otherwise.
        assert process.returncode == 128 + signal.SIGTERM
        assert living(home) == []
        assert {study.places for study in vendor.state.studies.values()} <= {1, 5, 24}


def test_a_vendor_without_a_token_is_refused_with_a_word(temporary_home):
    with temporary_home():
        names = os.environ | {"CROWDOPS_HOME": str(settings().home), "CROWDOPS_PROLIFIC_URL": "http://127.0.0.1:9"}
        command = [sys.executable, "-m", "cli.main", "demo"]
        done = subprocess.run(command, env=names, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "CROWDOPS_PROLIFIC_TOKEN" in done.stderr
    assert "Traceback" not in done.stderr
