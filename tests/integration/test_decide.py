"""What a person decides about an operation is carried out once, noted with its author, and never overtakes a worker."""

from threading import Thread

import pytest
from sqlalchemy import select, update

from models import recruit, review
from models.agent import Agent
from models.operation import Operation, State
from models.session import transaction
from models.status import AgentStatus, IllegalMoveError
from models.task_run import TaskRun
from models.unit import Unit
from tasks import claims, decide, sweep
from tasks.decide import Decision
from tests.integration.scene import DECISION, STUDY_MOVE


def in_review(operation):
    """Bring a planned operation to where a person must decide."""
    with transaction() as session:
        moved = update(Operation).where(Operation.id == operation.id)
        session.execute(moved.values(state=State.REVIEW, attempts=12, reason="attempts used up"))
    return operation


def decided(operation, decision, **options):
    with transaction() as session:
        return decide.resolve(session, operation.id, decision, who="ada", note="seen at the vendor", **options)


def cancel(operation):
    with transaction() as session:
        return decide.cancel(session, operation.id, who="ada", note="a mistake")


def retry(operation):
    with transaction() as session:
        return decide.retry(session, operation.id)


def test_what_is_cancelled_is_never_sent(scene):
    scene.plan(1)
    found = cancel(scene.only("draft"))
    assert (found.state, found.reason) == (State.CANCELLED, "withdrawn by ada")
    assert found.settled_at is not None
    assert found.note.endswith(" ada: cancel: a mistake")
    assert scene.send(found) == []
    assert scene.effects("draft") == []


def test_what_may_still_take_effect_cannot_be_cancelled_until_it_is_settled(scene, timing):
    run = scene.live(1)
    (approval,) = scene.approve(run, *scene.completed(run))
    scene.fault(DECISION, "drop_before")
    scene.send(approval)
    scene.later(timing().read_every)
    scene.read(approval)
    assert scene.only("approve").state is State.PLANNED
    with pytest.raises(IllegalMoveError, match="may still take effect"):
        cancel(approval)
    scene.later(timing().settle)
    assert cancel(approval).state is State.CANCELLED


def test_what_was_proven_not_to_be_sent_can_be_cancelled_at_once(scene):
    scene.plan(1)
    scene.send(scene.only("draft"))
    scene.fault(STUDY_MOVE, "429")
    scene.send(scene.only("publish"))
    assert cancel(scene.only("publish")).state is State.CANCELLED


def test_what_a_worker_has_taken_cannot_be_cancelled(scene):
    scene.plan(1)
    claims.claim([scene.only("draft").id])
    with pytest.raises(IllegalMoveError, match="is sending, so it cannot be withdrawn"):
        cancel(scene.only("draft"))
    assert scene.only("draft").note is None


def test_a_cancel_that_meets_a_claim_waits_for_it_and_loses(scene, eventually):
    scene.plan(1)
    lost = []

    def try_to_cancel():
        try:
            cancel(scene.only("draft"))
        except IllegalMoveError as error:
            lost.append(str(error))

    with transaction() as session:
        taken = update(Operation).where(Operation.kind == "draft")
        session.execute(taken.values(state=State.SENDING, lease_until=Operation.next_at))
        operator = Thread(target=try_to_cancel)
        operator.start()
        eventually(_waiting_for_a_lock)
    operator.join(10)
    assert not operator.is_alive()
    assert "is sending" in lost[0]
    assert scene.only("draft").state is State.SENDING


def _waiting_for_a_lock():
    with transaction() as session:
        return session.connection().exec_driver_sql("SELECT count(*) FROM pg_locks WHERE NOT granted").scalar_one()


def launch_of(scene, run, place):
    launches = scene.all(Operation, Operation.run_id == run, Operation.kind == "launch")
    return next(row for row in launches if row.body["places"] == place)


@pytest.mark.parametrize("place", [1, 2])
def test_a_place_is_not_withdrawn_while_later_places_of_its_run_stand(scene, place):
    """Places are absolute at the vendor: the later launch would open this one too."""
    run = scene.plan(3)
    with pytest.raises(IllegalMoveError, match="Withdraw the last one first"):
        cancel(launch_of(scene, run, place))
    assert scene.states() == {State.PLANNED}
    assert launch_of(scene, run, place).note is None


def test_places_that_are_withdrawn_from_the_last_on_are_never_opened(scene):
    run = scene.plan(3)
    scene.plan(4, "another run")
    for place in (3, 2):
        cancel(launch_of(scene, run, place))
    scene.settle()
    assert scene.simulator.state.study(scene.study(run)).places == 1
    assert [row.status for row in scene.all(Unit, Unit.task_run_id == run)].count("launched") == 1


def test_the_first_place_is_withdrawn_only_with_its_publication(scene):
    scene.plan(1)
    with pytest.raises(IllegalMoveError, match="withdraw the run's publish operation"):
        cancel(scene.only("launch"))
    assert scene.only("launch").state is State.PLANNED
    cancel(scene.only("publish"))
    scene.settle()
    assert scene.only("launch").state is State.CANCELLED
    assert scene.effects("publish") == []


