"""What happened at the vendor comes home: submissions become agents, units move along, and what is odd is reported."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import func, select, update

from models.agent import Agent
from models.discrepancy import Finding
from models.operation import Operation, State
from models.session import transaction
from models.status import AgentStatus, UnitStatus
from models.task_run import TaskRun
from models.unit import SURPLUS, Unit
from models.worker import Worker
from providers.contract import Observation
from providers.prolific.provider import ProlificProvider
from tasks import claims, decide, register
from tasks.diff import Changes


def test_a_submission_becomes_an_agent_that_holds_one_unit(scene):
    run = scene.live(2)
    (submission,) = scene.completed(run)
    (agent,) = scene.all(Agent)
    (held,) = [unit for unit in scene.all(Unit) if unit.agent_id is not None]
    assert (agent.submission, agent.status) == (submission, AgentStatus.COMPLETED)
    assert (agent.unit_id, held.agent_id, held.status) == (held.id, agent.id, UnitStatus.COMPLETED)
    assert scene.unit_words() == ["completed", "launched"]


def test_an_agent_follows_the_submission_and_takes_the_unit_along(scene):
    run, state = scene.live(1), scene.simulator.state
    submission = state.take_place(scene.study(run)).id
    for act, agent, unit in [
        (lambda: None, "accepted", "assigned"),
        (lambda: state.start(submission), "in task", "assigned"),
        (lambda: state.finish(submission), "completed", "completed"),
        (lambda: state.set_status(submission, "REJECTED"), "rejected", "rejected"),
        (lambda: state.set_status(submission, "APPROVED"), "approved", "accepted"),
    ]:
        act()
        scene.reconcile(run)
        assert (scene.agent_words(), scene.unit_words()) == ([agent], [unit])


def test_who_returns_the_work_gives_the_unit_back_to_the_crowd(scene):
    run, state = scene.live(1), scene.simulator.state
    first = state.take_place(scene.study(run)).id
    scene.reconcile(run)
    state.set_status(first, "RETURNED")
    scene.reconcile(run)
    assert (scene.agent_words(), scene.unit_words()) == (["returned"], ["launched"])
    scene.completed(run)
    assert scene.unit_words() == ["completed"]
    assert scene.findings() == []


def test_who_left_before_we_looked_never_held_a_unit(scene):
    run, state = scene.live(1), scene.simulator.state
    state.set_status(state.take_place(scene.study(run)).id, "RETURNED")
    scene.reconcile(run)
    assert (scene.agent_words(), scene.unit_words()) == (["returned"], ["launched"])


def test_who_took_the_place_of_somebody_who_left_before_we_looked_gets_the_unit(scene):
    run, state = scene.live(1), scene.simulator.state
    first = state.take_place(scene.study(run)).id
    scene.reconcile(run)
    state.set_status(first, "RETURNED")
    scene.completed(run)
    assert (sorted(scene.agent_words()), scene.unit_words()) == (["completed", "returned"], ["completed"])
    assert scene.findings() == []


def test_who_finishes_after_the_time_was_up_gets_a_unit_again(scene):
    run, state = scene.live(1), scene.simulator.state
    late = state.take_place(scene.study(run)).id
    scene.reconcile(run)
    state.set_status(late, "TIMED-OUT")
    scene.reconcile(run)
    assert (scene.agent_words(), scene.unit_words()) == (["timeout"], ["launched"])
    state.finish(late)
    scene.reconcile(run)
    assert (scene.agent_words(), scene.unit_words()) == (["completed"], ["completed"])
    assert scene.findings() == []


def test_more_people_than_units_are_kept_and_reported_once(scene):
    run, state = scene.live(1), scene.simulator.state
    study = state.study(scene.study(run))
    study.fields |= {"total_available_places": 3}
    scene.completed(run, 3)
    scene.reconcile(run, full=True)
    assert scene.agent_words() == ["completed"] * 3
    assert scene.findings() == [Finding.SURPLUS] * 2
    assert scene.unit_words() == ["completed"] * 3
    assert sorted(unit.index for unit in scene.all(Unit)) == [SURPLUS - 1, SURPLUS, 0]
    scene.approve(run)
    scene.settle()
    assert scene.unit_words() == ["accepted"] * 3


def test_an_approval_made_at_the_vendor_comes_home(scene):
    run = scene.live(1)
    (submission,) = scene.completed(run)
    scene.simulator.state.set_status(submission, "APPROVED")
    scene.reconcile(run)
    assert (scene.agent_words(), scene.unit_words()) == (["approved"], ["accepted"])
    assert scene.operations("approve") == []


@pytest.mark.parametrize("word", ["PARTIALLY APPROVED", "SCREENED OUT"])
def test_a_partial_payment_proves_no_approval_of_ours(scene, word):
    run = scene.live(1)
    (submission,) = scene.completed(run)
    scene.approve(run)
    scene.simulator.state.set_status(submission, word)
    scene.reconcile(run)
    assert scene.agent_words() == ["approved"]
    assert scene.states("approve") == {State.PLANNED}
    scene.settle()
    assert scene.states("approve") == {State.REJECTED}
    assert word in scene.only("approve").reason


def test_an_approval_that_was_given_up_here_and_is_seen_there_is_told(scene):
    run = scene.live(1)
    (submission,) = scene.completed(run)
    (approval,) = scene.approve(run)
    with transaction() as session:
        decide.cancel(session, approval.id, who="ada")
    scene.simulator.state.set_status(submission, "APPROVED")
    scene.reconcile(run)
    assert scene.findings() == [Finding.FINAL_CONTRADICTED]
    assert scene.agent_words() == ["approved"]


def test_an_approval_that_was_tried_again_is_the_one_that_is_confirmed(scene):
    run = scene.live(1)
    (submission,) = scene.completed(run)
    (approval,) = scene.approve(run)
    with transaction() as session:
        decide.cancel(session, approval.id, who="ada")
    with transaction() as session:
        again = decide.retry(session, approval.id)
    scene.simulator.state.set_status(submission, "APPROVED")
    scene.reconcile(run)
    assert scene.findings() == []
    assert scene.get(Operation, again.id).state is State.CONFIRMED


@pytest.mark.parametrize("sent", [False, True])
def test_an_approval_seen_at_the_vendor_confirms_the_operation_that_wanted_it(scene, sent):
    run = scene.live(2)
    scene.completed(run, 2)
    approvals = scene.approve(run)
    if sent:
        claims.claim([row.id for row in approvals])
    for row in approvals:
        scene.simulator.state.set_status(row.target, "APPROVED")
    scene.reconcile(run)
    assert scene.states("approve") == {State.CONFIRMED}
    assert scene.unit_words() == ["accepted"] * 2
    scene.settle()
    assert scene.effects("approve") == []


def test_a_unit_whose_launch_was_not_answered_yet_may_be_taken(scene):
    run = scene.plan(2)
    for kind in ("draft", "publish"):
        scene.send(scene.only(kind))
        scene.later(30)
    scene.read(scene.only("publish"))
    scene.completed(run)
    assert scene.unit_words() == ["completed", "created"]
    scene.settle()
    assert scene.unit_words() == ["completed", "launched"]


def test_a_word_that_nobody_knows_changes_nothing_and_is_reported(scene, monkeypatch):
    run = scene.live(1)
    (submission,) = scene.completed(run)
    strange = Observation(submission, "somebody", None, "ON THE MOON")
    passing = Observation("f" * 24, "somebody else", None, "PROCESSING", transient=True)
    monkeypatch.setattr(ProlificProvider, "observe", lambda *_: [[strange, passing]])
    scene.reconcile(run, full=True)
    assert scene.agent_words() == ["completed"]
    assert scene.findings() == [Finding.UNKNOWN_WORD]


def test_a_status_that_ours_may_not_become_is_reported_once(scene):
    run, state = scene.live(2), scene.simulator.state
    first, second = scene.completed(run, 2)
    scene.approve(run, first)
    scene.settle()
    state.set_status(first, "REJECTED")
    for _ in range(2):
        scene.reconcile(run, full=True)
    assert scene.findings() == [Finding.ILLEGAL_STATUS]
    assert scene.unit_words() == ["accepted", "completed"]
    assert second


def test_two_at_once_make_each_agent_once(scene):
    run = scene.live(5)
    scene.hand_in(run, 5)
    together = Barrier(4)

    def look(_):
        together.wait()
        scene.reconcile(run, full=True)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(look, range(4)))
    assert scene.agent_words() == ["completed"] * 5
    assert scene.unit_words() == ["completed"] * 5
    assert len(scene.all(Worker)) == 5
    assert scene.findings() == []


def test_a_unit_that_is_held_by_somebody_else_is_waited_for(scene):
    """Whoever records its launch at the same moment must not make its worker one too many."""
    run = scene.live(2)
    scene.hand_in(run, 2)
    with ThreadPoolExecutor(1) as pool:
        with transaction() as session:
            session.execute(update(Unit).where(Unit.task_run_id == run).values(status=Unit.status))
            looking = pool.submit(scene.reconcile, run)
            with pytest.raises(TimeoutError):
                looking.result(0.5)
        looking.result()
    assert scene.unit_words() == ["completed"] * 2
    assert scene.findings() == []


def test_a_listing_that_was_overtaken_is_not_taken_for_the_newest(scene):
    """Who was not known yet when it was asked for, and was registered meanwhile, has to be looked at again."""
    run = scene.live(1)
    (submission,) = scene.hand_in(run)
    listing = Changes(new=[Observation(submission, "somebody", AgentStatus.COMPLETED, "AWAITING REVIEW")])
    older = Changes(new=[Observation(submission, "somebody", AgentStatus.ACCEPTED, "RESERVED")])
    with transaction() as session:
        assert register.write(session, session.get_one(TaskRun, run), older)
        assert not register.write(session, session.get_one(TaskRun, run), listing)


def test_a_listing_of_many_thousands_is_written(scene):
    run = scene.live(1)
    crowd = [Observation(f"{n:024x}", f"{n:024d}", AgentStatus.RETURNED, "RETURNED") for n in range(8200)]
    with transaction() as session:
        register.write(session, session.get_one(TaskRun, run), Changes(new=crowd))
        assert session.scalar(select(func.count()).select_from(Agent)) == len(crowd)
