"""A claim takes what is due and nothing else, once, and is on record before the first byte leaves."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from uuid import uuid4

import psycopg
import pytest

from models.attempt import Attempt, AttemptOutcome
from models.operation import Operation, State
from models.requester import Requester
from models.session import TransactionOpenError, transaction
from providers import http
from providers.prolific.client import Client
from providers.prolific.provider import ProlificProvider
from tasks import claims, dispatch, engine, pacing
from tests.integration.scene import BULK, DRAFT, LAUNCH, Scene


def ids(operations):
    return [operation.id for operation in operations]


def held(made):
    return [request.id for claim in made for request in claim.requests]


@pytest.fixture
def drafts(scene):
    """Operations that wait for nothing: the drafts of eight runs."""
    for number in range(8):
        scene.plan(1, f"run {number}")
    return scene.operations("draft")


def test_claimers_at_once_never_hold_one_operation_twice(drafts):
    together = Barrier(6)

    def claim(order):
        together.wait()
        return held(claims.claim(ids(drafts)[::order]))

    with ThreadPoolExecutor(6) as pool:
        got = [one for some in pool.map(claim, [1, -1] * 3) for one in some]
    assert sorted(got) == sorted(ids(drafts))


def test_every_claimed_operation_has_its_open_attempt(scene, drafts):
    made = claims.claim(ids(drafts))
    attempts = {attempt.id: attempt for attempt in scene.attempts()}
    for row in scene.operations("draft"):
        assert row.state is State.SENDING
        assert attempts[row.attempt_id].operation_ids == [row.id]
        assert attempts[row.attempt_id].closed_at is None
    assert {claim.attempt_id for claim in made} == set(attempts)


def test_what_is_not_due_yet_is_left_alone(scene, drafts):
    late, *_ = drafts
    with transaction() as session:
        session.get_one(Operation, late.id).next_at = engine.after(60)
    assert late.id not in held(claims.claim(ids(drafts)))
    scene.later(61)
    assert held(claims.claim(ids(drafts))) == [late.id]


def test_nothing_of_a_paused_account_is_claimed(scene, drafts):
    pacing.pause(scene.account, "somebody looks into it", None)
    assert claims.claim(ids(drafts)) == []
    pacing.resume(scene.account)
    assert len(claims.claim(ids(drafts))) == len(drafts)


def test_an_account_whose_pause_has_passed_is_open_again(scene, drafts):
    pacing.pause(scene.account, "a storm", 30)
    assert claims.claim(ids(drafts)) == []
    scene.later(31)
    assert len(claims.claim(ids(drafts))) == len(drafts)


def test_an_operation_waits_until_what_must_come_before_it_is_confirmed(scene):
    scene.plan(2)
    assert claims.claim(ids(scene.operations("publish", "launch"))) == []
    scene.send(scene.only("draft"))
    assert held(claims.claim(ids(scene.operations("publish", "launch")))) == [scene.only("publish").id]


def test_an_operation_whose_attempts_are_used_up_is_left_alone(drafts, timing):
    most = timing().max_attempts
    with transaction() as session:
        session.get_one(Operation, drafts[0].id).attempts = most
    assert drafts[0].id not in held(claims.claim(ids(drafts)))


@pytest.mark.parametrize("state", ["confirmed", "rejected", "cancelled", "review"])
def test_what_is_over_or_with_a_person_is_left_alone(drafts, state):
    with transaction() as session:
        session.get_one(Operation, drafts[0].id).state = State(state)
    assert drafts[0].id not in held(claims.claim(ids(drafts)))


def test_an_unknown_id_is_no_claim(scene):
    assert scene.account
    assert claims.claim([uuid4()]) == []


def test_the_attempt_is_committed_before_the_request_leaves(scene, drafts, database_url, monkeypatch):
    seen = []

    def watched(self, requests):
        with psycopg.connect(database_url.replace("+psycopg", "")) as other:
            query = "SELECT a.closed_at, o.state FROM attempt a JOIN operation o ON o.attempt_id = a.id WHERE o.id = %s"
            seen.extend(other.execute(query, [requests[0].id]))
        return send(self, requests)

    send = ProlificProvider.send
    monkeypatch.setattr(ProlificProvider, "send", watched)
    scene.send(drafts[0])
    assert seen == [(None, "sending")]
    assert scene.get(Operation, drafts[0].id).state is State.CONFIRMED


def test_no_request_can_leave_while_a_transaction_is_open(scene):
    client = Client("env:CROWDOPS_PROLIFIC_TOKEN")
    with transaction(), pytest.raises(TransactionOpenError):
        client.me()
    assert client.me() == scene.simulator.state.user


def test_a_claim_older_than_a_third_of_its_lease_sends_nothing(scene, drafts, timing):
    (claim,) = claims.claim([drafts[0].id])
    engine.carry_out(replace(claim, started=claim.started - timing().lease / 3))
    assert scene.calls(DRAFT) == 0
    assert scene.get(Attempt, claim.attempt_id).outcome is AttemptOutcome.NOT_SENT
    assert scene.get(Operation, drafts[0].id).state is State.PLANNED
    scene.later(timing().back_off)
    scene.send(drafts[0])
    assert len(scene.effects("draft")) == 1


def test_a_worker_that_stalls_on_the_way_to_the_first_byte_sends_nothing(scene, drafts, timing, monkeypatch):
    (claim,) = claims.claim([drafts[0].id])
    created = Client.create_study

    def stall(self, draft):
        monkeypatch.setattr(http, "stopwatch", lambda: claim.started + timing().lease)
        return created(self, draft)

    monkeypatch.setattr(Client, "create_study", stall)
    engine.carry_out(claim)
    assert scene.calls(DRAFT) == 0
    assert "stalled before it was sent" in scene.get(Operation, drafts[0].id).reason
    assert scene.get(Operation, drafts[0].id).state is State.PLANNED


def test_what_was_planned_in_a_sandbox_is_never_sent_to_the_real_vendor(scene, drafts, monkeypatch):
    monkeypatch.setattr(ProlificProvider, "is_sandbox", lambda _: False)
    scene.send(drafts[0])
    assert scene.calls(DRAFT) == 0
    assert scene.get(Operation, drafts[0].id).state is State.PLANNED
    assert "speaks to the real vendor" in scene.get(Requester, scene.account).paused_reason


def test_a_lane_lets_one_open_request_through(scene):
    run = scene.live(4)
    first, second, third, fourth = scene.approve(run, *scene.completed(run, 4))
    (open_one,) = claims.claim(ids([first, second]))
    assert claims.claim(ids([third, fourth])) == []
    assert scene.get(Operation, third.id).state is State.PLANNED
    engine.carry_out(open_one)
    assert len(held(claims.claim(ids([third, fourth])))) == 2


def test_accounts_that_spend_from_one_workspace_take_its_lane_in_turn(scene):
    other = Scene(scene.simulator, "other lab")
    both = [(each, each.live(1)) for each in (scene, other)]
    first, second = (each.approve(run, *each.completed(run)) for each, run in both)
    (open_one,) = claims.claim(ids(first))
    assert claims.claim(ids(second)) == []
    assert dispatch.take() == []
    engine.carry_out(open_one)
    assert [members for _, _, members in dispatch.take()] == [ids(second)]
    assert held(claims.claim(ids(second))) == ids(second)


def test_claimers_at_once_open_one_request_of_a_lane(scene):
    run = scene.live(6)
    approvals = scene.approve(run, *scene.completed(run, 6))
    together = Barrier(6)

    def claim(operation):
        together.wait()
        return claims.claim([operation.id])

    with ThreadPoolExecutor(6) as pool:
        made = [claim for some in pool.map(claim, approvals) for claim in some]
    assert len(made) == 1
    assert scene.calls(BULK) == 0


def test_launches_of_one_run_are_one_request_and_those_of_two_are_two(scene):
    for name in ("one", "two"):
        scene.plan(3, name)
    for kind in ("draft", "publish"):
        scene.send(*scene.operations(kind))
    scene.simulator.advance(3)
    scene.later(60)
    scene.read(*scene.operations("publish"))
    made = claims.claim(ids(scene.operations("launch")))
    assert sorted(len(claim.requests) for claim in made) == [3, 3]
    for claim in made:
        engine.carry_out(claim)
    assert scene.calls(LAUNCH) == 2
    assert scene.states() == {State.CONFIRMED}
