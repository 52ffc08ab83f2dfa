"""The web process as the Procfile starts it: it works from its first request on, and tells its log about nobody."""

import os
import signal
import subprocess

import httpx
import pytest

from cli import fleet
from tests.integration.web.page import Door


@pytest.fixture
def started(scene, tmp_path, eventually):  # noqa: ARG001 - the process finds the scene's servers in the environment
    """The address of a running process, and its log."""
    port, log = fleet.free_port(0), tmp_path / "web.log"
    environment = fleet.environment() | {"CROWDOPS_WEB_PORT": str(port)}
    command = {"args": fleet.commands()["web"], "shell": True, "cwd": fleet.checkout(), "env": environment}
    with log.open("wb") as output:
        process = subprocess.Popen(**command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: _answers(url), 60)
        yield url, log
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def _answers(url):
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.TransportError:
        return False


def test_the_procfiles_process_gives_out_work_and_takes_it(scene, started):
    url, log = started
    run = scene.live(1)
    door = Door(scene, url)
    with door.client:
        submission = door.come(run)
        scene.reconcile(run)
        answer = door.arrive(run, submission)
        assert answer.status_code == 200
        assert "server" not in answer.headers
        assert door.submit(run, answer.json()["id"], {"text": "done"}).status_code == 200
    text = log.read_text()
    for private in (submission, door.worker(submission), door.key(run), answer.json()["id"], "Warning", "Traceback"):
        assert private not in text
