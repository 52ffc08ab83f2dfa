"""Work is decided once: approved, marked, or refused with words that the vendor takes, when it does no harm."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import select

from models import review
from models.agent import Agent
from models.operation import State
from models.plan import ConflictError
from models.session import transaction
from models.status import IllegalMoveError, UnitStatus
from models.task_run import TaskRun
from models.unit import Unit
from tasks import decide, reconcile
from tests.integration.scene import COUNTS, DECISION

WORDS = ("LOW_EFFORT", "The descriptions are single words, although two to four whole sentences were asked for. " * 2)


def decide_on(run, verb, *words, submissions=()):
    """Plan a decision on some submissions of a run, or on all."""
    with transaction() as session:
        agents = select(Agent).where(Agent.task_run_id == run).order_by(Agent.submission)
        if submissions:
            agents = agents.where(Agent.submission.in_(submissions))
        return verb(session.get_one(TaskRun, run), session.scalars(agents).all(), *words)


def over(scene, run):
    """The study recruits nobody any more, as its places are all taken, and we have seen it."""
    scene.reconcile(run)
    assert scene.get(TaskRun, run).is_stopped


@pytest.fixture
def done(scene):
    """A run of two units that are both handed in."""
    run = scene.live(2)
    scene.completed(run, 2)
    return run


def test_what_is_rejected_is_refused_at_the_vendor_with_category_and_message(scene, done):
    over(scene, done)
    decide_on(done, review.reject, *WORDS)
    scene.settle()
    assert scene.states("reject") == {State.CONFIRMED}
    assert len(scene.effects("submission_rejected")) == 2
    assert (scene.agent_words(), scene.unit_words()) == (["rejected"] * 2, ["rejected"] * 2)


@pytest.mark.parametrize(
    ("category", "message", "told"),
    [
        ("LOW_EFFORT", "Too short.", "at least 100 characters"),
        ("LOW_EFFORT", " " * 200, "at least 100 characters"),
        ("RUDE", WORDS[1], "knows no category 'RUDE'"),
    ],
)
def test_words_that_the_vendor_would_not_take_are_refused_before_anything_is_planned(
    scene, done, category, message, told
):
    with pytest.raises(ValueError, match=told):
        decide_on(done, review.reject, category, message)
    assert scene.operations("reject") == []


def test_a_rejection_waits_while_the_study_recruits_and_goes_out_when_it_is_over(scene):
    run = scene.live(2)
    scene.completed(run, 1)
    decide_on(run, review.reject, *WORDS)
    for _ in range(3):
        scene.turn()
        scene.later(60)
    (waiting,) = scene.operations("reject")
    assert (waiting.state, waiting.hold) == (State.PLANNED, review.STILL_RECRUITS)
    assert scene.calls(DECISION) == 0
    scene.completed(run, 1)
    scene.reconcile(run)
    scene.settle()
    assert len(scene.effects("submission_rejected")) == 1
    assert sorted(scene.agent_words()) == ["completed", "rejected"]
    assert scene.simulator.state.study(scene.study(run)).places == 2


def test_a_rejection_that_waits_is_let_go_although_the_counts_stand_still(scene, done):
    """Somebody stops the study in the vendor's own pages, which moves no submission."""
    scene.simulator.state.study(scene.study(done)).closed = False
    scene.simulator.state.study(scene.study(done)).fields |= {"total_available_places": 3}
    scene.reconcile(done, full=True)
    decide_on(done, review.reject, *WORDS)
    scene.reconcile(done)
    assert {row.hold for row in scene.operations("reject")} == {review.STILL_RECRUITS}
    scene.simulator.state.study(scene.study(done)).closed = True
    calls = scene.calls(COUNTS)
    reconcile.reconcile_account(scene.account)
    assert scene.calls(COUNTS) == calls + 1
    scene.settle()
    assert scene.states("reject") == {State.CONFIRMED}


def test_a_run_that_wants_refills_rejects_at_once_and_the_place_is_taken_again(scene):
    run = scene.live(2, refill=True)
    (bad,) = scene.completed(run, 1)
    decide_on(run, review.reject, *WORDS)
    scene.settle()
    assert scene.simulator.state.submission(bad).status == "REJECTED"
    scene.completed(run, 2)
    assert sorted(scene.agent_words()) == ["completed", "completed", "rejected"]
    rejected = next(unit for unit in scene.all(Unit) if unit.status is UnitStatus.REJECTED)
    again = [unit for unit in scene.all(Unit, Unit.assignment_id == rejected.assignment_id) if unit.id != rejected.id]
    assert [unit.status for unit in again] == [UnitStatus.COMPLETED]
    assert scene.findings() == []


def test_work_that_is_softly_rejected_is_paid_and_marked(scene, done):
    decide_on(done, review.soft_reject)
    scene.settle()
    assert len(scene.effects("approve")) == 2
    assert (scene.agent_words(), scene.unit_words()) == (["soft_rejected"] * 2, ["soft_rejected"] * 2)
    scene.reconcile(done, full=True)
    assert scene.findings() == []


def test_a_soft_rejection_whose_payment_is_seen_first_is_marked_all_the_same(scene, done):
    decide_on(done, review.soft_reject)
    for submission in scene.simulator.state.submissions:
        scene.simulator.state.set_status(submission, "APPROVED")
    scene.reconcile(done)
    scene.reconcile(done)
    assert scene.agent_words() == ["soft_rejected"] * 2
    assert scene.findings() == []


@pytest.mark.parametrize("first", ["approve", "reject"])
def test_work_that_has_a_decision_is_not_decided_otherwise(scene, done, first):
    acts = {"approve": (review.approve,), "reject": (review.reject, *WORDS)}
    second = next(name for name in acts if name != first)
    decide_on(done, *acts[first])
    with pytest.raises(IllegalMoveError, match="has a decision already"):
        decide_on(done, *acts[second])
    assert scene.operations(second) == []
    for operation in scene.operations(first):
        with transaction() as session:
            decide.cancel(session, operation.id, who="ada")
    decide_on(done, *acts[second])
    assert len(scene.operations(second)) == 2


def test_two_people_who_decide_otherwise_at_the_same_moment_make_one_decision(scene, done):
    together = Barrier(2)

    def act(words):
        together.wait()
        try:
            return decide_on(done, *words)
        except IllegalMoveError:
            return []

    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(act, [(review.approve,), (review.reject, *WORDS)]))
    assert sorted(map(len, made)) == [0, 2]
    assert len(scene.operations("approve", "reject")) == 2


def test_an_approval_is_not_turned_into_a_soft_rejection(done):
    decide_on(done, review.approve)
    with pytest.raises(ConflictError):
        decide_on(done, review.soft_reject)


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "500_before", "500_after", "429_retry_after"])
def test_whatever_becomes_of_the_answer_a_rejection_happens_once(scene, done, fault):
    over(scene, done)
    scene.simulator.faults.next(DECISION, fault, times=2)
    decide_on(done, review.reject, *WORDS)
    scene.settle()
    assert len(scene.effects("submission_rejected")) == 2
    assert scene.states("reject") == {State.CONFIRMED}


def test_work_that_was_approved_in_the_vendors_pages_cannot_be_rejected_and_that_is_told(scene, done):
    over(scene, done)
    operations = decide_on(done, review.reject, *WORDS)
    scene.simulator.state.set_status(operations[0].target, "APPROVED")
    scene.settle()
    refused = next(row for row in scene.operations("reject") if row.id == operations[0].id)
    assert refused.state is State.REJECTED
    assert "is APPROVED at Prolific" in refused.reason
