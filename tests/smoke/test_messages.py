"""A message is a nudge: doubled, forged, garbled or lost with the whole broker, it changes nothing that matters."""

import json
from base64 import b64encode
from uuid import uuid4

import pytest

from models.attempt import Attempt
from tasks import dispatch
from tasks.celery import app

pytestmark = pytest.mark.smoke
QUEUE = "crowdops:prolific"


@pytest.fixture
def broker(fleet):
    """A client of the broker."""
    with fleet.broker.container.client as client:
        yield client


@pytest.fixture
def halted(fleet):
    """The worker stands still until the function is called, so that messages stay where they are."""
    worker = fleet.worker.container
    worker.kill("SIGSTOP")
    yield lambda: worker.kill("SIGCONT")
    worker.kill("SIGCONT")


def test_one_message_delivered_fifty_times_is_one_claim_and_one_effect(job, halted):
    job.planned()
    (draft,) = job.mine("draft")
    dispatch.publish([("prolific", "draft.prolific", [draft.id])] * 50)
    halted()
    job.finished()
    assert len(job.all(Attempt, Attempt.operation_ids.contains([draft.id]))) == 1


def test_a_broker_that_is_emptied_with_work_queued_loses_nothing(job, halted, broker):
    # What a halted worker was waiting for is in its socket already, so that something else goes there.
    dispatch.publish([("prolific", "draft.prolific", [uuid4()])] * 5)
    job.planned(3)
    dispatch.publish(dispatch.take())
    assert broker.llen(QUEUE) > 0
    broker.flushall()
    halted()
    job.finished()


def test_a_broker_that_is_killed_and_started_empty_loses_nothing(job, fleet):
    job.planned(3)
    dispatch.wake()
    fleet.broker.kill("SIGKILL")
    job.planned(2)
    dispatch.wake()
    fleet.broker.container.start(empty=True)
    job.finished()
    job.approved(job.handed_in(2))
    job.finished()


FORGED = [
    ("crowdops.execute", [[str(uuid4())]]),
    ("crowdops.execute", [["not an id"]]),
    ("crowdops.execute", [7, "too", "many"]),
    ("crowdops.execute", []),
    ("crowdops.steal", [[str(uuid4())]]),
]


def unreadable(content_type):
    """A message as Celery would write it, around a body that is none."""
    return {
        "body": b64encode(b"no JSON").decode(),
        "content-encoding": "utf-8",
        "content-type": content_type,
        "headers": {"lang": "py", "task": "crowdops.execute", "id": "forged", "root_id": "forged", "parent_id": None},
        "properties": {
            "body_encoding": "base64",
            "correlation_id": "forged",
            "delivery_info": {"exchange": "prolific", "routing_key": "prolific"},
            "delivery_mode": 2,
            "delivery_tag": "forged",
            "priority": 0,
        },
    }


def test_forged_messages_and_garbage_do_nothing_and_hold_up_nobody(job, fleet, broker):
    for task, args in FORGED:
        app.send_task(task, args=args, queue="prolific")
    for content_type in ("application/x-python-serialize", "application/json", "text/plain"):
        broker.lpush(QUEUE, json.dumps(unreadable(content_type)))
    broker.lpush(QUEUE, "{", "[1]", '"text"', '{"body": "x", "headers": {}}', b"\x80\x04\xff")
    job.planned()
    dispatch.wake()
    job.finished()
    job.until(lambda: broker.llen(QUEUE) == 0)
    assert fleet.worker.container.status == "running"
