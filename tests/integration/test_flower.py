"""Flower as the Procfile starts it: it shows the fleet to whoever sits at this machine, and obeys nobody."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from models.settings import settings

ROOT = Path(__file__).parents[2]
COMMANDS = ["task/async-apply", "task/apply", "task/send-task", "task/revoke", "task/abort", "task/rate-limit"]
COMMANDS += ["task/timeout", "worker/shutdown", "worker/pool/grow", "worker/pool/shrink", "worker/pool/restart"]
COMMANDS += ["worker/pool/autoscale", "worker/queue/add-consumer", "worker/queue/cancel-consumer"]


@pytest.fixture(scope="module")
def flower(servers, tmp_path_factory, eventually):
    """A client of a running Flower, once it knows of a running worker."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    here = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"CROWDOPS_HOME": str(servers), "CROWDOPS_FLOWER_PORT": str(port), "PATH": here}
    lines = dict(re.findall(r"^(\w+): (.+)$", (ROOT / "Procfile").read_text(), re.MULTILINE))
    log = tmp_path_factory.mktemp("flower") / "log"
    started = []
    try:
        with log.open("w") as output, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            for name in ("worker", "flower"):
                words = ["/bin/sh", "-c", lines[name]]
                options = {"cwd": ROOT, "env": environment, "start_new_session": True}
                started.append(subprocess.Popen(words, stdout=output, stderr=output, **options))
            eventually(lambda: _workers(client), timeout=60)
            yield client
    except AssertionError as error:
        error.add_note(log.read_text()[-3000:])
        raise
    finally:
        for process in started:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _workers(client):
    try:
        return client.get("/api/workers", params={"refresh": "1"}).raise_for_status().json()
    except httpx.HTTPError:
        return None


@pytest.fixture(scope="module")
def worker(flower):
    """The name of the one worker; to ask for it takes a second."""
    (name,) = _workers(flower)
    return name


def test_flower_opens_without_a_password_and_shows_no_secret(flower, worker):
    pages = ["/", "/tasks", "/broker", f"/worker/{worker}", "/api/workers", "/api/tasks", "/api/queues/length"]
    for page in pages:
        answer = flower.get(page)
        assert answer.status_code == 200, page
        assert settings().secret() not in answer.text, page


def test_flower_reads_the_length_of_every_queue(flower):
    (worker,) = _workers(flower).values()
    queues = {queue["name"] for queue in worker["active_queues"]}
    lengths = flower.get("/api/queues/length").json()["active_queues"]
    assert queues >= {"prolific", "money", "control"}
    assert {queue["name"] for queue in lengths} == queues


@pytest.mark.parametrize("command", COMMANDS)
def test_flower_refuses_every_command(flower, worker, command):
    answer = flower.post(f"/api/{command}/{worker}", data={"workername": worker})
    assert (answer.status_code, answer.text) == (403, "Read only mode is enabled")


def test_flower_lets_no_other_web_site_read_it(flower):
    answer = flower.get("/api/workers", headers={"Origin": "https://example.org"})
    assert not [name for name in answer.headers if name.startswith("access-control")]
