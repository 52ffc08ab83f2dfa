"""A refused read, a lock of somebody else, a cut connection or a time limit loses nothing and doubles nothing."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http import HTTPStatus
from threading import Barrier

import psycopg
import pytest
from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy import func, select, update

from models.agent import Agent
from models.attempt import Attempt, AttemptOutcome
from models.operation import Operation, State
from models.requester import Requester
from models.session import engine as database
from models.session import transaction
from models.status import AgentStatus
from providers.contract import Accepted
from providers.prolific.provider import ProlificProvider
from providers.prolific.simulator import studies, submissions
from providers.prolific.simulator.answer import ApiError
from tasks import claims, dispatch, engine, execute, pacing
from tasks.sweep import sweep
from tests.integration.scene import BULK, DECISION, DRAFT

SUBMISSION = "GET submissions/{id}/"


def ids(operations):
    return [operation.id for operation in operations]


def refuse(*_):
    raise ApiError(HTTPStatus.BAD_REQUEST, {"page_size": ["That is too many."]})


@contextmanager
def stalled(*statements):
    """Somebody else's transaction that has done these statements and does not go on."""
    with database().connect() as connection, connection.begin() as begun:
        for statement in statements:
            connection.execute(statement)
        yield
        begun.rollback()


# --- reads that are refused ---------------------------------------------------------------------------------------


def test_a_refused_listing_leaves_a_draft_in_doubt(scene, timing, monkeypatch):
    scene.plan(1)
    scene.fault(DRAFT, "drop_after")
    scene.send(scene.only("draft"))
    scene.later(timing().read_every)
    with monkeypatch.context() as patch:
        patch.setattr(studies, "listing", refuse)
        scene.read(scene.only("draft"))
    doubtful = scene.only("draft")
    assert doubtful.state is State.UNKNOWN
    assert "too many" in doubtful.reason
    scene.settle()
    assert scene.states() == {State.CONFIRMED}
    assert scene.calls(DRAFT) == 1


def test_a_refused_listing_leaves_a_bulk_approval_in_doubt(scene, timing, monkeypatch):
    run = scene.live(4)
    approvals = scene.approve(run, *scene.completed(run, 4))
    scene.send(*approvals)
    scene.later(2 * timing().read_every)
    with monkeypatch.context() as patch:
        patch.setattr(submissions, "listing", refuse)
        scene.read(*approvals)
    assert scene.states("approve") == {State.SUBMITTED}
    scene.settle()
    assert scene.calls(BULK) == 1
    assert len(scene.effects("approve")) == 4


def test_a_submission_that_the_vendor_does_not_find_leaves_its_approval_in_doubt(scene, timing):
    run = scene.live(1)
    (approval,) = scene.approve(run, *scene.completed(run))
    scene.fault(DECISION, "drop_after")
    scene.send(approval)
    scene.later(timing().read_every)
    lost = scene.simulator.state.submissions.pop(approval.target)
    scene.read(approval)
    assert scene.calls(SUBMISSION) == 1
    assert scene.only("approve").state is State.UNKNOWN
    assert "404" in scene.only("approve").reason
    scene.simulator.state.submissions[lost.id] = lost
    scene.settle()
    assert scene.states() == {State.CONFIRMED}
    assert len(scene.effects("approve")) == 1


# --- locks of others ----------------------------------------------------------------------------------------------


def test_a_row_that_somebody_holds_does_not_keep_the_sweep_from_the_others(scene, timing):
    for number in range(3):
        scene.plan(1, f"run {number}")
    held, *others = scene.operations("draft")
    claims.claim(ids([held, *others]))
    scene.later(timing().lease + 1)
    attempt = update(Attempt).where(Attempt.operation_ids.contains([held.id])).values(detail="half recorded")
    row = update(Operation).where(Operation.id == held.id).values(reason="half recorded")
    with ThreadPoolExecutor(1) as pool, stalled(attempt, row):
        pool.submit(sweep).result(5)
        assert {scene.get(Operation, one.id).state for one in others} == {State.UNKNOWN}
        assert scene.get(Operation, held.id).state is State.SENDING
    sweep()
    assert scene.states("draft") == {State.UNKNOWN}
    assert {one.outcome for one in scene.attempts()} == {AttemptOutcome.LOST}


def test_a_dispatcher_that_stalls_does_not_keep_the_next_one_waiting(scene):
    scene.plan(1)
    lock = select(func.pg_advisory_xact_lock(dispatch._LOCK))  # noqa: SLF001 - the stalled one holds it
    with ThreadPoolExecutor(1) as pool, stalled(lock):
        assert pool.submit(dispatch.take).result(5) == []
    assert len(dispatch.take()) == 1


def test_the_pace_of_an_account_is_not_held_up_by_a_long_plan(scene):
    """Rows that are inserted hold a lock on the account they refer to until their transaction is over."""
    with ThreadPoolExecutor(1) as pool, transaction() as session:
        session.add(Operation(requester_id=scene.account, kind="draft", target="run", key="1", body={}))
        session.flush()
        granted, _ = pool.submit(pacing.take, scene.account, 1).result(5)
    assert granted == 1


