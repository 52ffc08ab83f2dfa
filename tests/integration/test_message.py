"""A message reaches a worker once, whatever becomes of the answer to it."""

import pytest

from models import message
from models.operation import State
from models.plan import ConflictError
from models.session import transaction
from models.status import IllegalMoveError
from models.task_run import TaskRun
from models.worker import Worker

SEND, READ = "POST messages/", "GET messages/"


@pytest.fixture
def run(scene):
    """A run that somebody has worked on."""
    run = scene.live(1)
    scene.completed(run)
    return run


@pytest.fixture
def worker(scene, run):  # noqa: ARG001 - the worker is of the run
    """Whoever that was."""
    return scene.all(Worker)[0]


def tell(worker, run, text="Thank you.", key=None):
    """Plan a message."""
    with transaction() as session:
        return message.tell(session.get_one(Worker, worker.id), session.get_one(TaskRun, run), text, key)


def texts(scene, worker):
    """What the worker got, without the references."""
    return [row.body.partition("\n")[0] for row in scene.simulator.state.messages if row.recipient == worker.name]


def test_a_message_names_its_study_and_arrives_once_however_often_it_is_wanted(scene, run, worker):
    first = tell(worker, run)
    assert tell(worker, run, " Thank you. ").id == first.id
    tell(worker, run, "One more thing.")
    scene.settle()
    assert sorted(texts(scene, worker)) == ["One more thing.", "Thank you."]
    assert {row.study for row in scene.simulator.state.messages} == {scene.study(run)}
    tell(worker, run, key="again")
    scene.settle()
    assert texts(scene, worker).count("Thank you.") == 2


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "500_before", "500_after", "429_retry_after"])
def test_whatever_becomes_of_the_answer_a_message_arrives_once(scene, run, worker, fault):
    tell(worker, run, key="before")
    scene.settle()
    scene.simulator.faults.next(SEND, fault)
    tell(worker, run)
    scene.settle()
    assert texts(scene, worker) == ["Thank you."] * 2
    assert scene.states("message") == {State.CONFIRMED}


def test_a_message_in_doubt_is_not_sent_again_before_the_settle_time_is_over(scene, run, worker):
    scene.simulator.faults.next(SEND, "drop_before")
    tell(worker, run)
    for _ in range(5):
        scene.turn()
        scene.later(60)
    assert scene.calls(READ) >= 2
    assert scene.calls(SEND) == 1
    assert scene.states("message") == {State.UNKNOWN}


def test_a_message_that_is_refused_is_over_and_its_reason_names_nobody(scene, run, worker):
    with transaction() as session:
        session.get_one(Worker, worker.id).name = "A1" * 12
    operation = tell(worker, run)
    scene.settle()
    refused = scene.only("message")
    assert (refused.id, refused.state) == (operation.id, State.REJECTED)
    assert "A1A1" not in str(refused.reason) + str(refused.body) + refused.target


def test_what_cannot_be_sent_is_refused_before_anything_is_planned(scene, run, worker):
    for text in (" ", "a\0b"):
        with pytest.raises(ValueError, match="needs a text"):
            tell(worker, run, text)
    with pytest.raises(IllegalMoveError, match="has no part in run 'other'"):
        tell(worker, scene.plan(1, "other"))
    tell(worker, run, "One.", "key")
    with pytest.raises(ConflictError) as caught:
        tell(worker, run, "Two.", "key")
    assert worker.name not in str(caught.value)
    assert len(scene.operations("message")) == 1
