"""The command line inside this process, or as a process of its own, against the account of a `scene`."""

import json
import re
import signal
import subprocess
import sys

import pytest

from cli.main import main

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
"""Some CI systems have them printed into pipes too."""
RUN = """\
name: pictures
title: Which is sharper?
description: Look at two pictures.
task_url: https://tasks.example.org/p
currency: GBP
pay: 1.20
budget: 10.00
estimated_minutes: 5
completion_codes: [C0DE]
requester: lab
units: units.csv
"""


@pytest.fixture
def crowdops(capsys):
    """A function that runs a command and returns what it printed: its output if it went well, else its errors."""

    def run(*words, code=0):
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        out, err = (COLOURS.sub("", stream) for stream in capsys.readouterr())
        assert ended.value.code == code, out + err
        assert "Traceback" not in err
        return out if code == 0 else err

    return run


@pytest.fixture
def data(crowdops):
    """The same for a command's JSON."""
    return lambda *words: json.loads(crowdops(*words, "--json"))


@pytest.fixture
def run_file(tmp_path):
    """A function that writes a run file with two units; its value is the file."""

    def write(**fields):
        lines = [line for line in RUN.splitlines() if line.partition(":")[0] not in fields]
        path = tmp_path / "run.yaml"
        path.write_text("\n".join([*lines, *(f"{name}: {value}" for name, value in fields.items()), ""]))
        (tmp_path / "units.csv").write_text("left,right\n1.png,2.png\n3.png,4.png\n")
        return path

    return write


@pytest.fixture
def process(scene):  # noqa: ARG001 - it sets the environment that the process inherits
    """A function that starts a command as a process of its own; it is gone at the end."""
    started = []
    # One that was started in the background of a shell ignores Ctrl-C, and so would its children.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def start(*words):
        command = [sys.executable, "-m", "cli.main", *words]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.communicate()
    signal.signal(signal.SIGINT, before)
