"""What happened at the vendor comes home: agents are made, units move, decisions are seen, and nothing is undone."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest
from sqlalchemy import func, select

from models.agent import Agent
from models.discrepancy import Finding
from models.operation import State
from models.session import transaction
from models.status import AgentStatus, UnitStatus
from models.task_run import TaskRun
from models.tick import take
from models.unit import Unit
from models.worker import Worker
from providers.contract import Observation
from providers.errors import RejectedError
from providers.prolific.provider import ProlificProvider
from tasks import engine, pacing, reconcile, register
from tasks.diff import Changes
from tests.integration.scene import COUNTS, LISTING, Scene


def statuses(scene):
    return [str(agent.status) for agent in scene.all(Agent)]


def units(scene):
    return sorted(str(status) for status in scene.units())


def test_a_submission_becomes_an_agent_that_holds_one_unit(scene):
    run = scene.live(2)
    (submission,) = scene.completed(run)
    (agent,) = scene.all(Agent)
    (held,) = [unit for unit in scene.all(Unit) if unit.agent_id is not None]
    assert (agent.submission, agent.status) == (submission, AgentStatus.COMPLETED)
    assert (agent.unit_id, held.agent_id, held.status) == (held.id, agent.id, UnitStatus.COMPLETED)
    assert units(scene) == ["completed", "launched"]


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
        assert (statuses(scene), units(scene)) == ([agent], [unit])


def test_counts_that_have_not_changed_cost_one_call(scene):
    run = scene.live(2)
    scene.completed(run, 2)
    counted, listed = scene.calls(COUNTS), scene.calls(LISTING)
    scene.reconcile(run)
    scene.reconcile(run)
    assert (scene.calls(COUNTS), scene.calls(LISTING)) == (counted + 2, listed)
    scene.reconcile(run, full=True)
    assert scene.calls(LISTING) == listed + 1


def test_who_returns_the_work_gives_the_unit_back_to_the_crowd(scene):
    run, state = scene.live(1), scene.simulator.state
    first = state.take_place(scene.study(run)).id
    scene.reconcile(run)
    state.set_status(first, "RETURNED")
    scene.reconcile(run)
    assert (statuses(scene), units(scene)) == (["returned"], ["launched"])
    scene.completed(run)
    assert units(scene) == ["completed"]
    assert scene.findings() == []


def test_who_left_before_we_looked_never_held_a_unit(scene):
    run, state = scene.live(1), scene.simulator.state
    state.set_status(state.take_place(scene.study(run)).id, "RETURNED")
    scene.reconcile(run)
    assert (statuses(scene), units(scene)) == (["returned"], ["launched"])


def test_who_took_the_place_of_somebody_who_left_before_we_looked_gets_the_unit(scene):
    run, state = scene.live(1), scene.simulator.state
    first = state.take_place(scene.study(run)).id
    scene.reconcile(run)
    state.set_status(first, "RETURNED")
    scene.completed(run)
    assert (sorted(statuses(scene)), units(scene)) == (["completed", "returned"], ["completed"])
    assert scene.findings() == []


def test_who_finishes_after_the_time_was_up_gets_a_unit_again(scene):
    run, state = scene.live(1), scene.simulator.state
    late = state.take_place(scene.study(run)).id
    scene.reconcile(run)
    state.set_status(late, "TIMED-OUT")
    scene.reconcile(run)
    assert (statuses(scene), units(scene)) == (["timeout"], ["launched"])
    state.finish(late)
    scene.reconcile(run)
    assert (statuses(scene), units(scene)) == (["completed"], ["completed"])
    assert scene.findings() == []


def test_who_finishes_late_when_the_unit_is_taken_is_a_surplus_and_still_paid(scene):
    run, state = scene.live(1), scene.simulator.state
    late = state.take_place(scene.study(run)).id
    scene.reconcile(run)
    state.set_status(late, "TIMED-OUT")
    scene.completed(run)
    assert scene.findings() == []
    state.finish(late)
    scene.reconcile(run)
    assert scene.findings() == [Finding.SURPLUS]
    scene.approve(run)
    scene.settle()
    assert len(scene.effects("approve")) == 2


def test_more_people_than_units_are_kept_and_reported_once(scene):
    run, state = scene.live(1), scene.simulator.state
    study = state.study(scene.study(run))
    study.fields |= {"total_available_places": 3}
    scene.completed(run, 3)
    scene.reconcile(run, full=True)
    assert statuses(scene) == ["completed"] * 3
    assert scene.findings() == [Finding.SURPLUS] * 2
    assert units(scene) == ["completed"]


def test_an_approval_made_at_the_vendor_comes_home(scene):
    run = scene.live(1)
    (submission,) = scene.completed(run)
    scene.simulator.state.set_status(submission, "APPROVED")
    scene.reconcile(run)
    assert (statuses(scene), units(scene)) == (["approved"], ["accepted"])
    assert scene.operations("approve") == []


@pytest.mark.parametrize("sent", [False, True])
def test_an_approval_seen_at_the_vendor_confirms_the_operation_that_wanted_it(scene, sent):
    run = scene.live(2)
    scene.completed(run, 2)
    approvals = scene.approve(run)
    if sent:
        engine.claim([row.id for row in approvals])
    for row in approvals:
        scene.simulator.state.set_status(row.target, "APPROVED")
    scene.reconcile(run)
    assert scene.states("approve") == {State.CONFIRMED}
    assert units(scene) == ["accepted"] * 2
    scene.settle()
    assert scene.effects("approve") == []


def test_a_unit_whose_launch_was_not_answered_yet_may_be_taken(scene):
    run = scene.plan(2)
    for kind in ("draft", "publish"):
        scene.send(scene.only(kind))
        scene.later(30)
    scene.read(scene.only("publish"))
    scene.completed(run)
    assert units(scene) == ["completed", "created"]
    scene.settle()
    assert units(scene) == ["completed", "launched"]


def test_a_page_that_is_older_than_a_decision_undoes_nothing_and_is_looked_at_again(scene, monkeypatch):
    run = scene.live(2)
    scene.completed(run, 2)
    scene.approve(run)
    scene.simulator.state.start(scene.simulator.state.take_place(surplus_place(scene, run)).id)
    old = ProlificProvider.observe
    seen, go_on = Event(), Event()

    def slow(self, facts):
        pages = list(old(self, facts))
        seen.set()
        assert go_on.wait(20)
        return iter(pages)

    with ThreadPoolExecutor(1) as pool:
        with monkeypatch.context() as patch:
            patch.setattr(ProlificProvider, "observe", slow)
            stale = pool.submit(scene.reconcile, run)
            assert seen.wait(20)
        scene.settle()
        go_on.set()
        stale.result()
    assert sorted(statuses(scene)) == ["approved", "approved", "in task"]
    listed = scene.calls(LISTING)
    scene.reconcile(run)
    assert scene.calls(LISTING) == listed + 1
    assert Finding.ILLEGAL_STATUS not in scene.findings()


def surplus_place(scene, run):
    study = scene.simulator.state.study(scene.study(run))
    study.fields |= {"total_available_places": study.places + 1}
    study.closed = False
    return study.id


def test_a_word_that_nobody_knows_changes_nothing_and_is_reported(scene, monkeypatch):
    run = scene.live(1)
    (submission,) = scene.completed(run)
    strange = Observation(submission, "somebody", None, "ON THE MOON")
    passing = Observation("f" * 24, "somebody else", None, "PROCESSING", transient=True)
    monkeypatch.setattr(ProlificProvider, "observe", lambda *_: [[strange, passing]])
    scene.reconcile(run, full=True)
    assert statuses(scene) == ["completed"]
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
    assert units(scene) == ["accepted", "completed"]
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
    assert statuses(scene) == ["completed"] * 5
    assert units(scene) == ["completed"] * 5
    assert len(scene.all(Worker)) == 5
    assert scene.findings() == []


def test_a_listing_of_many_thousands_is_written(scene):
    run = scene.live(1)
    crowd = [Observation(f"{n:024x}", f"{n:024d}", AgentStatus.RETURNED, "RETURNED") for n in range(8200)]
    with transaction() as session:
        register.write(session, session.get_one(TaskRun, run), Changes(new=crowd))
        assert session.scalar(select(func.count()).select_from(Agent)) == len(crowd)


def test_a_run_whose_units_are_all_over_is_asked_about_no_more(scene):
    run = scene.live(2)
    scene.completed(run, 2)
    scene.approve(run)
    scene.settle()
    scene.reconcile(run)
    assert scene.get(TaskRun, run).is_completed
    counted = scene.calls(COUNTS)
    reconcile.reconcile_account(scene.account)
    assert scene.calls(COUNTS) == counted


def test_a_run_that_is_not_at_the_vendor_yet_costs_no_call(scene):
    scene.plan(1)
    reconcile.reconcile_account(scene.account)
    assert scene.simulator.total_calls() == 0


def test_a_vendor_that_does_not_answer_is_asked_again_later(scene, caplog):
    run = scene.live(1)
    scene.hand_in(run)
    scene.fault(COUNTS, "500_before")
    reconcile.reconcile_one(str(scene.account))
    assert statuses(scene) == []
    assert "was put off" in caplog.text
    reconcile.reconcile_one(str(scene.account))
    assert statuses(scene) == ["completed"]


def test_a_run_whose_study_is_gone_does_not_hold_up_the_others_and_is_told(scene):
    runs = [scene.live(1, f"run {number}") for number in range(3)]
    for run in runs[1:]:
        scene.hand_in(run)
    gone = scene.study(runs[0])
    del scene.simulator.state.studies[gone]
    with pytest.raises(RejectedError):
        reconcile.reconcile_account(scene.account)
    assert statuses(scene) == ["completed"] * 2


def test_a_slot_is_reconciled_once_however_many_beats_there_are(scene, timing):
    scene.live(1)
    with ThreadPoolExecutor(4) as pool:
        begun = list(pool.map(lambda _: reconcile.begin(full=False), range(8)))
    assert sorted(begun) == [[]] * 7 + [[scene.account]]
    scene.later(timing().reconcile_every)
    assert reconcile.begin(full=False) == [scene.account]


def test_a_listing_that_is_shorter_than_the_counts_is_asked_for_again(scene, monkeypatch):
    """A page that comes back empty once must not hide its submissions for ever."""
    run = scene.live(3)
    scene.hand_in(run, 3)
    with monkeypatch.context() as patch:
        patch.setattr(ProlificProvider, "observe", lambda *_: iter([]))
        scene.reconcile(run)
    assert statuses(scene) == []
    scene.reconcile(run)
    assert statuses(scene) == ["completed"] * 3


def test_a_slot_is_taken_by_one_and_the_next_is_free(scene, timing):
    def taken():
        with transaction() as session:
            return take(session, "reconcile", 60)

    assert [taken(), taken()] == [True, False]
    scene.later(60)
    assert taken() is True
    assert timing


def test_a_paused_account_is_not_asked_and_the_others_are(scene):
    other = Scene(scene.simulator, "other lab")
    for each in (scene, other):
        each.plan(1)
    scene.settle()
    pacing.pause(scene.account, "somebody looks into it", None)
    assert reconcile.open_accounts() == [other.account]


def test_no_name_of_a_worker_is_in_a_log_or_a_finding(scene, caplog):
    run, state = scene.live(1), scene.simulator.state
    study = state.study(scene.study(run))
    study.fields |= {"total_available_places": 2}
    caplog.set_level("DEBUG")
    scene.completed(run, 2)
    with transaction() as session:
        names = session.scalars(select(Worker.name)).all()
    assert len(names) == 2
    assert not [name for name in names if name in caplog.text]