def test_what_waits_is_due_at_once_when_it_is_tried_again(scene):
    scene.plan(1)
    with transaction() as session:
        session.get_one(Operation, scene.only("draft").id).next_at = scene.only("draft").next_at.replace(year=2100)
    assert scene.turn() == []
    assert retry(scene.only("draft")).id == scene.only("draft").id
    assert scene.turn()
    assert len(scene.effects("draft")) == 1


def test_a_cancelled_operation_is_planned_anew_once_with_what_fell_with_it(scene):
    run = scene.plan(2)
    first = cancel(scene.only("draft"))
    sweep.sweep()
    sweep.sweep()
    assert scene.states() == {State.CANCELLED}
    again = retry(first)
    assert retry(first).id == again.id != first.id
    scene.settle()
    assert len(scene.effects("draft")) == 1
    assert {unit.status for unit in scene.all(Unit, Unit.task_run_id == run)} == {"launched"}


def test_what_fell_with_another_is_not_tried_again_alone(scene):
    scene.plan(1)
    first = cancel(scene.only("draft"))
    sweep.sweep()
    with pytest.raises(IllegalMoveError, match=f"crowdops ops retry {first.id}"):
        retry(scene.only("publish"))


@pytest.mark.parametrize("state", [State.REVIEW, State.SENDING, State.CONFIRMED])
def test_what_is_under_way_or_done_is_not_tried_again(scene, state):
    scene.plan(1)
    draft = scene.only("draft")
    if state is State.REVIEW:
        in_review(draft)
    elif state is State.SENDING:
        claims.claim([draft.id])
    else:
        scene.send(draft)
    with pytest.raises(IllegalMoveError, match=f"is (in )?{state}"):
        retry(draft)


def test_a_confirmed_review_has_the_effects_of_the_operation(scene):
    run = scene.live(1)
    (approval,) = scene.approve(run, *scene.completed(run))
    found = decided(in_review(approval), Decision.CONFIRMED)
    assert (found.state, found.reason) == (State.CONFIRMED, None)
    assert found.note.endswith(" ada: confirmed: seen at the vendor")
    assert scene.get(Agent, approval.agent_id).status is AgentStatus.APPROVED
    assert scene.units() == ["accepted"]


def test_a_confirmed_draft_tells_the_run_its_study(scene):
    run = scene.plan(1)
    decided(in_review(scene.only("draft")), Decision.CONFIRMED, result={"study_id": "s1"})
    assert scene.study(run) == "s1"


def test_a_review_that_is_retried_begins_anew(scene):
    scene.plan(1)
    found = decided(in_review(scene.only("draft")), Decision.RETRY)
    assert (found.state, found.attempts, found.reads) == (State.PLANNED, 0, 0)
    scene.settle()
    assert len(scene.effects("draft")) == 1


def test_a_rejected_review_is_over_and_so_is_what_waits_for_it(scene):
    scene.plan(1)
    found = decided(in_review(scene.only("draft")), Decision.REJECTED)
    assert (found.state, found.reason) == (State.REJECTED, "given up, as ada decided")
    sweep.sweep()
    sweep.sweep()
    assert scene.states() == {State.REJECTED}
    assert scene.effects("draft") == []


def test_only_a_review_is_resolved_and_only_once(scene):
    scene.plan(1)
    draft = scene.only("draft")
    with pytest.raises(IllegalMoveError, match="only one in review is resolved"):
        decided(draft, Decision.REJECTED)
    decided(in_review(draft), Decision.RETRY)
    with pytest.raises(IllegalMoveError, match="is planned; only one in review"):
        decided(draft, Decision.REJECTED)


def test_every_decision_is_kept(scene):
    scene.plan(1)
    for decision in (Decision.RETRY, Decision.RETRY, Decision.REJECTED):
        found = decided(in_review(scene.only("draft")), decision)
    assert [line.partition(" ada: ")[2].partition(":")[0] for line in found.note.splitlines()] == [
        "retry",
        "retry",
        "rejected",
    ]


def test_a_decision_that_was_withdrawn_is_not_tried_again_beside_another_one(scene):
    run = scene.live(1)
    (approval,) = scene.approve(run, *scene.completed(run))
    cancel(approval)
    with transaction() as session:
        agents = session.scalars(select(Agent)).all()
        review.reject(
            session.get_one(TaskRun, run), agents, "OTHER", "Nothing was written into any of the fields. " * 4
        )
    with pytest.raises(IllegalMoveError, match="has a decision already"):
        retry(approval)
    assert scene.states("approve") == {State.CANCELLED}


def test_what_offered_work_of_a_run_is_not_tried_again_after_its_end(scene):
    run = scene.plan(2)
    with transaction() as session:
        recruit.expire(session.get_one(TaskRun, run))
    with pytest.raises(IllegalMoveError, match="is expired"):
        retry(scene.only("draft"))
    assert scene.get(TaskRun, run).is_completed
