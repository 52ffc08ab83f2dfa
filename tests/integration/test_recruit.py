"""A run is paused, resumed and ended: whoever is at work may finish, and nothing is offered after the end."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from models import recruit, review
from models.agent import Agent
from models.operation import Operation, State
from models.session import transaction
from models.status import IllegalMoveError
from models.task_run import TaskRun
from models.unit import Unit
from tasks import claims, decide, engine, reconcile
from tasks.arrival import arrive
from tests.integration.scene import DRAFT, LAUNCH, LISTING, STUDY_MOVE


def act(run, verb):
    """Plan something about a run."""
    with transaction() as session:
        return verb(session.get_one(TaskRun, run))


def status(scene, run):
    return scene.simulator.state.study(scene.study(run)).status


def test_an_expired_run_is_stopped_and_what_nobody_has_expires(scene):
    run, state = scene.live(3), scene.simulator.state
    at_work = state.take_place(scene.study(run)).id
    scene.reconcile(run)
    act(run, recruit.expire)
    assert scene.unit_words() == ["assigned", "launched", "launched"]
    scene.settle()
    assert status(scene, run) == "AWAITING REVIEW"
    scene.reconcile(run)
    assert scene.unit_words() == ["assigned", "expired", "expired"]
    state.finish(at_work)
    scene.reconcile(run)
    scene.approve(run)
    scene.settle()
    scene.reconcile(run)
    assert scene.unit_words() == ["accepted", "expired", "expired"]
    assert scene.get(TaskRun, run).is_completed


def test_who_took_a_place_before_the_stop_and_is_seen_after_it_has_one_of_the_units(scene):
    run, state = scene.live(3), scene.simulator.state
    at_the_door, at_work = (state.take_place(scene.study(run)) for _ in range(2))
    act(run, recruit.expire)
    scene.settle()
    assert scene.unit_words() == ["launched"] * 3
    arrive(run, at_the_door.id, at_the_door.participant)
    scene.reconcile(run)
    assert scene.unit_words() == ["assigned", "assigned", "expired"]
    assert {agent.submission for agent in scene.all(Agent)} == {at_the_door.id, at_work.id}
    assert scene.findings() == []


def test_units_wait_until_a_list_that_is_whole_has_shown_who_is_there(scene):
    run, state = scene.live(2), scene.simulator.state
    state.take_place(scene.study(run))
    act(run, recruit.expire)
    scene.settle()
    scene.fault(LISTING, "list_skips")
    scene.reconcile(run)
    assert scene.unit_words() == ["launched"] * 2
    scene.reconcile(run)
    assert scene.unit_words() == ["assigned", "expired"]


def test_who_returns_work_of_an_expired_run_leaves_an_expired_unit(scene):
    run, state = scene.live(1), scene.simulator.state
    at_work = state.take_place(scene.study(run)).id
    scene.reconcile(run)
    act(run, recruit.expire)
    scene.settle()
    state.set_status(at_work, "RETURNED")
    scene.reconcile(run)
    assert scene.unit_words() == ["expired"]
    assert scene.get(TaskRun, run).is_completed


def test_a_run_that_was_never_sent_is_over_at_once_and_nothing_of_it_is_ever_sent(scene):
    run = scene.plan(2)
    assert act(run, recruit.expire) is None
    assert scene.unit_words() == ["expired"] * 2
    assert scene.states() == {State.CANCELLED}
    scene.settle()
    assert scene.simulator.state.ledger == []


def test_a_draft_that_was_not_published_is_deleted(scene):
    run = scene.plan(2)
    scene.send(scene.only("draft"))
    study = scene.study(run)
    act(run, recruit.expire)
    scene.settle()
    assert study not in scene.simulator.state.studies
    assert scene.states("publish", "launch") == {State.CANCELLED}
    assert scene.states("stop") == {State.CONFIRMED}
    scene.reconcile(run)
    assert scene.unit_words() == ["expired"] * 2


@pytest.mark.parametrize(("endpoint", "kind"), [(DRAFT, "draft"), (STUDY_MOVE, "publish"), (LAUNCH, "launch")])
@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "429"])
def test_whatever_was_under_way_when_a_run_was_expired_nothing_is_offered_in_the_end(scene, endpoint, kind, fault):
    run = scene.plan(3)
    for earlier in ("draft", "publish", "launch"):
        if earlier == kind:
            scene.fault(endpoint, fault)
        scene.send(*scene.operations(earlier))
        if earlier == kind:
            break
        scene.later(30)
        scene.read(*scene.operations(earlier))
    act(run, recruit.expire)
    scene.settle(200)
    scene.reconcile(run)
    assert set(scene.unit_words()) == {"expired"}
    open_studies = [study for study in scene.simulator.state.studies.values() if study.status != "COMPLETED"]
    assert open_studies == []


def test_a_stop_waits_for_a_launch_that_is_on_its_way(scene):
    """More places would open the study again."""
    run = scene.plan(2)
    for kind in ("draft", "publish"):
        scene.send(scene.only(kind))
        scene.later(30)
    scene.read(scene.only("publish"))
    (held,) = claims.claim([row.id for row in scene.operations("launch")])
    stop = act(run, recruit.expire)
    assert claims.claim([stop.id]) == []
    engine.carry_out(held)
    assert len(claims.claim([stop.id])) == 1


def test_expiring_again_is_the_same_operation(scene):
    run = scene.live(1)
    first = act(run, recruit.expire)
    assert act(run, recruit.expire).id == first.id


def test_nothing_is_launched_after_the_end(scene):
    run = scene.live(1)
    act(run, recruit.expire)
    with transaction() as session, pytest.raises(IllegalMoveError, match="is expired"):
        recruit.launch(session.get_one(TaskRun, run), session.query(Unit).all())


def test_one_unit_is_taken_off_the_table_here_and_whoever_takes_its_place_is_paid(scene):
    run = scene.live(2)
    with transaction() as session:
        session.query(Unit).order_by(Unit.place.desc()).first().expire()
    scene.completed(run, 2)
    assert scene.unit_words() == ["completed", "completed", "expired"]
    assert len(scene.findings()) == 1


def test_a_study_that_was_stopped_in_the_vendors_pages_comes_home(scene):
    run = scene.live(3)
    scene.completed(run, 1)
    scene.simulator.state.study(scene.study(run)).closed = True
    reconcile.reconcile_account(scene.account, full=True)
    assert scene.get(TaskRun, run).is_stopped
    # A list that was asked for since then shows everybody who took a place.
    reconcile.reconcile_account(scene.account)
    assert scene.unit_words() == ["completed", "expired", "expired"]


def test_a_pause_lets_nobody_in_until_it_is_over(scene):
    run, state = scene.live(2), scene.simulator.state
    first = act(run, recruit.pause)
    assert act(run, recruit.pause).id == first.id
    scene.settle()
    assert status(scene, run) == "PAUSED"
    with pytest.raises(ValueError, match="none to take"):
        state.take_place(scene.study(run))
    act(run, recruit.resume)
    scene.settle()
    assert status(scene, run) == "ACTIVE"
    second = act(run, recruit.pause)
    assert second.id != first.id
    scene.settle()
    assert status(scene, run) == "PAUSED"
    assert len(scene.effects("study_paused")) == 2


def test_a_pause_and_its_end_in_a_row_happen_in_that_order(scene):
    run = scene.live(1)
    act(run, recruit.pause)
    act(run, recruit.resume)
    scene.settle()
    assert status(scene, run) == "ACTIVE"
    assert len(scene.effects("study_paused")) == len(scene.effects("study_resumed")) == 1


def test_what_was_not_paused_is_not_resumed_and_what_is_expired_is_not_paused(scene):
    run = scene.live(1)
    with pytest.raises(IllegalMoveError, match="was not paused"):
        act(run, recruit.resume)
    act(run, recruit.expire)
    with pytest.raises(IllegalMoveError, match="is expired"):
        act(run, recruit.pause)


def test_two_who_expire_a_run_at_once_stop_it_once(scene):
    run = scene.live(2)
    with ThreadPoolExecutor(4) as pool:
        stops = {done.id for done in pool.map(lambda _: act(run, recruit.expire), range(4))}
    assert len(stops) == 1
    scene.settle()
    assert len(scene.effects("study_stopped")) == 1


def test_a_paused_run_that_is_expired_is_stopped(scene):
    run = scene.live(1)
    act(run, recruit.pause)
    scene.settle()
    act(run, recruit.expire)
    scene.settle()
    assert status(scene, run) == "COMPLETED"


def test_rejections_that_waited_go_out_after_the_stop(scene):
    run = scene.live(2)
    scene.completed(run, 1)
    with transaction() as session:
        held = session.get_one(TaskRun, run)
        agents = [unit.agent for unit in session.query(Unit).filter(Unit.agent_id.isnot(None))]
        review.reject(held, agents, "OTHER", "The page shows that nothing was written into any of the fields. " * 3)
    act(run, recruit.expire)
    scene.settle()
    assert scene.states("reject") == {State.CONFIRMED}
    scene.reconcile(run)
    assert scene.unit_words() == ["expired", "rejected"]
    assert scene.all(Operation, Operation.hold.isnot(None)) == []


def test_a_pause_that_was_withdrawn_can_be_made_again(scene):
    run = scene.live(2)
    first = act(run, recruit.pause)
    with transaction() as session:
        decide.cancel(session, first.id, who="ada")
    assert act(run, recruit.pause).id != first.id
    scene.settle()
    assert status(scene, run) == "PAUSED"


def test_a_run_is_not_over_while_its_study_recruits_and_whoever_comes_is_seen(scene):
    """One unit was taken off the table, but the vendor goes on offering its place."""
    run = scene.live(2)
    with transaction() as session:
        session.query(Unit).order_by(Unit.place.desc()).first().expire()
    scene.completed(run, 1)
    scene.approve(run)
    scene.settle()
    reconcile.reconcile_account(scene.account, full=True)
    assert not scene.get(TaskRun, run).is_completed
    scene.hand_in(run, 1)
    reconcile.reconcile_account(scene.account)
    assert scene.unit_words() == ["accepted", "completed", "expired"]


def test_a_study_that_is_open_again_after_its_end_is_stopped_again(scene):
    """A request to open more places, given up for lost, lands after the stop."""
    run = scene.live(2)
    act(run, recruit.expire)
    scene.settle()
    study = scene.simulator.state.study(scene.study(run))
    study.fields |= {"total_available_places": 5}
    study.closed = False
    reconcile.reconcile_account(scene.account, full=True, completed=True)
    assert not scene.get(TaskRun, run).is_completed
    scene.settle()
    assert status(scene, run) == "COMPLETED"
    assert len(scene.effects("study_stopped")) == 2
    reconcile.reconcile_account(scene.account, full=True)
    assert scene.get(TaskRun, run).is_completed


def test_a_run_whose_draft_was_deleted_is_over(scene):
    run = scene.plan(1)
    scene.send(scene.only("draft"))
    act(run, recruit.expire)
    scene.settle()
    reconcile.reconcile_account(scene.account)
    assert scene.get(TaskRun, run).is_completed
