"""Flower, as the Procfile starts it, shows operators what was done to which vendor."""

import socket

import httpx
import pytest

from models.status import UnitStatus
from models.unit import Unit
from tests.smoke.containers import Flower

pytestmark = pytest.mark.smoke


def named(client, name=""):
    """The tasks that Flower knows, of this name or all."""
    tasks = client.get("/api/tasks", params={"limit": 500}).raise_for_status().json().values()
    return [task for task in tasks if name in (task["name"] or "")]


@pytest.fixture
def flower(start, fleet, eventually):  # noqa: ARG001 - there has to be a fleet to be seen
    """A client of a running Flower that follows the fleet."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    made = start(Flower, "flower", CROWDOPS_FLOWER_PORT=str(port))
    made.ready()
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
        eventually(lambda: named(client), 30)
        yield client
    made.teardown()


def test_flower_names_a_task_by_its_kind_and_vendor(job, flower):
    run = job.handed_in(2)
    job.approved(run)
    job.finished()

    (approval, *_) = job.until(lambda: named(flower, "approve.prolific"))
    assert job.mine("approve")[0].target not in approval["args"]
    assert str(job.mine("approve")[0].id) in approval["args"]
    assert job.statuses(Unit, run) == {UnitStatus.ACCEPTED}
