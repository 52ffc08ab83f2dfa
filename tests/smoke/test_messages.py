"""A message is a nudge: doubled, forged, garbled or lost with the whole broker, it changes nothing that matters."""

import json
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
    assert len(job.all(Attempt, Attempt.operation_ids.any(draft.id))) == 1


def test_a_broker_that_is_emptied_with_work_queued_loses_nothing(job, halted, broker):
    run = job.planned(3)
    dispatch.publish(dispatch.take())
    assert broker.llen(QUEUE) > 0
    broker.flushall()
    halted()
    job.finished()
    assert run


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


@pytest.mark.parametrize(
    ("task", "args"),
    [
        ("crowdops.execute", [[str(uuid4())]]),
        ("crowdops.execute", [["not an id"]]),
        ("crowdops.execute", [7, "too", "many"]),
        ("crowdops.execute", []),
        ("crowdops.steal", [[str(uuid4())]]),
    ],
)
def test_a_forged_message_does_nothing_and_holds_up_nobody(job, broker, task, args):
    app.send_task(task, args=args, queue="prolific")
    job.planned()
    dispatch.wake()
    job.finished()
    job.until(lambda: broker.llen(QUEUE) == 0)


@pytest.mark.parametrize("body", [b"\x80\x04 pickle", json.dumps([1]), "{", json.dumps({"body": "x", "headers": {}})])
def test_garbage_in_the_queue_does_not_stop_it(job, broker, body, fleet):
    broker.lpush(QUEUE, body)
    job.planned()
    dispatch.wake()
    job.finished()
    job.until(lambda: broker.llen(QUEUE) == 0)
    assert fleet.worker.container.status == "running"
