"""One message is sent in portions: what can start at once, what its lane lets through, what the pace grants."""

from dataclasses import replace
from itertools import pairwise

import pytest
from sqlalchemy import update

from models.attempt import AttemptOutcome
from models.operation import Operation, State
from models.requester import Requester
from models.session import transaction
from models.settings import settings
from providers.errors import RejectedError
from providers.prolific.client import Client
from tasks import claims, dispatch, engine, execute
from tests.integration.scene import BULK, DECISION, DRAFT, LAUNCH


def ids(operations):
    return [operation.id for operation in operations]


@pytest.fixture
def pace(scene):
    """A function that sets the account's rate, with a bucket that holds so many tokens."""

    def change(rate, tokens):
        with transaction() as session:
            session.execute(update(Requester).values(rate=rate, tokens=tokens, tokens_at=engine.now()))
        assert scene.get(Requester, scene.account).rate == rate

    return change


def test_a_slow_vendor_gets_a_message_in_portions_and_none_of_it_grows_old(scene, timing, monkeypatch):
    """All of it at once would take longer than a third of the lease, after which a claim is not sent any more."""
    size, at_once, seconds = 12, 2, 0.25
    monkeypatch.setenv("CROWDOPS_CONCURRENCY", str(at_once))
    limits = timing(http_deadline=1, soft_limit=1.8, hard_limit=2.5, lease=3)
    assert settings().concurrency == at_once
    assert size / at_once * seconds > limits.lease / 3
    for number in range(size):
        scene.plan(1, f"run {number}")
    scene.fault(DRAFT, "delay", times=size, seconds=seconds)

    left, messages = ids(scene.operations("draft")), 0
    while left:
        left, messages = execute.run(left).ids, messages + 1
    assert messages > 1
    assert {(row.state, row.attempts) for row in scene.operations("draft")} == {(State.CONFIRMED, 1)}
    assert [attempt.outcome for attempt in scene.attempts()] == [AttemptOutcome.DONE] * size
    opened = scene.attempts()
    assert all(later.created_at >= first.closed_at for first, later in zip(opened, opened[2 * at_once :], strict=False))
    assert scene.get(Requester, scene.account).paused_reason is None


def test_a_worker_that_stalls_is_held_against_neither_operation_nor_account(scene, timing):
    scene.plan(1)
    (claim,) = claims.claim([scene.only("draft").id])
    engine.carry_out(replace(claim, started=claim.started - timing().lease / 3))
    assert (scene.only("draft").state, scene.only("draft").attempts) == (State.PLANNED, 0)
    assert scene.get(Requester, scene.account).failures == 0


def test_what_is_sent_alone_goes_one_after_another_within_one_message(scene, monkeypatch):
    def refuse(*_):
        raise RejectedError("one of them is not possible")

    monkeypatch.setattr(Client, "bulk_approve", refuse)
    run = scene.live(5)
    approvals = scene.approve(run, *scene.completed(run, 5))
    scene.send(*approvals)
    scene.read(*approvals)
    assert {(row.state, row.alone) for row in scene.operations("approve")} == {(State.PLANNED, True)}

    assert execute.run(ids(approvals)).ids == []
    assert scene.states("approve") == {State.CONFIRMED}
    assert scene.calls(DECISION) == len(scene.effects("approve")) == 5
    assert scene.calls(BULK) == 0
    singly = [attempt for attempt in scene.attempts() if attempt.kind == "approve"][1:]
    assert all(first.closed_at <= second.created_at for first, second in pairwise(singly))


def test_what_is_sent_alone_takes_a_token_each(scene, pace):
    scene.plan(5)
    for kind in ("draft", "publish"):
        scene.send(scene.only(kind))
        scene.later(30)
    scene.read(scene.only("publish"))
    with transaction() as session:
        session.execute(update(Operation).where(Operation.kind == "launch").values(alone=True))
    launches = ids(scene.operations("launch"))
    pace(rate=0.2, tokens=1.0)
    for sent in (1, 2, 3):
        waiting = execute.run(launches)
        assert scene.calls(LAUNCH) == sent
        assert len(waiting.ids) == len(launches) - sent
        assert 0 < waiting.seconds <= 5
        scene.later(5)


def test_what_the_pace_put_off_is_not_nudged_before_its_wait_is_over(scene, timing, pace):
    timing(nudge_window=2)
    scene.plan(1)
    scene.plan(1, "another run")
    drafts = ids(scene.operations("draft"))
    pace(rate=0.2, tokens=0.0)
    ((_, _, nudged),) = dispatch.take()
    waiting = execute.run(nudged)
    assert sorted(waiting.ids) == sorted(drafts)
    assert 3 < waiting.seconds <= 5
    scene.later(3)
    assert dispatch.take() == []
    scene.later(5)
    ((_, _, lost),) = dispatch.take()
    assert sorted(lost) == sorted(drafts)
