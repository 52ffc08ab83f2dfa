"""The vendor is asked cheaply, in turn, and again when it did not answer; a stale answer undoes nothing."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from sqlalchemy import select

from models.discrepancy import Finding
from models.requester import Requester
from models.session import transaction
from models.task_run import TaskRun
from models.tick import take
from models.worker import Worker
from providers.errors import AccountError, RejectedError
from providers.prolific.provider import ProlificProvider
from tasks import listing, pacing, reconcile, register
from tasks.diff import diff
from tests.integration.scene import COUNTS, LISTING, Scene


def test_counts_that_have_not_changed_cost_one_call(scene):
    run = scene.live(2)
    scene.completed(run, 2)
    counted, listed = scene.calls(COUNTS), scene.calls(LISTING)
    scene.reconcile(run)
    scene.reconcile(run)
    assert (scene.calls(COUNTS), scene.calls(LISTING)) == (counted + 2, listed)
    scene.reconcile(run, full=True)
    assert scene.calls(LISTING) == listed + 1


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
    assert sorted(scene.agent_words()) == ["approved", "approved", "in task"]
    listed = scene.calls(LISTING)
    scene.reconcile(run)
    assert scene.calls(LISTING) == listed + 1
    assert Finding.ILLEGAL_STATUS not in scene.findings()


@pytest.mark.parametrize("is_known", [False, True])
def test_whom_an_older_read_was_written_of_while_the_list_was_on_its_way_is_looked_at_again(
    scene, monkeypatch, is_known
):
    """The counts fit the list, so they must not be kept: the next round would see no change and ask for no list."""
    run, state = scene.live(2), scene.simulator.state
    submission = state.take_place(scene.study(run)).id
    if is_known:
        scene.reconcile(run)
        held = listing.held(run)
        state.set_status(submission, "TIMED-OUT")
    else:
        held = {}
        state.start(submission)
    older = scene.provider().look(scene.get(TaskRun, run).facts, submission)
    state.finish(submission)
    observe = ProlificProvider.observe

    def while_somebody_writes(self, facts):
        yield from observe(self, facts)
        with transaction() as session:
            register.write(session, session.get_one(TaskRun, run), diff(held, [older]))

    with monkeypatch.context() as patch:
        patch.setattr(ProlificProvider, "observe", while_somebody_writes)
        scene.reconcile(run)
    assert scene.agent_words() == ["timeout" if is_known else "in task"]
    scene.reconcile(run)
    assert scene.agent_words() == ["completed"]
    assert scene.findings() == []


def surplus_place(scene, run):
    study = scene.simulator.state.study(scene.study(run))
    study.fields |= {"total_available_places": study.places + 1}
    study.closed = False
    return study.id


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


def test_a_run_stays_open_while_work_may_come_late_and_somebody_is_to_be_paid(scene):
    run, state = scene.live(1), scene.simulator.state
    late = state.take_place(scene.study(run)).id
    scene.reconcile(run)
    state.set_status(late, "TIMED-OUT")
    scene.completed(run)
    scene.approve(run)
    scene.settle()
    scene.reconcile(run)
    assert not scene.get(TaskRun, run).is_completed
    state.finish(late)
    reconcile.reconcile_account(scene.account)
    assert sorted(scene.agent_words()) == ["approved", "completed"]
    assert not scene.get(TaskRun, run).is_completed
    scene.approve(run)
    scene.settle()
    scene.reconcile(run)
    assert scene.get(TaskRun, run).is_completed
    assert len(scene.effects("approve")) == 2


def test_a_time_out_that_is_long_ago_keeps_no_run_open(scene, timing):
    run, state = scene.live(1), scene.simulator.state
    state.set_status(state.take_place(scene.study(run)).id, "TIMED-OUT")
    scene.completed(run)
    scene.approve(run)
    scene.settle()
    scene.reconcile(run)
    assert not scene.get(TaskRun, run).is_completed
    scene.later(timing().late_work)
    scene.reconcile(run, full=True)
    assert scene.get(TaskRun, run).is_completed


def test_a_completed_run_is_compared_again_when_a_person_wants_it(scene):
    run = scene.live(1)
    (submission,) = scene.completed(run)
    scene.approve(run)
    scene.settle()
    scene.reconcile(run)
    scene.simulator.state.set_status(submission, "REJECTED")
    reconcile.reconcile_account(scene.account, full=True)
    assert scene.findings() == []
    reconcile.reconcile_account(scene.account, full=True, completed=True)
    assert scene.findings() == [Finding.ILLEGAL_STATUS]


def test_a_run_of_another_world_is_not_compared_and_pauses_the_account(scene, monkeypatch):
    """The command was given the address of a sandbox, and the worker was not."""
    scene.live(1)
    calls = scene.simulator.total_calls()
    monkeypatch.setattr(ProlificProvider, "is_sandbox", lambda _: False)
    with pytest.raises(AccountError, match="speaks to the real vendor, but the run was planned at a sandbox"):
        reconcile.reconcile_account(scene.account)
    assert scene.simulator.total_calls() == calls
    assert "the same address of the vendor" in scene.get(Requester, scene.account).paused_reason


def test_a_run_that_is_not_at_the_vendor_yet_costs_no_call(scene):
    scene.plan(1)
    reconcile.reconcile_account(scene.account)
    assert scene.simulator.total_calls() == 0


def test_a_vendor_that_does_not_answer_is_asked_again_later(scene, caplog):
    run = scene.live(1)
    scene.hand_in(run)
    scene.fault(COUNTS, "500_before")
    reconcile.reconcile_one(str(scene.account))
    assert scene.agent_words() == []
    assert "was put off" in caplog.text
    reconcile.reconcile_one(str(scene.account))
    assert scene.agent_words() == ["completed"]


def test_a_run_whose_study_is_gone_does_not_hold_up_the_others_and_is_told(scene):
    runs = [scene.live(1, f"run {number}") for number in range(3)]
    for run in runs[1:]:
        scene.hand_in(run)
    gone = scene.study(runs[0])
    del scene.simulator.state.studies[gone]
    with pytest.raises(RejectedError):
        reconcile.reconcile_account(scene.account)
    assert scene.agent_words() == ["completed"] * 2


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
    assert scene.agent_words() == []
    scene.reconcile(run)
    assert scene.agent_words() == ["completed"] * 3


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