def test_answers_and_evidence_that_come_at_once_do_not_lock_each_other_out(scene):
    """Evidence that is taken back in the end leaves the same rows for the next round; in the last it stays."""
    rounds, size = 15, 60
    run = scene.live(size)
    approvals = ids(scene.approve(run, *scene.completed(run, size)))
    together = Barrier(2)

    def record(claim):
        together.wait(10)
        engine._record(claim, [Accepted()] * size)  # noqa: SLF001 - the part that another can meet

    def confirm(*, lasting):
        together.wait(10)
        with suppress(TakenBackError), transaction() as session:
            engine.confirm(session, {one: {} for one in approvals})
            if not lasting:
                raise TakenBackError

    with ThreadPoolExecutor(2) as pool:
        for left in reversed(range(rounds)):
            (claim,) = claims.claim(approvals)
            for done in [pool.submit(record, claim), pool.submit(confirm, lasting=not left)]:
                done.result(20)
            if left:
                _plan_again(approvals)
    assert scene.states("approve") == {State.CONFIRMED}
    assert {agent.status for agent in scene.all(Agent)} == {AgentStatus.APPROVED}
    assert scene.units() == ["accepted"] * size
    assert scene.findings() == []


class TakenBackError(Exception):
    """A transaction is to be rolled back."""


def _plan_again(operations):
    with transaction() as session:
        again = {"state": State.PLANNED, "attempts": 0, "next_at": engine.now()}
        session.execute(update(Operation).where(Operation.id.in_(operations)).values(again))


# --- interruptions ------------------------------------------------------------------------------------------------


def test_doubt_about_a_paused_account_waits_for_its_resumption(scene, timing):
    run = scene.live(1)
    (approval,) = scene.approve(run, *scene.completed(run))
    scene.fault(DECISION, "drop_after")
    scene.send(approval)
    scene.later(timing().read_every)
    pacing.pause(scene.account, "no funds", None)
    assert execute.run([approval.id]).ids == []
    assert scene.turn() == []
    assert scene.calls(SUBMISSION) == 0
    pacing.resume(scene.account)
    execute.run([approval.id])
    assert scene.only("approve").state is State.CONFIRMED
    assert scene.calls(DECISION) == 1


def test_a_time_limit_within_a_providers_call_is_no_failure_of_the_provider(scene, timing, monkeypatch):
    scene.plan(1)
    draft = scene.only("draft")

    def too_late(call):
        def interrupted(self, requests):
            call(self, requests)
            raise SoftTimeLimitExceeded

        return interrupted

    with monkeypatch.context() as patch:
        patch.setattr(ProlificProvider, "send", too_late(ProlificProvider.send))
        patch.setattr(ProlificProvider, "find", too_late(ProlificProvider.find))
        with pytest.raises(SoftTimeLimitExceeded):
            scene.send(draft)
        assert scene.only("draft").state is State.SENDING
        scene.later(timing().lease + 1)
        sweep()
        with pytest.raises(SoftTimeLimitExceeded):
            scene.read(draft)
    unread = scene.only("draft")
    assert unread.state is State.UNKNOWN
    assert "the provider itself failed" not in unread.reason
    assert scene.get(Requester, scene.account).failures == 0
    scene.settle()
    assert scene.calls(DRAFT) == 1


def test_throttling_of_what_must_be_read_burns_no_attempt_however_often(scene, timing):
    often = 3
    most = timing(max_attempts=often - 1)
    scene.plan(1)
    draft = scene.only("draft")
    scene.fault(DRAFT, "429", times=often)
    for _ in range(often):
        scene.send(draft)
        assert scene.only("draft").state is State.UNKNOWN
        scene.later(most.settle + 1)
        scene.read(draft)
        assert (scene.only("draft").state, scene.only("draft").attempts) == (State.PLANNED, 0)
    scene.settle()
    assert scene.states() == {State.CONFIRMED}
    assert len(scene.effects("draft")) == 1


def test_an_answer_outlives_a_connection_that_is_cut_while_it_is_recorded(
    scene, database_url, eventually, monkeypatch, caplog
):
    scene.plan(1)
    draft = scene.only("draft")
    with ThreadPoolExecutor(1) as pool, psycopg.connect(database_url.replace("+psycopg", "")) as other:

        def answered(self, requests):
            outcomes = send(self, requests)
            other.execute("SELECT id FROM operation WHERE id = %s FOR UPDATE", [draft.id])
            return outcomes

        send = ProlificProvider.send
        monkeypatch.setattr(ProlificProvider, "send", answered)
        recording = pool.submit(scene.send, draft)
        eventually(_cut_whoever_waits_for_a_lock)
        other.rollback()
        recording.result(10)
    assert "is repeated" in caplog.text
    assert scene.only("draft").state is State.CONFIRMED
    assert [attempt.outcome for attempt in scene.attempts()] == [AttemptOutcome.DONE]
    assert scene.calls(DRAFT) == 1


def _cut_whoever_waits_for_a_lock():
    waiting = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    with transaction() as session:
        return session.connection().exec_driver_sql(waiting).scalar()
