"""What dead workers held comes back, what can no longer happen is let go, and time decides by the database's clock."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from models.attempt import AttemptOutcome
from models.operation import Operation, State
from models.session import transaction
from tasks import claims, decide, engine
from tasks.sweep import FORGOTTEN, sweep
from tests.integration.scene import BULK, DRAFT, STUDY_MOVE


@pytest.fixture
def died(scene):
    """A draft that a worker claimed and never recorded."""
    scene.plan(2)
    claims.claim([scene.only("draft").id])
    return scene.only("draft")


def test_a_claim_within_its_lease_is_left_alone(scene, died, timing):
    scene.later(timing().lease - 5)
    sweep()
    assert scene.only("draft").state is State.SENDING
    assert scene.attempts()[0].closed_at is None
    assert died.attempts == 1


def test_a_lapsed_claim_is_unknown_and_its_attempt_is_lost(scene, died, timing):
    scene.later(timing().lease + 1)
    sweep()
    assert scene.only("draft").state is State.UNKNOWN
    assert scene.attempts()[0].outcome is AttemptOutcome.LOST
    assert scene.attempts()[0].closed_at is not None
    scene.settle()
    assert len(scene.effects("draft")) == 1
    assert died.state is State.SENDING


def test_a_worker_that_died_after_its_request_left_one_effect(scene, timing, monkeypatch):
    scene.plan(1)
    (claim,) = claims.claim([scene.only("draft").id])
    with monkeypatch.context() as patch:
        patch.setattr(engine, "_record", lambda *_: None)
        engine.carry_out(claim)
    assert len(scene.effects("draft")) == 1
    scene.later(timing().lease + 1)
    scene.settle()
    assert scene.states() == {State.CONFIRMED}
    assert scene.calls(DRAFT) == 1


def test_a_lost_attempt_gives_its_lane_back(scene, timing):
    run = scene.live(4)
    first, second, third, fourth = scene.approve(run, *scene.completed(run, 4))
    claims.claim([first.id, second.id])
    assert claims.claim([third.id, fourth.id]) == []
    scene.later(timing().lease + 1)
    sweep()
    assert len(claims.claim([third.id, fourth.id])) == 1
    assert scene.calls(BULK) == 0


@pytest.mark.parametrize("fallen", [State.REJECTED, State.CANCELLED])
def test_what_waits_for_a_fallen_operation_shares_its_end(scene, fallen):
    scene.plan(2)
    with transaction() as session:
        draft = session.get_one(Operation, scene.only("draft").id)
        draft.state, draft.reason = fallen, "the title is too long"
    sweep()
    assert scene.states("publish") == {fallen}
    sweep()
    assert scene.states("launch") == {fallen}
    assert scene.only("publish").reason == f"the {fallen} operation before it: the title is too long"
    assert all(row.settled_at is not None for row in scene.operations("publish", "launch"))


def test_what_waits_for_an_operation_in_review_goes_on_waiting(scene):
    scene.plan(1)
    with transaction() as session:
        session.get_one(Operation, scene.only("draft").id).state = State.REVIEW
    sweep()
    assert scene.states("publish", "launch") == {State.PLANNED}


def test_an_operation_whose_attempts_are_used_up_goes_to_review(scene, timing):
    most = timing(max_attempts=2).max_attempts
    scene.plan(1)
    scene.simulator.faults.next(DRAFT, "drop_before", times=most + 1)
    for _ in range(30):
        if scene.only("draft").state is State.REVIEW:
            break
        scene.turn()
        scene.later(timing().settle)
    assert scene.only("draft").attempts == most
    assert "attempts used up" in scene.only("draft").reason
    assert scene.calls(DRAFT) == most
    assert scene.states("publish", "launch") == {State.PLANNED}


def test_sweepers_at_once_do_no_harm(scene, timing):
    for number in range(10):
        scene.plan(3, f"run {number}")
    claims.claim([row.id for row in scene.operations("draft")])
    scene.later(timing().lease + 1)
    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(sweep) for _ in range(12)]:
            done.result()
    assert scene.states("draft") == {State.UNKNOWN}
    assert {attempt.outcome for attempt in scene.attempts()} == {AttemptOutcome.LOST}


def test_moving_the_clock_moves_what_is_due(scene):
    scene.plan(1)
    with transaction() as session:
        session.get_one(Operation, scene.only("draft").id).next_at = engine.after(3600)
    assert claims.claim([scene.only("draft").id]) == []
    scene.later(3599)
    assert claims.claim([scene.only("draft").id]) == []
    scene.later(1)
    assert len(claims.claim([scene.only("draft").id])) == 1


def put_off(scene, times, pause):
    """The publication of a study is turned away so many times, with a pause after each."""
    for _ in range(times):
        scene.send(scene.only("publish"))
        scene.later(pause)
        sweep()
    return scene.only("publish")


@pytest.fixture
def turned_away(scene):
    """A draft is made; its publication is turned away from now on."""
    scene.plan(1)
    scene.send(scene.only("draft"))
    scene.simulator.faults.next(STUDY_MOVE, "429", times=100)
    return scene


def test_what_a_vendor_puts_off_for_days_goes_to_a_person_who_may_let_it_go_on(turned_away, timing):
    publish = put_off(turned_away, int(FORGOTTEN / 0.9) + 2, 0.9 * timing().age_limit)
    assert (publish.state, publish.attempts) == (State.REVIEW, 0)
    assert "put off for too long" in publish.reason
    with transaction() as session:
        decide.resolve(session, publish.id, decide.Decision.RETRY, who="ada", note="they are back")
    assert put_off(turned_away, 2, 60).state is State.PLANNED


def test_time_in_which_nobody_tried_is_no_sign_of_trouble(turned_away, timing):
    assert put_off(turned_away, 3, 2 * FORGOTTEN * timing().age_limit).state is State.PLANNED
