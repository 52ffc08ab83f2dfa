"""`crowdops up`, beside another checkout's, as an operator starts and ends it."""

import os
import signal
import socket
import subprocess
import sys

import httpx
import pytest

from models.settings import settings

pytestmark = pytest.mark.smoke


def started(*words, **environment):
    """A command as a process of its own, in a session of its own."""
    names = os.environ | {"CROWDOPS_HOME": str(settings().home), "PYTHONUNBUFFERED": "1"} | environment
    command = [sys.executable, "-m", "cli.main", *words]
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, env=names, text=True, start_new_session=True, **output)


def printed(process, word):
    """What a process prints up to a line that holds this word, and that line."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if word in line:
            return "".join(lines)
    raise AssertionError("".join(lines))


@pytest.fixture
def taken():
    """A port of this machine where another checkout's Flower listens."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


@pytest.fixture
def up(temporary_home, taken):
    """A running `crowdops up` whose port for Flower is taken."""
    # One that was started in the background of a shell ignores Ctrl-C, and so would its children.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with temporary_home():
        process = started("up", CROWDOPS_FLOWER_PORT=str(taken))
        yield process
        process.terminate()
        process.communicate()
    signal.signal(signal.SIGINT, before)


def test_the_second_checkout_on_a_machine_gets_a_port_of_its_own_for_flower(up, taken, eventually):
    said = printed(up, "Flower shows the workers at")
    address = said.split(" at ")[1].split(",")[0]
    assert f"because somebody listens on port {taken}" in said
    assert str(taken) not in address
    with httpx.Client(base_url=address, timeout=5) as client:
        eventually(lambda: answers(client), 30, every=0.2)

    again = started("up")
    told, _ = again.communicate(timeout=30)
    assert (again.returncode, "are running already" in told) == (1, True), told

    told, _ = started("doctor", CROWDOPS_FLOWER_PORT=str(taken)).communicate(timeout=30)
    assert f"ok\tflower\t{address}" in told

    os.kill(up.pid, signal.SIGINT)
    rest, _ = up.communicate(timeout=60)
    assert up.returncode == 0, rest


def answers(flower):
    """Whether Flower is there."""
    try:
        return flower.get("/api/workers").status_code == 200
    except httpx.TransportError:
        return False
